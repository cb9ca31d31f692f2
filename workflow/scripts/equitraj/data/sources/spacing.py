"""Times of frames: evenly spaced, because a task predicts a number of frames ahead."""

import numpy as np


def check_even(time: np.ndarray, name: str, unit: str) -> None:
    """Raise ValueError that names the first frame where the step of `time` (T,) is another than
    that of the first two.

    Formats keep times to about six digits.
    """
    steps = np.diff(time)
    if not len(steps):
        return
    allowed = 1e-5 * np.abs(time[1:]) + 1e-3 * abs(steps[0])
    wrong = np.flatnonzero((np.abs(steps - steps[0]) > allowed) | (steps <= 0))
    if len(wrong):
        frame = int(wrong[0])
        raise ValueError(
            f"{name}: frame {frame + 1} is {steps[frame]:g} {unit} after frame {frame}, but the first step is "
            f"{steps[0]:g} {unit}; expected evenly spaced frames: write them again at a fixed interval"
        )

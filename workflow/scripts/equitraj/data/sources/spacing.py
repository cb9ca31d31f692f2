"""Even spacing of frames in time: a task predicts a fixed number of frames ahead."""

import numpy as np


def check_even(time: np.ndarray, name: str, unit: str) -> None:
    """Check that `time` (T,) has equal steps.

    The tolerance allows for formats that store times with about six digits.

    Raises:
        ValueError: a step differs from the first one; the message names the first such frame.
    """
    steps = np.diff(time)
    if not len(steps):
        return
    first = steps[0]
    tolerance = 1e-5 * np.abs(time[1:]) + 1e-3 * abs(first)
    is_different = np.abs(steps - first) > tolerance
    is_backward = steps <= 0
    wrong = np.flatnonzero(is_different | is_backward)
    if len(wrong):
        frame = int(wrong[0])
        raise ValueError(
            f"{name}: frame {frame + 1} is {steps[frame]:g} {unit} after frame {frame}, "
            f"but the first step is {first:g} {unit}; "
            "expected evenly spaced frames: write them again at a fixed interval"
        )

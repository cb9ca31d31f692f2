"""One step beyond the end of the trajectory. Left: the last frame and the predicted next frames.

Right: the same steps as arrows, lengthened to be visible. A prediction of no motion would have no
arrows, and the arrows of the baseline would leave the picture."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import BASELINE, NETWORK, planar, plane, point_rms, short
from equitraj.report.figures.style import FAINT, INK, Drawing, LineStyle, panels

INPUTS = ("lifted", "baseline", "network")
TITLE = "The extrapolated frame"
ARROW = 0.35  # length of the longest arrow in reduced units
NETWORK_NAME, BASELINE_NAME, VELOCITY_NAME = "e3nn network", "linear baseline", "constant velocity"
LOOKS: dict[str, tuple[str, LineStyle]] = {  # colour and dashes
    VELOCITY_NAME: (INK, "-"),
    NETWORK_NAME: (NETWORK, (0, (4, 2))),
    BASELINE_NAME: (BASELINE, "-"),
}


def arrows(axes: Axes, start: np.ndarray, steps: dict[str, np.ndarray]) -> float:
    """Draw lengthened steps (N, 2) from `start` (N, 2), and return the factor."""
    lengths = [np.linalg.norm(step, axis=1) for step in steps.values()]
    factor = ARROW / max(length.max() for length in lengths)
    for width, (name, step) in zip((0.011, 0.005), steps.items(), strict=True):
        colour, _ = LOOKS[name]
        axes.quiver(
            *start.T,
            *(factor * step.T),
            color=colour,
            width=width,
            zorder=3,
            label=name,
            angles="xy",
            scale_units="xy",
            scale=1,
        )
    return factor


def next_frames(axes: Axes, last: np.ndarray, following: dict[str, np.ndarray]) -> None:
    """Draw the last frame (N, 2) and the next frame that each method predicts."""
    axes.plot(*last.T, "-", color=FAINT, linewidth=5, alpha=0.4, label="last frame = no motion")
    for name, frame in following.items():
        colour, dash = LOOKS[name]
        axes.plot(
            *frame.T,
            linestyle=dash,
            marker=".",
            markersize=4,
            linewidth=1.2,
            color=colour,
            label=name,
        )


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel of frames and a panel of steps."""
    frames = planar(inputs["lifted"])
    baseline = read_arrays(inputs["baseline"])
    network = read_arrays(inputs["network"])
    last = frames[-1]
    following = {
        VELOCITY_NAME: last + (last - frames[-2]),
        NETWORK_NAME: network["extrapolated"][:, :2],
        BASELINE_NAME: baseline["extrapolated"][:, :2],
    }
    steps = {name: frame - last for name, frame in following.items()}
    figure, (left, right) = panels(2, columns=2, height=3.3)
    next_frames(left, last, following)
    right.plot(*last.T, "-", color=FAINT, linewidth=5, alpha=0.4)
    small = {name: steps[name] for name in (VELOCITY_NAME, NETWORK_NAME)}
    factor = arrows(right, last, small)
    right.margins(0.15)
    plane(left, "The next frame")
    plane(right, f"The steps, {factor:.0f} times as long", first=False)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    models = {NETWORK_NAME: network, BASELINE_NAME: baseline}
    return figure, finding(frames, steps, models)


def finding(
    frames: np.ndarray,
    steps: dict[str, np.ndarray],
    models: dict[str, dict[str, np.ndarray]],
) -> str:
    """Compare the lengths of the steps, and the errors on the last known frame."""
    velocity, network, baseline = (short(point_rms(step)) for step in steps.values())
    errors = {}
    for name, arrays in models.items():
        prediction = arrays["validation_prediction"][-1, :, :2]
        errors[name] = short(point_rms(prediction - frames[-1]))
    velocity_error = short(point_rms(frames[-1] - 2 * frames[-2] + frames[-3]))
    still_error = short(point_rms(frames[-1] - frames[-2]))
    return (
        f"Root mean square step of a point beyond the last frame: constant velocity {velocity}, "
        f"e3nn network {network}, baseline {baseline}. The true next frame is unknown. On the last "
        f"known frame, the errors are {errors[NETWORK_NAME]} for the network, "
        f"{errors[BASELINE_NAME]} for the baseline, {velocity_error} for constant velocity "
        f"and {still_error} for no motion."
    )

"""One step beyond the end of the trajectory. Left: the last frame and the frame that each method
puts after it. Right: the same steps as arrows, lengthened to be seen; no motion would have none,
and the baseline's would leave the picture."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import BASELINE, NETWORK, planar, plane, point_rms
from equitraj.report.figures.style import FAINT, INK, panels, sig

INPUTS = ("lifted", "baseline", "network")
TITLE = "The extrapolated frame"
ARROW = 0.35  # length in reduced units that the longest arrow is drawn with


def arrows(
    axes: Axes, start: np.ndarray, steps: dict[str, np.ndarray], colours: dict[str, str]
) -> float:
    """Draw the steps (N, 2) from `start` (N, 2), lengthened; returns by how much."""
    factor = ARROW / max(np.linalg.norm(step, axis=1).max() for step in steps.values())
    for width, (name, step) in zip((0.011, 0.005), steps.items(), strict=True):
        scale = {"angles": "xy", "scale_units": "xy", "scale": 1}
        axes.quiver(
            *start.T,
            *(factor * step.T),
            color=colours[name],
            width=width,
            zorder=3,
            label=name,
            **scale,
        )
    return factor


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    frames, baseline, network = (
        planar(inputs["lifted"]),
        read_arrays(inputs["baseline"]),
        read_arrays(inputs["network"]),
    )
    last, step = frames[-1], frames[-1] - frames[-2]
    following = {
        "constant velocity": last + step,
        "e3nn network": network["extrapolated"][:, :2],
        "linear baseline": baseline["extrapolated"][:, :2],
    }
    colours = {"constant velocity": INK, "e3nn network": NETWORK, "linear baseline": BASELINE}
    figure, (left, right) = panels(2, columns=2, height=3.3)
    left.plot(*last.T, "-", color=FAINT, linewidth=5, alpha=0.4, label="last frame = no motion")
    for (name, frame), line in zip(following.items(), ("-", (0, (4, 2)), "-"), strict=True):
        left.plot(
            *frame.T,
            linestyle=line,
            marker=".",
            markersize=4,
            linewidth=1.2,
            color=colours[name],
            label=name,
        )
    right.plot(*last.T, "-", color=FAINT, linewidth=5, alpha=0.4)
    lengths = {name: point_rms(frame - last) for name, frame in following.items()}
    small = {name: following[name] - last for name in ("constant velocity", "e3nn network")}
    factor = arrows(right, last, small, colours)
    right.margins(0.15)
    plane(left, "The next frame")
    plane(right, f"The steps, {factor:.0f} times as long", first=False)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    known = {"e3nn network": network, "linear baseline": baseline}
    errors = {
        name: point_rms(arrays["validation_prediction"][-1, :, :2] - frames[-1])
        for name, arrays in known.items()
    }
    return figure, (
        f"Root mean square step of a point beyond the last frame: constant velocity "
        f"{sig(lengths['constant velocity'], 2)}, e3nn network {sig(lengths['e3nn network'], 2)}, baseline "
        f"{sig(lengths['linear baseline'], 2)}. Nobody knows the true frame; of the one before, the last known, the "
        f"network missed the points by {sig(errors['e3nn network'], 2)}, the baseline by "
        f"{sig(errors['linear baseline'], 2)}, constant velocity by "
        f"{sig(point_rms(frames[-1] - 2 * frames[-2] + frames[-3]), 2)} and no motion by {sig(point_rms(step), 2)}."
    )

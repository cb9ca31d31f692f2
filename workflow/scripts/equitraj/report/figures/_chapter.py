"""Common parts of the chapters' figures: planar frames, chains of points, and axes with units."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from equitraj.data import trajectory
from equitraj.report.figures.style import BLUE, FAINT, GREEN, RED, sig

# as in all figures, a cool colour claims equivariance and a warm one does not
BASELINE, NETWORK = RED, BLUE
FRAMES_SHOWN = 96
TIME, SIZE = "viridis", "plasma"
"""Colour maps of time and of other ordered quantities."""
TITLES = {
    "none": "Not aligned",
    "centre of mass + principal axes": "Mean, principal axes",
    "point 0 + 0-1 vector": "Point 0, 0-1 vector",
}
"""Panel titles of `alignment2d.ALIGNED`."""


def planar(path: str | Path) -> np.ndarray:
    """The x and y coordinates (T, N, 2) of a lifted trajectory file."""
    position = trajectory.read(path).position
    return position[..., :2]


def some(count: int, shown: int = FRAMES_SHOWN) -> np.ndarray:
    """At most `shown` indices, evenly spread over `count` frames."""
    indices = np.linspace(0, count - 1, min(shown, count))
    return indices.astype(int)


def short(value: float) -> str:
    """Write `value` with two significant digits."""
    return sig(value, 2)


def colour_map(name: str) -> Colormap:
    """The colour map `name` without its palest end, which would be invisible on white."""
    shades = np.linspace(0, 0.88, 64)
    whole = matplotlib.colormaps[name]
    colours = whole(shades)
    return LinearSegmentedColormap.from_list(name, colours)


def chains(
    axes: Axes,
    frames: np.ndarray,
    values: np.ndarray,
    norm: Normalize,
    name: str = TIME,
    alpha: float = 0.45,
) -> None:
    """Draw frames (F, N, 2) as chains, coloured by `values` (F,) on the colour map `name`."""
    colours = colour_map(name)(norm(values))
    lines = LineCollection(
        list(frames),
        colors=colours,
        alpha=alpha,
        linewidths=0.8,
    )
    axes.add_collection(lines)
    points = frames.reshape(-1, 2)
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=3,
        c=np.repeat(colours, frames.shape[1], axis=0),
        alpha=alpha,
        linewidths=0,
    )


def overlay(axes: Axes, original: np.ndarray, copy: np.ndarray) -> None:
    """Draw frames (F, N, 2) as broad grey chains, and their rotated copies as thin green ones."""
    broad = LineCollection(
        list(original),
        colors=FAINT,
        linewidths=4,
        alpha=0.45,
    )
    thin = LineCollection(
        list(copy),
        colors=GREEN,
        linewidths=1.4,
    )
    axes.add_collection(broad)
    axes.add_collection(thin)


def overlay_legend(figure: Figure, original: str, copy: str) -> None:
    """Explain the chains of `overlay` below the panels."""
    broad = Line2D([], [], color=FAINT, linewidth=4, alpha=0.45)
    thin = Line2D([], [], color=GREEN, linewidth=1.4)
    figure.legend(
        [broad, thin],
        [original, copy],
        loc="outside lower center",
        ncols=2,
    )


def plane(axes: Axes, title: str = "", first: bool = True) -> None:
    """Set equal aspect and labels with units; only the `first` panel of a row has a y label."""
    axes.set_aspect("equal", adjustable="datalim")
    axes.autoscale_view()
    axes.set_xlabel("x (reduced units)")
    axes.set_ylabel("y (reduced units)" if first else "")
    axes.set_title(title)


def colourbar(
    figure: Figure, axes: list[Axes], norm: Normalize, label: str, name: str = TIME
) -> None:
    """Add one bar for the colours of `chains`, to the right of `axes`."""
    colours = ScalarMappable(norm, colour_map(name))
    figure.colorbar(
        colours,
        ax=axes,
        label=label,
        fraction=0.03,
        pad=0.02,
    )


def rms(values: np.ndarray) -> float:
    """Root mean square of all entries."""
    squares = np.square(values)
    mean = np.mean(squares)
    return float(np.sqrt(mean))


def point_rms(values: np.ndarray) -> float:
    """Root mean square length of vectors (..., D)."""
    squares = np.square(values)
    mean = np.mean(np.sum(squares, axis=-1))
    return float(np.sqrt(mean))


def spread_of_ends(frames: np.ndarray) -> tuple[float, float]:
    """Standard deviations over frames (T, N, 2) of the first and the last point."""
    first, last = frames[:, 0], frames[:, -1]
    first_spread = point_rms(first - first.mean(0))
    last_spread = point_rms(last - last.mean(0))
    return first_spread, last_spread

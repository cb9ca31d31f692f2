"""What the redrawn figures of the chapters share: reading planar frames, drawing chains, axes with
units."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from equitraj.data import trajectory
from equitraj.report.figures.style import BLUE, RED

BASELINE, NETWORK = RED, BLUE  # warm claims no equivariance, cool claims it, as in all figures
FRAMES_SHOWN = 96
TIME, SIZE = "viridis", "plasma"
"""Colour maps: of time, and of other ordered things."""


def planar(path: str | Path) -> np.ndarray:
    """The x and y coordinates (T, N, 2) of a lifted trajectory file."""
    return trajectory.read(path).position[..., :2]


def some(count: int, shown: int = FRAMES_SHOWN) -> np.ndarray:
    """At most `shown` frame indices, evenly spread over `count` frames."""
    return np.linspace(0, count - 1, min(shown, count)).astype(int)


def colour_map(name: str) -> Colormap:
    """The colour map `name` without its palest end, which would vanish on white."""
    return LinearSegmentedColormap.from_list(
        name, matplotlib.colormaps[name](np.linspace(0, 0.88, 64))
    )


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
    axes.add_collection(LineCollection(frames, colors=colours, alpha=alpha, linewidths=0.8))
    points = frames.reshape(-1, 2)
    axes.scatter(
        *points.T, s=3, c=np.repeat(colours, frames.shape[1], axis=0), alpha=alpha, linewidths=0
    )


def plane(axes: Axes, title: str = "", first: bool = True) -> None:
    """Equal aspect, labelled axes with units; the y label only on the `first` panel of a row."""
    axes.set_aspect("equal", adjustable="datalim")
    axes.autoscale_view()
    axes.set_xlabel("x (reduced units)")
    axes.set_ylabel("y (reduced units)" if first else "")
    axes.set_title(title)


def colourbar(
    figure: Figure, axes: list[Axes], norm: Normalize, label: str, name: str = TIME
) -> None:
    """One bar for the colours of `chains`, at the right of `axes`."""
    figure.colorbar(
        ScalarMappable(norm, colour_map(name)), ax=axes, label=label, fraction=0.03, pad=0.02
    )


def rms(values: np.ndarray) -> float:
    """Root mean square of all entries."""
    return float(np.sqrt(np.mean(np.square(values))))


def point_rms(values: np.ndarray) -> float:
    """Root mean square length of vectors (..., D)."""
    return float(np.sqrt(np.mean(np.sum(np.square(values), axis=-1))))


TITLES = {
    "none": "Not aligned",
    "centre of mass + principal axes": "Mean, principal axes",
    "point 0 + 0-1 vector": "Point 0, 0-1 vector",
}
"""Panel titles of `alignment2d.ALIGNED`."""

"""Five ways to turn one distance into features: its inverse, the distance repeated, one of several
bins, radial basis functions, and a small network trained for the purpose (eight features each but
the first; a line for each feature). The last panel compares what a linear readout of each can
express."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from scipy.spatial.distance import pdist

from equitraj.chapter.distance import FEATURES, WIDTH, morse, readout_error
from equitraj.report.figures._chapter import SIZE, colour_map, planar, some
from equitraj.report.figures.style import FAINT, panels, sig

INPUTS = ("lifted",)
TITLE = "Distance features"


def curves(axes: Axes, name: str, r: np.ndarray, features: np.ndarray) -> None:
    """One line per feature, in the order of the features; equal ones lie on each other."""
    for colour, feature in zip(
        colour_map(SIZE)(np.linspace(0, 1, features.shape[1])), features.T, strict=True
    ):
        axes.plot(r, feature, color=colour, linewidth=1.3)
    axes.set(
        title=name[0].upper() + name[1:], xlabel="distance (reduced units)", xlim=(r[0], r[-1])
    )


def compare(axes: Axes, errors: dict[str, float]) -> None:
    """The readout errors as bars on a logarithmic axis, each with its number."""
    names = list(errors)[::-1]
    short = ["RBF" if name == "radial basis functions" else name.split()[0] for name in names]
    bars = axes.barh(short, [errors[name] for name in names], color=FAINT, height=0.6)
    axes.bar_label(bars, [sig(errors[name], 2) for name in names], padding=3, fontsize=8)
    axes.set(xscale="log", xlabel="RMS error (well depths)", title="Readout of Morse energy")
    low, high = axes.get_xlim()
    axes.set_xlim(low / 2, high * 30)
    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_minor_locator(NullLocator())


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    frames = planar(inputs["lifted"])
    apart = [pdist(frame) for frame in frames[some(len(frames))]]
    near, far = np.quantile(apart, (0.01, 0.99))
    r = np.linspace(near, far, 400)
    features = {name: function(r, near, far) for name, function in FEATURES.items()}
    errors = {name: readout_error(morse(r, near, far), value) for name, value in features.items()}
    figure, axes = panels(6, columns=3, height=2.2)
    for ax, (name, value) in zip(axes[:5], features.items(), strict=True):
        curves(ax, name, r, value)
    compare(axes[5], errors)
    axes[0].set_ylabel("feature")
    axes[3].set_ylabel("feature")
    said = ", ".join(f"{name} {sig(error, 2)}" for name, error in errors.items())
    return figure, (
        f"Two points of the chain are {sig(near, 2)} to {sig(far, 2)} apart (98 % of all pairs). Over that range a "
        f"linear readout reproduces a Morse pair energy with a root mean square error, in units of its depth, of: "
        f"{said}. Repeating a distance {WIDTH} times adds nothing."
    )

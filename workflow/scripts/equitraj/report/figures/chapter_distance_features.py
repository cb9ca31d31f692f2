"""Five ways to turn one distance into features, and what a linear readout of each can express.

The features are the inverse distance, the repeated distance, one of several bins, radial basis
functions, and a small network that is trained for the purpose. Each except the first has eight
features, with a line for each feature. The last panel compares the errors of the readouts."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator
from scipy.spatial.distance import pdist

from equitraj.chapter.distance import FEATURES, WIDTH, morse, readout_error
from equitraj.report.figures._chapter import SIZE, colour_map, planar, short, some
from equitraj.report.figures.style import FAINT, Drawing, panels

INPUTS = ("lifted",)
TITLE = "Distance features"


def curves(axes: Axes, name: str, r: np.ndarray, features: np.ndarray) -> None:
    """Draw a line per feature, in their order; equal features lie on top of each other."""
    count = features.shape[1]
    shades = np.linspace(0, 1, count)
    colours = colour_map(SIZE)(shades)
    for colour, feature in zip(colours, features.T, strict=True):
        axes.plot(r, feature, color=colour, linewidth=1.3)
    title = name[0].upper() + name[1:]
    axes.set(
        title=title,
        xlabel="distance (reduced units)",
        xlim=(r[0], r[-1]),
    )


def compare(axes: Axes, errors: dict[str, float]) -> None:
    """Draw the readout errors as bars with their numbers, on a logarithmic axis."""
    names = list(errors)[::-1]
    heights = [errors[name] for name in names]
    numbers = [short(height) for height in heights]
    labels = [_short_name(name) for name in names]
    bars = axes.barh(labels, heights, color=FAINT, height=0.6)
    axes.bar_label(bars, numbers, padding=3, fontsize=8)
    axes.set(
        xscale="log",
        xlabel="RMS error (well depths)",
        title="Readout of Morse energy",
    )
    low, high = axes.get_xlim()
    axes.set_xlim(low / 2, high * 30)
    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_minor_locator(NullLocator())


def _short_name(name: str) -> str:
    if name == "radial basis functions":
        return "RBF"
    return name.split()[0]


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel per kind of features, and a panel that compares them."""
    frames = planar(inputs["lifted"])
    distances = [pdist(frame) for frame in frames[some(len(frames))]]
    near, far = np.quantile(distances, (0.01, 0.99))
    r = np.linspace(near, far, 400)
    energy = morse(r, near, far)
    features = {name: function(r, near, far) for name, function in FEATURES.items()}
    errors = {name: readout_error(energy, values) for name, values in features.items()}
    figure, axes = panels(6, columns=3, height=2.2)
    for ax, (name, values) in zip(axes[:5], features.items(), strict=True):
        curves(ax, name, r, values)
    compare(axes[5], errors)
    axes[0].set_ylabel("feature")
    axes[3].set_ylabel("feature")
    numbers = ", ".join(f"{name} {short(error)}" for name, error in errors.items())
    return figure, (
        f"Two points of the chain are {short(near)} to {short(far)} apart (98 % of all pairs). "
        f"Over that range a linear readout reproduces a Morse pair energy with a root mean square "
        f"error, in units of its depth, of: {numbers}. "
        f"Repeating a distance {WIDTH} times adds nothing."
    )

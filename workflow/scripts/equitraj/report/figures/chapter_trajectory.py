"""The true frames and the frames that the chapter's two models predict one frame ahead.

The models are the linear baseline and the e3nn network; the frames are training and validation
frames. Colour is time, from dark at the first frame to light at the last."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import chains, colourbar, planar, plane, rms, short, some
from equitraj.report.figures.style import Drawing, panels, sig

INPUTS = ("lifted", "baseline", "network")
TITLE = "True and predicted trajectory"


def predictions(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Predicted frames (T - 1, N, 2), first training and then validation."""
    parts = [arrays["train_prediction"], arrays["validation_prediction"]]
    return np.concatenate(parts)[..., :2]


def draw(inputs: dict[str, Path]) -> Drawing:
    """Draw a panel of true frames and a panel per model."""
    frames = planar(inputs["lifted"])
    baseline = read_arrays(inputs["baseline"])
    network = read_arrays(inputs["network"])
    start, truth = frames[:-1], frames[1:]
    columns = {
        "True frames": truth,
        "Linear baseline": predictions(baseline),
        "e3nn network": predictions(network),
    }
    shown = some(len(truth))
    norm = Normalize(1, len(truth))
    figure, axes = panels(3, columns=3, height=1.8)
    for ax, (title, value) in zip(axes, columns.items(), strict=True):
        chains(ax, value[shown], shown + 1, norm)
        plane(ax, title, first=ax is axes[0])
    colourbar(figure, axes, norm, "frame")
    _set_limits(axes, [value[shown] for value in columns.values()])
    still_error = sig(rms(start - truth))
    _, baseline_error, network_error = (sig(rms(value - truth)) for value in columns.values())
    stretches = np.linalg.svd(baseline["w"][:2, :2], compute_uv=False)
    return figure, (
        f"Root mean square errors over all frames, x and y: linear baseline {baseline_error}, "
        f"e3nn network {network_error}, and {still_error} for no motion at all. The trained "
        f"baseline squeezes the plane (singular values {short(stretches[0])} and "
        f"{short(stretches[1])} of its matrix). The picture cannot show how good the network is: "
        f"consecutive frames differ by less than the width of a line."
    )


def _set_limits(axes: list[Axes], values: list[np.ndarray]) -> None:
    """Give all panels the limits of all points."""
    points = np.concatenate([value.reshape(-1, 2) for value in values])
    left, bottom = points.min(0) - 0.2
    right, top = points.max(0) + 0.2
    for ax in axes:
        ax.set(xlim=(left, right), ylim=(bottom, top), adjustable="box")

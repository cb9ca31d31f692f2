"""The true frames beside those that the linear baseline and the e3nn network of the chapter
predict, one frame ahead, over training and validation frames. Colour is time, from dark at the
first frame to light at the last."""

from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from equitraj.chapter.data import read_arrays
from equitraj.report.figures._chapter import chains, colourbar, planar, plane, rms, some
from equitraj.report.figures.style import panels, sig

INPUTS = ("lifted", "baseline", "network")
TITLE = "True and predicted trajectory"


def predictions(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Predicted frames (T - 1, N, 2), training then validation."""
    return np.concatenate([arrays["train_prediction"], arrays["validation_prediction"]])[..., :2]


def draw(inputs: dict[str, Path]) -> tuple[Figure, str]:
    """The figure and its finding."""
    frames = planar(inputs["lifted"])
    truth, start = frames[1:], frames[:-1]
    columns = {
        "True frames": truth,
        "Linear baseline": predictions(read_arrays(inputs["baseline"])),
        "e3nn network": predictions(read_arrays(inputs["network"])),
    }
    shown, norm = some(len(truth)), Normalize(1, len(truth))
    figure, axes = panels(3, columns=3, height=1.8)
    for ax, (title, value) in zip(axes, columns.items(), strict=True):
        chains(ax, value[shown], shown + 1, norm)
        plane(ax, title, first=ax is axes[0])
    colourbar(figure, axes, norm, "frame")
    drawn = np.concatenate([value[shown].reshape(-1, 2) for value in columns.values()])
    (left, bottom), (right, top) = drawn.min(0) - 0.2, drawn.max(0) + 0.2
    for ax in axes:
        ax.set(xlim=(left, right), ylim=(bottom, top), adjustable="box")
    squeeze = np.linalg.svd(read_arrays(inputs["baseline"])["w"][:2, :2], compute_uv=False)
    error = [sig(rms(columns[name] - truth)) for name in ("Linear baseline", "e3nn network")]
    return figure, (
        f"Root mean square errors over all frames, x and y: linear baseline {error[0]}, e3nn network {error[1]}, and "
        f"{sig(rms(start - truth))} for no motion at all. The trained baseline squeezes the plane (singular values "
        f"{sig(squeeze[0], 2)} and {sig(squeeze[1], 2)} of its matrix). How good the network is the picture cannot "
        f"show: frames in a row differ by less than the width of a line."
    )

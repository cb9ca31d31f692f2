"""Rollouts in the page: rounded positions, exact errors, and the library that draws them.

Positions are relative to the centre of the true points, so that a drift of all points does not
leave the picture, and rounded to 16 bits. Numbers and colours come from the distances that the
evaluation measured.
"""

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from markupsafe import Markup

from equitraj.base.files import checked
from equitraj.report.figures.style import read_table
from equitraj.report.rows import select
from equitraj.report.words import sig

VENDOR = Path(__file__).parents[3] / "report" / "vendor"
LARGEST = 900_000  # bytes of all positions before compression; they add at most 1.5 MB to a page
FEWEST = 20  # steps; with less room for two starts than this, one is shown
REACH = 8  # largest distance that is drawn, in extents of the truth; further points are moved there
BOUND = 32767
COLUMNS = ("task", "method", "train_size", "seed", "step", "mse")
CONSTANT = "constant_velocity"


@dataclass
class Blob:
    """Arrays one after another, each identified by its first byte."""

    parts: list[bytes] = field(default_factory=list)
    length: int = 0

    def add(self, array: np.ndarray) -> int:
        """Append an array; returns where it begins."""
        begin = self.length
        content = array.tobytes()
        self.parts.append(content)
        self.length += len(content)
        return begin

    @property
    def packed(self) -> str:
        """All arrays, compressed by gzip and encoded in base64."""
        return packed(b"".join(self.parts))


def packed(content: bytes) -> str:
    """Bytes compressed by gzip, without a time stamp, and encoded in base64."""
    compressed = gzip.compress(content, 9, mtime=0)
    return base64.b64encode(compressed).decode()


def trajectories(tables: Path) -> dict | None:
    """Gather the rollouts for the template, None if there are none.

    Args:
        tables: the folder of rollouts.h5 and rollout.csv.

    Raises:
        DamagedFile: a file was changed after it was written.
    """
    path = tables / "rollouts.h5"
    if not path.is_file():
        return None
    blob = Blob()
    shown = []
    left_out = []
    rollout = read_table(tables / "rollout.csv", COLUMNS)
    with h5py.File(checked(path), track_order=True) as file:
        room = LARGEST // max(len(file), 1)
        for name, group in file.items():
            errors = select(rollout, task=name)
            task = _task(name, group, errors, blob, room)
            if task["frames"]:
                shown.append(task)
            else:
                left_out.append(name)
    if not shown:
        return None
    data = json.dumps(shown, separators=(",", ":"), allow_nan=False)
    return {
        "data": Markup(data.replace("<", "\\u003c")),
        "positions": blob.packed,
        "left_out": left_out,
        "finding": finding(shown),
        "library": packed(library()),
        "licence": (VENDOR / "3Dmol.LICENSE").read_text(encoding="utf-8"),
    }


def library() -> bytes:
    """Read 3Dmol.js as it was published, by the checksum in the README of its folder.

    Raises:
        ValueError: it is another file.
    """
    path = VENDOR / "3Dmol-min.js"
    readme = VENDOR / "README.md"
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest not in readme.read_text(encoding="utf-8"):
        raise ValueError(f"{path}: sha256 {digest}; expected the one in {readme}")
    return content


def frames_shown(n_steps: int, frame_bytes: int, room: int) -> tuple[list[int], int]:
    """Choose the steps and the number of starts that fit into `room` bytes.

    The steps begin with 0 and are evenly apart. There are none if two do not fit.
    """
    for starts, fewest in ((2, min(n_steps, FEWEST) + 1), (1, 2)):
        fit = room // (frame_bytes * starts)
        if fit >= fewest:
            interval = -(-n_steps // (fit - 1))
            return list(range(0, n_steps + 1, interval)), starts
    return [], 0


def _task(name: str, group: h5py.Group, table: pd.DataFrame, blob: Blob, room: int) -> dict:
    scene = Scene(group, room)
    starts = []
    for i, top in enumerate(scene.tops):
        frame = int(group["starts"][i])
        truth = scene.rounded(scene.truth, i)
        starts.append({"frame": frame, "top": top, "truth": blob.add(truth)})
    methods = [_method(method, scene, table, blob) for method in group["methods"].values()]
    return {
        "name": name,
        "unit": _unit(group.attrs["length_unit"]),
        "time_unit": _unit(group.attrs["time_unit"]),
        "interval": float(group.attrs["interval"]),
        "points": scene.truth.shape[2],
        "bonds": group["bonds"][()].tolist(),
        "grain": REACH / BOUND,  # the unit of rounded positions, in extents
        "frames": scene.frames,
        "starts": starts,
        "methods": methods,
    }


def _unit(name: str) -> str:
    return "" if name == "reduced" else name


class Scene:
    """The truth of a task, and the selection of steps and starts that the page shows.

    Attributes: truth (T, S, N, 3), with the true start in front; frames, the steps shown; tops, for
    each start shown, the distance at which the colours end: the median over the methods of their
    largest distance.
    """

    def __init__(self, group: h5py.Group, room: int) -> None:
        methods = group["methods"].values()
        self.before = group["before"][()][None]
        self.truth = np.concatenate([self.before, group["truth"][()]])
        n_times, all_starts, n_points, _ = self.truth.shape
        frame_bytes = n_points * (6 + 7 * len(methods))  # 6 of a position, 1 of a colour
        self.frames, n_starts = frames_shown(n_times - 1, frame_bytes, room)
        distances = [method["distance"] for method in methods if len(method["distance"])]
        self.tops = []
        for i in range(min(n_starts, all_starts)):
            largest = [distance[:, i].max() for distance in distances]
            self.tops.append(float(np.median(largest)) or 1.0)
        self.centre = self.truth.mean(2, keepdims=True)
        offset = np.abs(self.truth - self.centre)
        self.extent = float(offset.max()) or 1.0

    def seen(self, values: np.ndarray) -> np.ndarray:
        """The steps of (T, ...) that are shown."""
        steps = [step for step in self.frames if step < len(values)]
        return values[steps]

    def rounded(self, position: np.ndarray, start: int) -> np.ndarray:
        """Positions (T, S, N, 3) of one start relative to the true centre, in whole grains."""
        offset = position - self.centre[: len(position)]
        relative = self.seen(offset[:, start]) / self.extent
        grains = (relative * BOUND / REACH).round()
        return np.clip(grains, -BOUND, BOUND).astype("<i2")


def _method(group: h5py.Group, scene: Scene, table: pd.DataFrame, blob: Blob) -> dict:
    """The rollouts of a method, with errors of each start and the mean error over all starts."""
    name = Path(group.name).name
    size = group.attrs["train_size"]
    seed = int(group.attrs["seed"])
    position = np.concatenate([scene.before, group["prediction"][()]])
    no_distance = np.zeros_like(scene.before[..., 0])
    distance = np.concatenate([no_distance, group["distance"][()]]).astype(float)
    rmse = scene.seen(np.sqrt(np.square(distance).mean(-1) / 3))
    mine = select(table, method=name, train_size=size, seed=seed)
    mean = {0: 0.0} | dict(zip(mine["step"], np.sqrt(mine["mse"]), strict=True))
    starts = range(len(scene.tops))
    return {
        "name": name,
        "train_size": size,
        "seed": seed,
        "rmse": [[_short(value) for value in rmse[:, i]] for i in starts],
        "mean": [_short(mean[step]) if step in mean else None for step in scene.frames],
        "positions": [blob.add(scene.rounded(position, i)) for i in starts],
        "shades": [blob.add(_shade(scene, distance, i)) for i in starts],
    }


def _shade(scene: Scene, distance: np.ndarray, start: int) -> np.ndarray:
    """The colours of the points, 0 to 255, from distances (T, S, N)."""
    relative = scene.seen(distance[:, start]) / scene.tops[start]
    shade = np.minimum(relative, 1) * 255
    return shade.round().astype("u1")


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def finding(tasks: list[dict]) -> str:
    """Report the last error of the most accurate method of the first task.

    The error of constant velocity follows for comparison.
    """
    task = tasks[0]
    complete = {m["name"]: m for m in task["methods"] if m["mean"][-1] is not None}
    if not complete:
        return f"On `{task['name']}` no rollout has numbers to its end."
    best = next(iter(complete))
    errors = []
    for name in dict.fromkeys((best, CONSTANT)):
        if name in complete:
            method = complete[name]
            error = f"{sig(method['mean'][-1])} {task['unit']}".rstrip()
            errors.append(f"`{name}` by {error} (seed {method['seed']})")
    text = ", ".join(errors)
    steps = task["frames"][-1]
    return f"After {steps} steps on `{task['name']}` predictions are off (RMSE): {text}."

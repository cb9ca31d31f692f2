"""Rollouts as the page holds them: positions small enough for it, errors as they are, and the
library that draws them.

Positions are seen from the centre of the true points, so that a drift of all does not leave the
picture, and rounded to 16 bits; what is read off as a number, and the colours, come from the
distances that evaluation measured.
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
from equitraj.report.words import sig

VENDOR = Path(__file__).parents[3] / "report" / "vendor"
LARGEST = (
    900_000  # bytes of all positions before they are packed, for a page of at most 1.5 MB more
)
FEWEST = 20  # steps: with less room than that for two starts, one is shown
REACH = 8  # a point further off than so many times the extent of the truth is out of sight, and drawn at that distance
BOUND = 32767
COLUMNS = ("task", "method", "train_size", "seed", "step", "mse")
CONSTANT = "constant_velocity"


@dataclass
class Blob:
    """Arrays one after another, each known by where it begins."""

    parts: list[bytes] = field(default_factory=list)
    length: int = 0

    def add(self, array: np.ndarray) -> int:
        """Append an array; returns where it begins."""
        begin = self.length
        self.parts.append(array.tobytes())
        self.length += len(self.parts[-1])
        return begin

    @property
    def packed(self) -> str:
        """All of it, compressed by gzip and encoded in base64."""
        return packed(b"".join(self.parts))


def packed(content: bytes) -> str:
    """Bytes, compressed by gzip and encoded in base64, the same in every year."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def trajectories(tables: Path) -> dict | None:
    """What the template shows of rollouts.h5 and rollout.csv in the folder `tables`, None where
    there are no rollouts.

    Raises:
        DamagedFile: a file is not as it was written.
    """
    path, blob = tables / "rollouts.h5", Blob()
    if not path.is_file():
        return None
    rollout = read_table(tables / "rollout.csv", COLUMNS)
    with h5py.File(checked(path), track_order=True) as file:
        room = LARGEST // max(len(file), 1)
        tasks = [
            _task(name, file[name], rollout[rollout["task"] == name], blob, room) for name in file
        ]
    told = [task for task in tasks if task["frames"]]
    if not told:
        return None
    left = [task["name"] for task in tasks if not task["frames"]]
    return {
        "data": Markup(
            json.dumps(told, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
        ),
        "positions": blob.packed,
        "left_out": left,
        "finding": finding(told),
        "library": packed(library()),
        "licence": (VENDOR / "3Dmol.LICENSE").read_text(encoding="utf-8"),
    }


def library() -> bytes:
    """3Dmol.js as it was published, by the digest that stands beside it.

    Raises:
        ValueError: it is another file.
    """
    path = VENDOR / "3Dmol-min.js"
    content = path.read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) not in (VENDOR / "README.md").read_text(
        encoding="utf-8"
    ):
        raise ValueError(f"{path}: sha256 {digest}; expected the one in {VENDOR / 'README.md'}")
    return content


def frames_shown(n_steps: int, frame_bytes: int, room: int) -> tuple[list[int], int]:
    """The steps that fit into `room` bytes, 0 first and evenly apart, and how many starts; none
    where two do not."""
    for starts in (2, 1):
        fit = room // (frame_bytes * starts)
        if fit > min(n_steps, FEWEST) or starts == 1 and fit >= 2:
            return list(range(0, n_steps + 1, -(-n_steps // (fit - 1)))), starts
    return [], 0


def _task(name: str, group: h5py.Group, table: pd.DataFrame, blob: Blob, room: int) -> dict:
    scene = Scene(group, room)
    starts = [
        {
            "frame": int(group["starts"][i]),
            "top": top,
            "truth": blob.add(scene.rounded(scene.truth, i)),
        }
        for i, top in enumerate(scene.tops)
    ]
    return {
        "name": name,
        "unit": _unit(group.attrs["length_unit"]),
        "time_unit": _unit(group.attrs["time_unit"]),
        "interval": float(group.attrs["interval"]),
        "points": scene.truth.shape[2],
        "bonds": group["bonds"][()].tolist(),
        "grain": REACH / BOUND,  # of the extent, the unit of rounded positions
        "frames": scene.frames,
        "starts": starts,
        "methods": [_method(method, scene, table, blob) for method in group["methods"].values()],
    }


def _unit(name: str) -> str:
    return "" if name == "reduced" else name


class Scene:
    """The truth of a task, and what of it and of the predictions is shown.

    Attributes: truth (T, S, N, 3), the true start before it; frames, the steps shown; tops, for
    each start shown, the distance at which the colours end: the median over the methods of the
    largest one of each.
    """

    def __init__(self, group: h5py.Group, room: int) -> None:
        methods = group["methods"].values()
        self.before = group["before"][()][None]
        self.truth = np.concatenate([self.before, group["truth"][()]])
        n_steps, n_points = len(self.truth) - 1, self.truth.shape[2]
        frame_bytes = n_points * (6 + 7 * len(methods))  # 6 of a position, 1 of a colour
        self.frames, n_starts = frames_shown(n_steps, frame_bytes, room)
        n_starts = min(n_starts, self.truth.shape[1])
        most = [
            [one["distance"][:, i].max() for one in methods if len(one["distance"])]
            for i in range(n_starts)
        ]
        self.tops = [float(np.median(values)) or 1.0 for values in most]
        self.centre = self.truth.mean(2, keepdims=True)
        self.extent = float(np.abs(self.truth - self.centre).max()) or 1.0

    def seen(self, values: np.ndarray) -> np.ndarray:
        """The steps of (T, ...) that are shown."""
        return values[[step for step in self.frames if step < len(values)]]

    def rounded(self, position: np.ndarray, start: int) -> np.ndarray:
        """Positions (T, S, N, 3) of one start, from the true centre on, in whole grains of the
        extent."""
        inside = self.seen((position - self.centre[: len(position)])[:, start]) / self.extent
        return np.clip((inside * BOUND / REACH).round(), -BOUND, BOUND).astype("<i2")


def _method(group: h5py.Group, scene: Scene, table: pd.DataFrame, blob: Blob) -> dict:
    name, size, seed = Path(group.name).name, group.attrs["train_size"], int(group.attrs["seed"])
    position = np.concatenate([scene.before, group["prediction"][()]])
    distance = np.concatenate([np.zeros_like(scene.before[..., 0]), group["distance"][()]]).astype(
        float
    )
    rmse = scene.seen(np.sqrt(np.square(distance).mean(-1) / 3))
    far = [scene.seen(distance[:, i]) / top for i, top in enumerate(scene.tops)]
    mine = table[
        (table["method"] == name) & (table["train_size"] == size) & (table["seed"] == seed)
    ]
    mean = {0: 0.0} | dict(zip(mine["step"], np.sqrt(mine["mse"]), strict=True))
    return {
        "name": name,
        "train_size": size,
        "seed": seed,
        "rmse": [[_short(value) for value in rmse[:, i]] for i in range(len(scene.tops))],
        "mean": [_short(mean[step]) if step in mean else None for step in scene.frames],
        "positions": [blob.add(scene.rounded(position, i)) for i in range(len(scene.tops))],
        "shades": [blob.add((np.minimum(values, 1) * 255).round().astype("u1")) for values in far],
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def finding(tasks: list[dict]) -> str:
    """How far the most accurate method of the first task is off in the end, beside constant
    velocity."""
    task = tasks[0]
    ends = {m["name"]: m for m in task["methods"] if m["mean"][-1] is not None}
    if not ends:
        return f"On `{task['name']}` no rollout has numbers to its end."
    off = [
        f"`{name}` by {sig(ends[name]['mean'][-1])} {task['unit']}".rstrip()
        + f" (seed {ends[name]['seed']})"
        for name in dict.fromkeys((next(iter(ends)), CONSTANT))
        if name in ends
    ]
    return f"After {task['frames'][-1]} steps on `{task['name']}` predictions are off (RMSE): {', '.join(off)}."

"""`run.json`, the record of a run, read as what it is: a file that anyone may have written."""

import re
from pathlib import Path

from equitraj.base.files import read_json

NAME = re.compile(r"[A-Za-z0-9_]+")
KEYS: dict[str, type | tuple[type, ...]] = {
    "task.name": str,
    "task.source": str,
    "task.history": int,
    "task.lag": int,
    "task.split": dict,
    "method.name": str,
    "method.model": str,
    "method.alignment": str,
    "method.options": dict,
    "method.training": dict,
    "shape": dict,
    "split": dict,
    "claims": dict,
    "train_size": str,
    "seed": int,
    "status": str,
    "precision": str,
    "has_initial": bool,
    "n_parameters": int,
    "train_seconds": (int, float),
    "compile_seconds": (int, float),
    "frames_per_second": (int, float),
    "flops": (int, type(None)),
    "last_fall": (int, float, type(None)),
    "peak_memory_mb": (int, float),
    "device": str,
}
FILES = {  # what a step writes into a run folder
    "trained": ("run.json", "model.safetensors", "history.csv"),
    "evaluated": ("metrics.json", "predictions.h5", "rollout.csv", "rollout.h5", "physics.csv"),
    "audited": ("audit.csv", "probes.csv", "controls.csv"),
}
NAMES = (
    "task.name",
    "task.source",
    "method.name",
    "method.model",
    "method.alignment",
    "train_size",
)


def value_of(record: dict, key: str) -> object:
    """The value of a dotted key, None where there is none."""
    for part in key.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def read_record(folder: str | Path) -> dict:
    """The record of the run in `folder`.

    Raises:
        ValueError: a key is missing or has a value of another type, a name is a path, or the run is
            not that of its folder `{task}/{method}/n{size}/seed{seed}`; the message names file and
            key.
    """
    path = Path(folder) / "run.json"
    record = read_json(path)
    for key, wanted in KEYS.items():
        found = value_of(record, key)
        if not isinstance(found, wanted) or (isinstance(found, bool) and wanted is not bool):
            expected = " or ".join(
                kind.__name__ for kind in (wanted if isinstance(wanted, tuple) else (wanted,))
            )
            raise ValueError(f"{path}: {key}: {_short(found)}; expected {expected}")
        if key in NAMES and not NAME.fullmatch(found):
            raise ValueError(
                f"{path}: {key}: {_short(found)}; expected a name of letters, digits and underscores"
            )
    for key, expected in place(Path(folder)).items():
        if str(found := value_of(record, key)) != expected:
            raise ValueError(
                f"{path}: {key}: {_short(found)}; expected {expected!r}, as its folder says"
            )
    return record


def _short(value: object) -> str:
    text = repr(value) if value is not None else "missing"
    return text if len(text) < 80 else f"{text[:76]}..."


def place(folder: Path) -> dict[str, str]:
    """What the folder of a run says of it, by keys of its record; {} for one that no workflow put
    there."""
    task, method, *last = ("", "", "", *folder.absolute().parts)[-4:]
    size, seed = re.fullmatch(r"n(all|\d+)", last[0]), re.fullmatch(r"seed(\d+)", last[1])
    return (
        {"task.name": task, "method.name": method, "train_size": size[1], "seed": seed[1]}
        if size and seed
        else {}
    )

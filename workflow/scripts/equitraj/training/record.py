"""Reading of `run.json`, the record of a run, which anybody may have written: it is checked."""

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
FILES = {  # that a step writes into a run folder
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
    """Return the value of a dotted key, None where there is none."""
    value: object = record
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def read_record(folder: str | Path) -> dict:
    """Return the record of the run in `folder`.

    Raises:
        ValueError: a key is missing or has a value of another type, a name is a path, or the record
            disagrees with its folder `{task}/{method}/n{size}/seed{seed}`; the message names file
            and key.
    """
    path = Path(folder) / "run.json"
    record = read_json(path)
    for key, kind in KEYS.items():
        value = value_of(record, key)
        if not _is_of(value, kind):
            raise ValueError(f"{path}: {key}: {_short(value)}; expected {_words(kind)}")
        if key in NAMES and not NAME.fullmatch(str(value)):
            wanted = "a name of letters, digits and underscores"
            raise ValueError(f"{path}: {key}: {_short(value)}; expected {wanted}")
    for key, expected in place(Path(folder)).items():
        value = value_of(record, key)
        if str(value) != expected:
            wanted = f"{expected!r}, as its folder says"
            raise ValueError(f"{path}: {key}: {_short(value)}; expected {wanted}")
    return record


def _is_of(value: object, kind: type | tuple[type, ...]) -> bool:
    """Whether a value is of a type, or of one of several; a bool is no number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind)


def _words(kind: type | tuple[type, ...]) -> str:
    if isinstance(kind, type):
        return kind.__name__
    return " or ".join(each.__name__ for each in kind)


def _short(value: object) -> str:
    if value is None:
        return "missing"
    text = repr(value)
    return text if len(text) < 80 else f"{text[:76]}..."


def place(folder: Path) -> dict[str, str]:
    """Return the values of a run's record that the path of its folder shows, by key.

    A folder that no workflow put there shows none.
    """
    parts = ("", "", "", *folder.absolute().parts)
    task, method, size, seed = parts[-4:]
    size_match = re.fullmatch(r"n(all|\d+)", size)
    seed_match = re.fullmatch(r"seed(\d+)", seed)
    if not size_match or not seed_match:
        return {}
    return {
        "task.name": task,
        "method.name": method,
        "train_size": size_match[1],
        "seed": seed_match[1],
    }

"""Checkpoints of unfinished trainings: arrays in safetensors, the rest as JSON in its metadata.

They live outside the outputs of a job, because Snakemake removes those when the job fails, and are deleted when the
training ends. A checkpoint resumes only the very training that wrote it: same data, options, model and seed.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from equitraj.files import atomic


def fingerprint(*parts: object) -> str:
    """A digest of arrays and JSON values that says whether two trainings are the same."""
    digest = hashlib.sha256()
    for part in parts:
        data = (
            np.ascontiguousarray(part).tobytes()
            if isinstance(part, np.ndarray)
            else json.dumps(part, sort_keys=True).encode()
        )
        digest.update(data)
    return digest.hexdigest()


def save(path: Path, arrays: dict[str, np.ndarray], state: dict) -> None:
    """Write arrays and state in one step."""
    with atomic(path) as temporary:
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, temporary, {"state": json.dumps(state)})


def load(path: Path, mark: str) -> tuple[dict[str, np.ndarray], dict] | None:
    """Arrays and state of the checkpoint at `path`, or None if there is none of a training with this fingerprint."""
    if not path.exists():
        return None
    with safe_open(path, framework="numpy") as file:
        state = json.loads(file.metadata()["state"])
        if state["fingerprint"] != mark:
            return None
        return {key: file.get_tensor(key) for key in file.keys()}, state

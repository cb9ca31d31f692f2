"""Checkpoints of trainings in an unfinished batch, in safetensors files with JSON metadata.

A job trains a batch of seeds. Its checkpoints lie outside its outputs, because Snakemake removes
the outputs of a failed job; they are deleted once the run folders of the batch are written. The
checkpoint of a training that has ended holds its outcome. A training resumes only from a
checkpoint with its own fingerprint: the same data, options, model and seed.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from equitraj.base.files import DamagedFile, atomic, checked, remove
from equitraj.data.parts import parts_of
from equitraj.training.outcome import Outcome

Saved = tuple[dict[str, np.ndarray], dict]  # arrays by name, and state


def fingerprint(*parts: object) -> str:
    """Return a SHA-256 digest of arrays and JSON values, equal only where all of them are equal."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            for rows in parts_of(part):  # a broadcast array is never copied as a whole
                contiguous = np.ascontiguousarray(part[rows])
                digest.update(contiguous.data)
        else:
            text = json.dumps(part, sort_keys=True)
            digest.update(text.encode())
    return digest.hexdigest()


class Checkpoint:
    """The checkpoint of one training at `path`, marked by the training's fingerprint."""

    def __init__(self, path: Path, mark: str, seconds: float) -> None:
        self.path = path
        self.mark = mark
        self.seconds = seconds
        self.saved_at = time.perf_counter()

    def due(self) -> bool:
        """Return whether the last checkpoint is older than `seconds`."""
        now = time.perf_counter()
        age = now - self.saved_at
        return age > self.seconds

    def save(self, arrays: dict[str, np.ndarray], state: dict) -> None:
        """Write arrays and state in one step."""
        text = json.dumps(state | {"fingerprint": self.mark})
        contiguous = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
        with atomic(self.path) as temporary:
            save_file(contiguous, temporary, {"state": text})
        self.saved_at = time.perf_counter()

    def load(self) -> Saved | None:
        """Return arrays and state, or None where there is no checkpoint of this very training."""
        if not self.path.exists():
            return None
        try:
            checked(self.path)
        except DamagedFile as error:
            print(f"{error}; starting from zero", file=sys.stderr)
            return None
        with safe_open(self.path, framework="numpy") as file:
            metadata = file.metadata()
            state = json.loads(metadata["state"])
            if state["fingerprint"] != self.mark:
                return None
            arrays = {name: file.get_tensor(name) for name in file.keys()}
        return arrays, state

    def finish(self, outcome: Outcome, status: str) -> None:
        """Store the outcome of the training, which has ended, and its status."""
        weights = outcome.arrays()
        state = {"outcome": outcome.rest(), "status": status}
        self.save(weights, state)

    def finished(self) -> tuple[Outcome, str] | None:
        """Return the outcome of this very training and its status, or None if it has not ended."""
        saved = self.load()
        if saved is None:
            return None
        arrays, state = saved
        if "outcome" not in state:
            return None
        outcome = Outcome.of(arrays, state["outcome"])
        return outcome, state["status"]

    def remove(self) -> None:
        """Delete the file, and its folder if that is empty: the batch is written."""
        remove(self.path)
        folder = self.path.parent
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

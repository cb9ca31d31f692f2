"""Checkpoints of the trainings of an unfinished batch: arrays in safetensors, the rest as JSON in
its metadata.

They live outside the outputs of a job, because Snakemake removes those when the job fails, and are
deleted when the run folders of the batch are written. Of a training that has ended, a checkpoint
keeps what came of it. It resumes only the very training that wrote it: same data, options, model
and seed.
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


def fingerprint(*parts: object) -> str:
    """A digest of arrays and JSON values that says whether two trainings are the same."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            for rows in parts_of(part):  # also of what is repeated without memory
                digest.update(np.ascontiguousarray(part[rows]))
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()


class Checkpoint:
    """The checkpoint of one training at `path`, marked by the training's fingerprint."""

    def __init__(self, path: Path, mark: str, seconds: float) -> None:
        self.path, self.mark, self.seconds, self.saved_at = path, mark, seconds, time.perf_counter()

    def due(self) -> bool:
        """Whether the last one is older than `seconds`."""
        return time.perf_counter() - self.saved_at > self.seconds

    def save(self, arrays: dict[str, np.ndarray], state: dict) -> None:
        """Write arrays and state in one step."""
        metadata = {"state": json.dumps(state | {"fingerprint": self.mark})}
        with atomic(self.path) as temporary:
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, temporary, metadata)
        self.saved_at = time.perf_counter()

    def load(self) -> tuple[dict[str, np.ndarray], dict] | None:
        """Arrays and state, or None where there is no checkpoint of this very training."""
        if not self.path.exists():
            return None
        try:
            checked(self.path)
        except DamagedFile as error:
            print(f"{error}; starting from zero", file=sys.stderr)
            return None
        with safe_open(self.path, framework="numpy") as file:
            state = json.loads(file.metadata()["state"])
            if state["fingerprint"] != self.mark:
                return None
            return {key: file.get_tensor(key) for key in file.keys()}, state

    def finish(self, outcome: Outcome, status: str) -> None:
        """Keep what came of the training."""
        self.save(outcome.arrays(), {"outcome": outcome.rest(), "status": status})

    def finished(self) -> tuple[Outcome, str] | None:
        """What came of this very training and its status, or None where it has not ended."""
        saved = self.load()
        if saved is None or "outcome" not in saved[1]:
            return None
        return Outcome.of(saved[0], saved[1]["outcome"]), saved[1]["status"]

    def remove(self) -> None:
        """Delete it, and its folder if that is empty: the batch is written."""
        remove(self.path)
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

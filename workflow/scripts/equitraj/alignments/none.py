"""No alignment: the model sees world coordinates."""

import numpy as np

from equitraj.frames import Frames, identity

CLAIMS = {"rotation": False, "reflection": False, "translation": False, "permutation": True}


def frames(position: np.ndarray, reference: np.ndarray | None = None) -> Frames:
    """World axes and origin for positions (B, N, 3)."""
    return Frames.single(identity(position), np.zeros((len(position), 3)))

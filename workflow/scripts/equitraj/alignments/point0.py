"""Point 0 becomes the origin; the axes stay (dmol-book, Input Data & Equivariances, section 5.6)."""

import numpy as np

from equitraj.frames import Frames, identity

CLAIMS = {"rotation": False, "reflection": False, "translation": True, "permutation": False}


def frames(position: np.ndarray, reference: np.ndarray | None = None) -> Frames:
    """World axes at point 0 of positions (B, N, 3)."""
    return Frames.single(identity(position), position[:, 0])

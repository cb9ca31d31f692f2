"""Point 0 becomes the origin and the vector from point 1 to point 0 the x axis, by the smallest rotation.

The chapter's alignment (dmol-book, Input Data & Equivariances, section 5.6) is this one in a plane. In three
dimensions one vector leaves the turn about itself open, so that only rotations within the plane of planar data are
removed: no claim for rotations in space.
"""

import numpy as np

from equitraj.frames import Frames, turn_onto_x

CLAIMS = {"rotation": False, "reflection": False, "translation": True, "permutation": False}


def frames(position: np.ndarray, reference: np.ndarray | None = None) -> Frames:
    """Axes along the vector from point 1 to point 0 of positions (B, N, 3)."""
    return Frames.single(turn_onto_x(position[:, 0] - position[:, 1]), position[:, 0])

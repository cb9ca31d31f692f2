"""The mean becomes the origin and the principal axes the axes, with the signs that the eigensolver happens to return.

The chapter's alignment (dmol-book, Input Data & Equivariances, section 5.6; Foote and Raman, PNAS 97, 978 (2000)),
which the chapter says removes rotations. The axes are the eigenvectors of the second moments in order of decreasing
eigenvalue; the third is the cross product of the first two, so that no reflection enters. Nothing fixes the signs of
the first two: the claim for rotations is the chapter's, and the audit tests it.
"""

import numpy as np

from equitraj.frames import Frames

CLAIMS = {"rotation": True, "reflection": False, "translation": True, "permutation": True}


def frames(position: np.ndarray, reference: np.ndarray | None = None) -> Frames:
    """Principal axes at the mean of positions (B, N, 3)."""
    origin = position.mean(1)
    centred = position - origin[:, None]
    _, vectors = np.linalg.eigh(centred.swapaxes(1, 2) @ centred)
    first, second = vectors[..., 2], vectors[..., 1]
    return Frames.single(np.stack([first, second, np.cross(first, second)], 1), origin)

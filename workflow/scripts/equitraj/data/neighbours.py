"""Neighbour lists: the pairs of points within a cutoff, across the faces of a periodic box where
there is one.

vesin finds them (Fraux et al., https://github.com/Luthaf/vesin) with cells as wide as the cutoff,
in time and memory that grow with the number of pairs and not with the square of the number of
points.
"""

import numpy as np

from equitraj.data.sources.box import filled

STEPS = 8  # lengths of lists between two powers of two: an eighth of a list is padding at most


def padded_length(count: int) -> int:
    """The length of a list for `count` pairs: one of few, as a network is compiled for each."""
    count = max(count, STEPS)
    step = max(2 ** ((count - 1).bit_length() - 1) // STEPS, STEPS)
    return -(-count // step) * step


def neighbour_lists(
    position: np.ndarray, cutoff: float, box: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Pairs closer than `cutoff` among positions (B, N, 3), which may lie outside of the box.

    `box` (B, 3, 3) has the box vectors as rows, a row of zeros where nothing is periodic along it.
    A pair is listed in both directions, once for each image within the cutoff, an image of the
    point itself among them.

    Returns `receivers` (B, E) in ascending order and `senders` (B, E), int32, both padded with N,
    and `shift` (B, E, 3), float64: the vector of a pair is x[receiver] - x[sender] - shift. A
    sample with positions that are not finite has no pairs.
    """
    box = np.zeros((len(position), 3, 3)) if box is None else box
    found = [_pairs(points, cutoff, vectors) for points, vectors in zip(position, box, strict=True)]
    batch, n_points = position.shape[:2]
    length = padded_length(max((len(receivers) for receivers, _, _ in found), default=0))
    indices, shift = np.full((2, batch, length), n_points, np.int32), np.zeros((batch, length, 3))
    for i, (receivers, senders, moved) in enumerate(found):
        indices[:, i, : len(receivers)] = receivers, senders
        shift[i, : len(receivers)] = moved
    return {"receivers": indices[0], "senders": indices[1], "shift": shift}


def _pairs(
    points: np.ndarray, cutoff: float, box: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Receivers, senders and shifts of one set of points (N, 3)."""
    from vesin import NeighborList  # here, so that what has no cutoff needs no vesin

    if not np.isfinite(points).all():
        return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, 3))
    vectors, periodic = filled(box)
    if not periodic.any():
        # without a box vesin compares all pairs: it gets one in which no image is within the cutoff
        vectors, periodic = (np.ptp(points, axis=0).max() + 2 * cutoff) * vectors, ~periodic
    finder = NeighborList(cutoff=cutoff, full_list=True, sorted=True)
    receivers, senders, images = finder.compute(points - points.mean(0), vectors, periodic, "ijS")
    return receivers.astype(np.int32), senders.astype(np.int32), images @ vectors


def bonded(lists: dict[str, np.ndarray], edges: np.ndarray | None, n_points: int) -> np.ndarray:
    """(B, E) bool, which pairs of lists are among the directed bonds (2, M)."""
    if edges is None:
        return np.zeros(lists["senders"].shape, bool)
    width = n_points + 1  # N itself pads
    keys = lists["senders"].astype(np.int64) * width + lists["receivers"]
    return np.isin(keys, edges[0] * width + edges[1])


def of_one_length(parts: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """Inputs with lists, or without, as inputs whose lists have the length of the longest."""
    length = max(part["senders"].shape[1] if "senders" in part else 0 for part in parts)
    return [_lengthened(part, length) if "senders" in part else part for part in parts]


def _lengthened(inputs: dict[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    missing, n_points = length - inputs["senders"].shape[1], inputs["position"].shape[1]
    filling = {"senders": n_points, "receivers": n_points, "shift": 0, "bonded": 0}

    def longer(name: str) -> np.ndarray:
        width = [(0, 0), (0, missing)] + [(0, 0)] * (inputs[name].ndim - 2)
        return np.pad(inputs[name], width, constant_values=filling[name])

    return inputs | {name: longer(name) for name in filling}

"""Neighbour lists: pairs of points within a cutoff, across the faces of a periodic box if any.

vesin finds the pairs (Fraux et al., https://github.com/Luthaf/vesin) with cells as wide as the
cutoff. Its time and memory grow with the number of pairs, not with the square of the number of
points.
"""

import numpy as np

from equitraj.data.sources.box import filled

STEPS = 8  # lengths of lists between two powers of two: at most an eighth of a list is padding


def padded_length(count: int) -> int:
    """The length of a list for `count` pairs.

    There are few lengths, because a network is compiled for each.
    """
    count = max(count, STEPS)
    power = 2 ** ((count - 1).bit_length() - 1)
    step = max(power // STEPS, STEPS)
    return -(-count // step) * step  # rounded up


def neighbour_lists(
    position: np.ndarray, cutoff: float, box: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Pairs closer than `cutoff` among positions (B, N, 3), which may lie outside of the box.

    `box` (B, 3, 3) has the box vectors as rows, and rows of zeros where nothing is periodic. A pair
    is listed in both directions, once for each image within the cutoff. The images of a point
    itself are among its neighbours.

    Returns:
        `receivers` (B, E) in ascending order and `senders` (B, E), int32, both padded with N, and
        `shift` (B, E, 3), float64: the vector of a pair is x[receiver] - x[sender] - shift. A
        sample with positions that are not finite has no pairs.
    """
    batch, n_points = position.shape[:2]
    if box is None:
        box = np.zeros((batch, 3, 3))
    lists = [_pairs(points, cutoff, vectors) for points, vectors in zip(position, box, strict=True)]
    counts = [len(receivers) for receivers, _, _ in lists]
    length = padded_length(max(counts, default=0))
    receivers = np.full((batch, length), n_points, np.int32)
    senders = receivers.copy()
    shift = np.zeros((batch, length, 3))
    for i, count in enumerate(counts):
        used = (i, slice(count))
        receivers[used], senders[used], shift[used] = lists[i]
    return {"receivers": receivers, "senders": senders, "shift": shift}


def _pairs(
    points: np.ndarray, cutoff: float, box: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Receivers, senders and shifts of one set of points (N, 3)."""
    from vesin import NeighborList  # models without a cutoff do not need vesin

    if not np.isfinite(points).all():
        none = np.zeros(0, np.int32)
        return none, none, np.zeros((0, 3))
    vectors, periodic = filled(box)
    if not periodic.any():
        # Without a box vesin compares all pairs. In this box no image is within the cutoff.
        width = np.ptp(points, axis=0).max() + 2 * cutoff
        vectors = width * vectors
        periodic = ~periodic
    finder = NeighborList(cutoff=cutoff, full_list=True, sorted=True)
    centred = points - points.mean(0)
    receivers, senders, images = finder.compute(centred, vectors, periodic, "ijS")
    return receivers.astype(np.int32), senders.astype(np.int32), images @ vectors


def bonded(lists: dict[str, np.ndarray], edges: np.ndarray | None, n_points: int) -> np.ndarray:
    """Whether the pairs of neighbour lists are among the directed bonds (2, M): (B, E) bool."""
    senders = lists["senders"]
    if edges is None:
        return np.zeros(senders.shape, bool)
    width = n_points + 1  # N itself is the padding
    pairs = senders.astype(np.int64) * width + lists["receivers"]
    bonds = edges[0] * width + edges[1]
    return np.isin(pairs, bonds)


def of_one_length(parts: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """Inputs of a network with their neighbour lists, if any, padded to the longest list."""
    lengths = [part["senders"].shape[1] for part in parts if "senders" in part]
    longest = max(lengths, default=0)
    return [_lengthened(part, longest) for part in parts]


def _lengthened(inputs: dict[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    if "senders" not in inputs:
        return inputs
    missing = length - inputs["senders"].shape[1]
    n_points = inputs["position"].shape[1]
    padding = {"senders": n_points, "receivers": n_points, "shift": 0, "bonded": 0}
    longer = dict(inputs)
    for name, value in padding.items():
        width = [(0, 0)] * inputs[name].ndim
        width[1] = (0, missing)
        longer[name] = np.pad(inputs[name], width, constant_values=value)
    return longer

"""Sizes of splits in plain numbers.

The workflow uses this arithmetic when it is parsed, and the same when it cuts samples.
"""

from itertools import accumulate

SPLITS = ("train", "validation", "test")


def are_fractions(sizes: list[float]) -> bool:
    """Whether sizes are fractions of the data: all below 1, with a sum of at most 1.

    Raises:
        ValueError: they are neither fractions nor whole numbers.
    """
    below_one = all(0 < size < 1 for size in sizes)
    if below_one and sum(sizes) <= 1 + 1e-9:  # the sum of decimal fractions is rounded
        return True
    whole = all(size >= 1 and size == int(size) for size in sizes)
    if whole:
        return False
    asked = ", ".join(f"{name} {size}" for name, size in zip(SPLITS, sizes, strict=True))
    raise ValueError(
        f"split: {asked}; expected whole numbers only, "
        "or fractions of 1 only, with a sum of at most 1"
    )


def split_counts(sizes: list[float], total: int, what: str) -> list[int]:
    """Sizes in numbers that fit into `total`, from numbers or from fractions of 1.

    `what` is the name of the things that are counted.

    Raises:
        ValueError: the sizes are neither whole numbers nor fractions, or exceed the total.
    """
    if are_fractions(sizes):
        counts = _rounded_shares(sizes, total)
    else:
        counts = [int(size) for size in sizes]
    needed = sum(counts)
    if needed > total:
        asked = " + ".join(f"{name} {count}" for name, count in zip(SPLITS, counts, strict=True))
        raise ValueError(f"split: {asked} = {needed} {what}, but the data have {total}")
    return counts


def _rounded_shares(fractions: list[float], total: int) -> list[int]:
    """Numbers that follow from fractions of a total.

    Cumulative sums are rounded, so that fractions with the sum 1 use everything.
    """
    counts = []
    start = 0
    for fraction in accumulate(fractions):
        stop = round(min(fraction, 1) * total)
        counts.append(stop - start)
        start = stop
    return counts


def cut(usable: int, counts: list[int], history: int, lag: int) -> list[range]:
    """The newest frames of the samples of each split, in one episode.

    `usable` frames of the episode have a target. The splits take the last `sum(counts)` of these,
    in order. A sample is dropped where its window of `history` past frames and `lag` future frames
    would reach into the next split.
    """
    begin = [usable - sum(counts[part:]) for part in range(len(counts))]
    end = [following - lag - history + 1 for following in begin[1:]]
    newest = []
    for low, high in zip(begin, [*end, usable], strict=True):
        low = max(low, history - 1)
        newest.append(range(low, high))
    return newest

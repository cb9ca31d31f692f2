"""Sizes of splits in plain numbers: the same arithmetic where the workflow is parsed and where
samples are cut."""

from itertools import accumulate

SPLITS = ("train", "validation", "test")


def are_fractions(sizes: list[float]) -> bool:
    """Whether sizes are fractions of the data (all below 1, with a sum of at most 1) and not whole
    numbers.

    Raises:
        ValueError: they are neither.
    """
    if (
        all(0 < size < 1 for size in sizes) and sum(sizes) <= 1 + 1e-9
    ):  # three decimal fractions, added with rounding
        return True
    if all(size >= 1 and size == int(size) for size in sizes):
        return False
    asked = ", ".join(f"{name} {size}" for name, size in zip(SPLITS, sizes, strict=True))
    raise ValueError(
        f"split: {asked}; expected whole numbers only, or fractions of 1 only, with a sum of at most 1"
    )


def split_counts(sizes: list[float], total: int, what: str) -> list[int]:
    """Sizes given as numbers, or all as fractions of 1, as numbers that fit into `total`."""
    if are_fractions(sizes):
        # the stops are rounded, so that fractions that sum to 1 use everything
        stops = [round(min(stop, 1) * total) for stop in accumulate(sizes)]
        counts = [stop - start for start, stop in zip([0, *stops], stops, strict=False)]
    else:
        counts = [int(size) for size in sizes]
    if sum(counts) > total:
        asked = " + ".join(f"{name} {count}" for name, count in zip(SPLITS, counts, strict=True))
        raise ValueError(f"split: {asked} = {sum(counts)} {what}, but the data have {total}")
    return counts


def cut(usable: int, counts: list[int], history: int, lag: int) -> list[range]:
    """The newest frames of the samples of each split in an episode with `usable` frames that have a
    target.

    The splits take the last `sum(counts)` of these, in order. A sample is dropped where its window
    of `history` past frames and `lag` to come would reach into the next split.
    """
    begin = [usable - sum(counts[part:]) for part in range(len(counts))]
    end = [*(start - lag - history + 1 for start in begin[1:]), usable]
    return [range(max(low, history - 1), high) for low, high in zip(begin, end, strict=True)]

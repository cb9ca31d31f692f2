"""Data in parts: what would fill the memory is read, changed and written a stretch at a time.

A part holds `PART_BYTES`. Data of one part are handled as if there were no parts, so that their
results are those of one call, digit by digit; sums over several parts differ from them by rounding.
"""

from collections.abc import Iterable

import h5py
import numpy as np

PART_BYTES = 1 << 26  # what is made of a part on the way takes a few times as much
MULTIPLE = 128  # of it, where they are larger: whole calls of a predictor (`predictor.CHUNK`), whatever the parts
GAP = 16  # frames between two wanted ones that are read with them: one long read is faster than many short ones


def parts(count: int, numbers: int) -> list[slice]:
    """Slices of `count` rows of so many float64 `numbers` each, one after another; one empty slice
    for no rows."""
    size = max(PART_BYTES // (8 * max(numbers, 1)), 1)
    size -= size % MULTIPLE if size > MULTIPLE else 0
    return [slice(start, min(start + size, count)) for start in range(0, max(count, 1), size)]


def parts_of(array: "np.ndarray | Stored") -> list[slice]:
    """The parts of an array along its first axis."""
    return parts(len(array), int(np.prod(array.shape[1:])))


class Stored:
    """An array of an open HDF5 file, read where it is indexed: by a number, a slice, or an array of
    row numbers.

    Attributes: shape, of which the last axis has only the first `width` columns of the stored one,
    where it is given; or, as a `column`, an axis of length 1 more.
    """

    def __init__(
        self, dataset: h5py.Dataset, width: int | None = None, column: bool = False
    ) -> None:
        self.dataset, self.columns, self.column = (
            dataset,
            () if width is None else (..., slice(width)),
            column,
        )
        shape = dataset.shape if width is None else (*dataset.shape[:-1], width)
        self.shape = (*shape, 1) if column else shape
        self.ndim, self.dtype = len(self.shape), dataset.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def __getitem__(self, index: int | slice | np.ndarray) -> np.ndarray:
        if isinstance(index, int | np.integer | slice):
            rows = self.dataset[(index, *self.columns)]
            return rows[..., None] if self.column else rows
        index = np.asarray(index)
        if not index.size:
            return np.empty((*index.shape, *self.shape[1:]), self.dtype)
        wanted, place = np.unique(index, return_inverse=True)
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > GAP) + 1)
        rows = [self[int(run[0]) : int(run[-1]) + 1][run - run[0]] for run in runs]
        return (rows[0] if len(rows) == 1 else np.concatenate(rows))[place.reshape(index.shape)]


class Mean:
    """The mean over all but the last `kept` axes of arrays that come one after another; of one it
    is NumPy's own."""

    def __init__(self, kept: int = 0) -> None:
        self.kept, self.total, self.count = kept, 0.0, 0

    def add(self, value: np.ndarray) -> None:
        """Take in one more array."""
        axes = tuple(range(value.ndim - self.kept))
        self.total = self.total + value.sum(axes)
        self.count += int(np.prod(value.shape[: len(axes)]))

    @property
    def value(self) -> np.ndarray | float:
        """The mean so far."""
        return self.total / self.count


def least_squares(systems: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The x (V,) that minimises the sum of |A x - b|^2 over systems A (M, V) and b (M,).

    Of several systems the triangles of their QR decompositions are kept (Golub and Van Loan, Matrix
    Computations, 5.3), which loses no digits where the normal equations would lose half of them.
    """
    kept, rows = None, 0
    for matrix, right in systems:
        rows += len(right)
        if kept is None:
            kept = matrix, right
            continue
        both = [
            np.linalg.qr(np.column_stack(system), mode="r") for system in (kept, (matrix, right))
        ]
        triangle = np.linalg.qr(np.concatenate(both), mode="r")
        kept = triangle[:, :-1], triangle[:, -1]
    matrix, right = kept
    return np.linalg.lstsq(matrix, right, rcond=np.finfo(float).eps * max(rows, matrix.shape[1]))[0]

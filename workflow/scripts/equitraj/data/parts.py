"""Data in parts: large arrays are read, changed and written one part at a time.

A part holds `PART_BYTES`. Data that fit into one part give the same results as without parts, to
the last digit; sums over several parts differ by rounding.
"""

import math
from collections.abc import Iterable

import h5py
import numpy as np

PART_BYTES = 1 << 26  # intermediate results of a part take a few times as much
# The rows of a larger part are a multiple of this number, so that a predictor is called with whole
# batches (`predictor.CHUNK`) whatever the parts are.
MULTIPLE = 128
# Frames between two wanted ones that are read with them: one long read is faster than several
# short ones.
GAP = 16


def parts(count: int, numbers: int) -> list[slice]:
    """Consecutive slices of `count` rows of `numbers` float64 each; one empty slice for no rows."""
    size = max(PART_BYTES // (8 * max(numbers, 1)), 1)
    if size > MULTIPLE:
        size -= size % MULTIPLE
    starts = range(0, max(count, 1), size)
    return [slice(start, min(start + size, count)) for start in starts]


def parts_of(array: "np.ndarray | Stored") -> list[slice]:
    """The parts of an array along its first axis."""
    numbers = math.prod(array.shape[1:])
    return parts(len(array), numbers)


class Stored:
    """An array of an open HDF5 file, which is read where it is indexed.

    An index is a number, a slice, or an array of row numbers.

    Args:
        dataset: the stored array.
        width: the number of columns of the last axis to read; all by default.
        column: whether the array gets a last axis of length 1.
    """

    columns: tuple

    def __init__(
        self, dataset: h5py.Dataset, width: int | None = None, column: bool = False
    ) -> None:
        self.dataset = dataset
        self.column = column
        self.columns = ()
        shape = dataset.shape
        if width is not None:
            self.columns = (..., slice(width))
            shape = (*shape[:-1], width)
        self.shape = (*shape, 1) if column else shape
        self.ndim = len(self.shape)
        self.dtype = dataset.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        whole = self[:]
        return np.asarray(whole, dtype)

    def __getitem__(self, index: int | slice | np.ndarray) -> np.ndarray:
        if isinstance(index, int | np.integer | slice):
            rows = self.dataset[(index, *self.columns)]
            return rows[..., None] if self.column else rows
        index = np.asarray(index)
        if not index.size:
            return np.empty((*index.shape, *self.shape[1:]), self.dtype)
        wanted, place = np.unique(index, return_inverse=True)
        gaps = np.flatnonzero(np.diff(wanted) > GAP)
        runs = [self._run(run) for run in np.split(wanted, gaps + 1)]
        values = runs[0] if len(runs) == 1 else np.concatenate(runs)
        return values[place.reshape(index.shape)]

    def _run(self, wanted: np.ndarray) -> np.ndarray:
        """The rows `wanted`, in ascending order, from one read."""
        first = int(wanted[0])
        last = int(wanted[-1])
        return self[first : last + 1][wanted - first]


class Mean:
    """The mean over all but the last `kept` axes of arrays that come one after another.

    The mean of a single array is NumPy's own.
    """

    total: np.ndarray | float

    def __init__(self, kept: int = 0) -> None:
        self.kept = kept
        self.total = 0.0
        self.count = 0

    def add(self, value: np.ndarray) -> None:
        """Add one more array."""
        n_axes = value.ndim - self.kept
        axes = tuple(range(n_axes))
        self.total = self.total + value.sum(axes)
        self.count += math.prod(value.shape[:n_axes])

    @property
    def value(self) -> np.ndarray | float:
        """The mean so far."""
        return self.total / self.count


def least_squares(systems: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The x (V,) that minimises the sum of |A x - b|^2 over systems A (M, V) and b (M,).

    Several systems are reduced to the triangles of their QR decompositions (Golub and Van Loan,
    Matrix Computations, 5.3). This loses no digits; the normal equations would lose half of them.
    """
    systems = iter(systems)
    matrix, right = next(systems)
    rows = len(right)
    for system in systems:
        rows += len(system[1])
        matrix, right = _combined((matrix, right), system)
    cutoff = np.finfo(float).eps * max(rows, matrix.shape[1])
    return np.linalg.lstsq(matrix, right, rcond=cutoff)[0]


def _combined(*systems: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """One system with the same least-squares solution as several together."""
    triangles = []
    for system in systems:
        rows = np.column_stack(system)
        triangles.append(np.linalg.qr(rows, mode="r"))
    # NumPy's types do not know that the mode "r" returns one array.
    triangle: np.ndarray = np.linalg.qr(np.concatenate(triangles), mode="r")  # type: ignore[assignment]
    return triangle[:, :-1], triangle[:, -1]

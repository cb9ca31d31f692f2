"""The audit of a Python function that predicts positions, with notes on its side effects."""

import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from equitraj import symmetry
from equitraj.base.allowed import Choice, Option, Range
from equitraj.base.claims import GENERATORS, IMPLIED_BY, completed
from equitraj.base.files import write_table
from equitraj.base.registry import nearest
from equitraj.data.tasks import Sample, spread
from equitraj.frames.axes import spatial
from equitraj.symmetry import actions, controls
from equitraj.symmetry.measure import displacement_norm, frobenius
from equitraj.symmetry.verdict import EPSILON

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Function = Callable[[np.ndarray], np.ndarray]
SHOWN = "generator verdict claim rel_mean rel_p95 rel_max abs_max loss_percent noise_floor".split()
ROUNDINGS = 8.0  # last digits of a coordinate that the floor grants a forward pass of unknown depth
COUNT = Option(1, Range(1))
PRECISION = Option("float64", Choice(tuple(EPSILON)))
SLOW = 60.0  # seconds: an audit that takes longer says so in advance


@dataclass(frozen=True)
class FunctionAudit:
    """The result of an audit.

    Attributes: rows, as in results/tables/audit.csv; name; notes on the function's side effects.
    """

    rows: list[dict]
    name: str
    notes: tuple[str, ...] = ()

    @property
    def broken(self) -> list[str]:
        """The generators whose claimed symmetry was not found."""
        failed = []
        for row in self.rows:
            if row["agrees"] == "no":
                failed.append(row["generator"])
        return failed

    @property
    def table(self) -> "pd.DataFrame":
        """The rows as a table (needs pandas)."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=symmetry.COLUMNS)

    def figure(self) -> "Figure":
        """Draw the report's matrix with one line (needs the extra `report`)."""
        from importlib import import_module  # a later room, imported only where a figure is wanted

        import matplotlib

        figures = "equitraj.report.figures"
        matrix = import_module(f"{figures}.audit_matrix")
        style = import_module(f"{figures}.style")
        table = self.table.assign(method=self.name)
        with matplotlib.rc_context(style.RC):
            return matrix.of_table(table)

    def write(self, path: str) -> None:
        """Write the rows as CSV."""
        write_table(path, symmetry.COLUMNS, self.rows)

    def __str__(self) -> str:
        """Format the matrix, one generator per line, then the notes."""
        lines = [_line(SHOWN)]
        for row in self.rows:
            cells = [_cell(row[column]) for column in SHOWN]
            mark = "   claim does not hold" if row["agrees"] == "no" else ""
            lines.append(_line(cells) + mark)
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _line(cells: list[str]) -> str:
    padded = [f"{cell:>14}" for cell in cells]
    return "  ".join(padded)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2e}"
    return str(value)


def audit(
    function: Function,
    sample: Sample,
    claims: Iterable[str] = (),
    *,
    lag: int = 1,
    elements: int = 64,
    precision: str = "float64",
    time_limit: float | None = None,
    name: str | None = None,
) -> FunctionAudit:
    """Audit a function that maps positions (B, K, N, 3), newest last, to predictions (B, N, 3).

    `claims` are the generators under which it should be exactly equivariant; `precision` is the one
    in which it computes. The function gets copies: one that changes its input is audited all the
    same, and a note says so.

    Raises:
        ValueError: an unknown claim or precision, or a count below 1; a prediction of another
            shape, of another type than numbers, or not finite; two different answers to the same
            input; or an audit that would take longer than `time_limit` seconds.
    """
    label = str(name or getattr(function, "__name__", type(function).__name__))
    claims = (claims,) if isinstance(claims, str) else tuple(claims)
    COUNT.check("elements", elements)
    PRECISION.check("precision", precision)
    levels = _levels(claims)
    predict = checked(function, label)
    begin = time.perf_counter()
    first = predict(sample)
    seconds = time.perf_counter() - begin
    _estimate(label, seconds, elements, time_limit)
    _check_repeats(label, first, predict(sample), sample, precision)
    notes: tuple[str, ...] = ()
    if _changes_input(function, sample):
        notes = (f"{label} changes its input in place; it was given copies",)
    controls.run(sample)
    counts = {precision: elements}
    forward = floor(precision)
    rows = symmetry.audit(lambda dtype: predict, sample, levels, counts, lag=lag, forward=forward)
    return FunctionAudit(rows, label, notes)


def _levels(claims: tuple[str, ...]) -> dict[str, str]:
    """Return the level of each generator, "exact" for a claimed one."""
    known = [*GENERATORS, *IMPLIED_BY]
    for claim in claims:
        if claim not in known:
            hint = nearest(claim, known)
            raise ValueError(f"claims: unknown generator {claim!r}; {hint}")
    exact = dict.fromkeys(claims, "exact")
    unclaimed = dict.fromkeys(GENERATORS, "no")
    return completed(unclaimed | exact)


def checked(function: Function, name: str) -> symmetry.Predict:
    """Return the function as a predictor of samples that copies its input and checks its output."""

    def predict(sample: Sample) -> np.ndarray:
        copy = sample.position.copy()
        output = np.asarray(function(copy))
        expected = sample.newest.shape
        if output.dtype.kind not in "fiu":
            raise ValueError(
                f"{name}: returned values of type {output.dtype}, expected real numbers"
            )
        if output.shape != expected:
            raise ValueError(
                f"{name}: returned shape {output.shape}, expected {expected} (samples, points, 3)"
            )
        bad = np.argwhere(~np.isfinite(output))
        if len(bad):
            place = "sample {}, point {}, axis {}".format(*bad[0])
            raise ValueError(
                f"{name}: returned {len(bad)} values that are not finite, the first at {place}"
            )
        return output.astype(np.float64)

    return predict


def _changes_input(function: Function, sample: Sample) -> bool:
    copy = sample.position.copy()
    function(copy)
    return not np.array_equal(sample.position, copy)


def _check_repeats(
    name: str, first: np.ndarray, second: np.ndarray, sample: Sample, precision: str
) -> None:
    """Refuse a function that answers the same input differently.

    Its other differences would say nothing about its symmetry.
    """
    distance = frobenius(first - second)
    relative = distance / displacement_norm(first, sample)
    difference = relative.mean()
    if difference > floor(precision)(sample, first):
        raise ValueError(
            f"{name}: two calls with the same input differ by {difference:.1e} of the predicted "
            "motion; an audit needs a function that always gives the same answer: fix its random "
            "seed, or turn off dropout"
        )


def _estimate(name: str, seconds: float, elements: int, limit: float | None) -> None:
    """Announce how long the audit of a slow function takes, and refuse it beyond the limit."""
    calls = 5
    for generator in actions.GENERATORS.values():
        calls += min(elements, generator.limit)
    total = calls * seconds
    expected = f"{name}: {seconds:.2g} s for a call, about {total:.0f} s for the audit"
    if limit is not None and total > limit:
        raise ValueError(
            f"{expected}; the limit is {limit:g} s: take fewer elements or samples, or a higher "
            "limit"
        )
    if total > SLOW:
        warnings.warn(f"{expected}; fewer elements or samples take less", stacklevel=3)


def floor(precision: str) -> Callable[[Sample, np.ndarray], float]:
    """Return the rounding of a forward pass of known precision: some digits of a coordinate."""

    rounding = ROUNDINGS * EPSILON[precision]
    return partial(_relative_rounding, rounding)


def _relative_rounding(rounding: float, sample: Sample, prediction: np.ndarray) -> float:
    length = frobenius(prediction)
    size = length / displacement_norm(prediction, sample)
    mean = size.mean()
    return float(rounding * mean)


def samples(
    position: np.ndarray, episode: np.ndarray, history: int, lag: int, count: int, name: str
) -> Sample:
    """Return at most `count` samples spread over positions (T, N, 2 or 3) of the episodes (T,).

    Raises:
        ValueError: no positions, a count below 1, or no episode with the frames of one sample. The
            message begins with `name`.
    """
    COUNT.check("history", history)
    COUNT.check("lag", lag)
    COUNT.check("samples", count)
    position = spatial(position, name)
    ends = np.arange(history - 1, len(position) - lag)
    oldest = ends - history + 1
    in_one_episode = episode[oldest] == episode[ends + lag]
    newest = ends[in_one_episode]
    if not len(newest):
        needed = history + lag
        raise ValueError(
            f"{name}: {len(position)} frames; at least {needed} of one episode are needed; reduce "
            "--history"
        )
    chosen = newest[spread(len(newest), count)]
    past = chosen[:, None] + np.arange(1 - history, 1)
    return Sample(position[past], position[chosen + lag])

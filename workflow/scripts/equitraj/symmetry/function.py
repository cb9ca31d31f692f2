"""The audit of any Python function that predicts positions, and of what else it does to its
callers."""

import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from equitraj.symmetry.verdict import EPSILON

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Function = Callable[[np.ndarray], np.ndarray]
SHOWN = "generator verdict claim rel_mean rel_p95 rel_max abs_max loss_percent noise_floor".split()
ROUNDINGS = 8.0  # last digits of a coordinate that the floor grants a forward pass of unknown depth
COUNT, PRECISION = Option(1, Range(1)), Option("float64", Choice(tuple(EPSILON)))
SLOW = 60.0  # seconds beyond which an audit says beforehand how long it will take


@dataclass(frozen=True)
class FunctionAudit:
    """What was found. Attributes: rows, as in results/tables/audit.csv; name; notes on what else
    the function does."""

    rows: list[dict]
    name: str
    notes: tuple[str, ...] = ()

    @property
    def broken(self) -> list[str]:
        """The generators under which a claimed symmetry was not found."""
        return [row["generator"] for row in self.rows if row["agrees"] == "no"]

    @property
    def table(self) -> "pd.DataFrame":
        """The rows as a table (needs pandas)."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=symmetry.COLUMNS)

    def figure(self) -> "Figure":
        """The matrix of the report, with one line (needs pandas and matplotlib: the extra
        `report`)."""
        from importlib import import_module  # a later room, and only where a figure is asked for

        import matplotlib

        matrix, style = (
            import_module(f"equitraj.report.figures.{name}") for name in ("audit_matrix", "style")
        )
        with matplotlib.rc_context(style.RC):
            return matrix.of_table(self.table.assign(method=self.name))

    def write(self, path: str) -> None:
        """Write the rows as CSV."""
        write_table(path, symmetry.COLUMNS, self.rows)

    def __str__(self) -> str:
        """The matrix: a generator per line, then the notes."""
        lines = ["  ".join(f"{name:>14}" for name in SHOWN)]
        for row in self.rows:
            cells = (
                "-" if (v := row[n]) is None else f"{v:.2e}" if isinstance(v, float) else v
                for n in SHOWN
            )
            mark = "   claim does not hold" if row["agrees"] == "no" else ""
            lines.append("  ".join(f"{cell:>14}" for cell in cells) + mark)
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


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
    """Audit a function that maps positions (B, K, N, 3), newest last, to predicted positions (B, N,
    3).

    `claims` are the generators under which it should be exactly equivariant; `precision` that in
    which it computes. The function gets copies: one that changes its input is audited all the same,
    and a note says so.

    Raises:
        ValueError: an unknown claim or precision, or a count below 1; a prediction of another
            shape, of another type than numbers, or not finite; two different answers to the same
            input; or an audit that would take longer than `time_limit` seconds.
    """
    name = name or getattr(function, "__name__", type(function).__name__)
    claims = (claims,) if isinstance(claims, str) else tuple(claims)
    COUNT.check("elements", elements)
    PRECISION.check("precision", precision)
    for claim in claims:
        if claim not in (known := [*GENERATORS, *IMPLIED_BY]):
            raise ValueError(f"claims: unknown generator {claim!r}; {nearest(claim, known)}")
    predict, begin = checked(function, name), time.perf_counter()
    first = predict(sample)
    _estimate(name, time.perf_counter() - begin, elements, time_limit)
    _check_repeats(name, first, predict(sample), sample, precision)
    changes = not np.array_equal(*_before_and_after(function, sample))
    controls.run(sample)
    rows = symmetry.audit(
        lambda dtype: predict,
        sample,
        completed({g: "exact" if g in claims else "no" for g in GENERATORS})
        | dict.fromkeys(claims, "exact"),
        {precision: elements},
        lag=lag,
        forward=floor(precision),
    )
    return FunctionAudit(
        rows, name, (f"{name} changes its input in place; it was given copies",) if changes else ()
    )


def checked(function: Function, name: str) -> symmetry.Predict:
    """The function as a predictor of samples: it gets a copy, and what it returns is checked."""

    def predict(sample: Sample) -> np.ndarray:
        output, expected = (
            np.asarray(function(sample.position.copy())),
            sample.position[:, -1].shape,
        )
        if output.dtype.kind not in "fiu":
            raise ValueError(
                f"{name}: returned values of type {output.dtype}, expected real numbers"
            )
        if output.shape != expected:
            raise ValueError(
                f"{name}: returned shape {output.shape}, expected {expected} (samples, points, 3)"
            )
        if len(bad := np.argwhere(~np.isfinite(output))):
            place = "sample {}, point {}, axis {}".format(*bad[0])
            raise ValueError(
                f"{name}: returned {len(bad)} values that are not finite, the first at {place}"
            )
        return output.astype(np.float64)

    return predict


def _before_and_after(function: Function, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    given = sample.position.copy()
    function(given)
    return sample.position, given


def _check_repeats(
    name: str, first: np.ndarray, second: np.ndarray, sample: Sample, precision: str
) -> None:
    """Refuse a function that answers the same input differently: nothing could be told from its
    other differences."""
    difference = np.linalg.norm(first - second, axis=(1, 2)) / symmetry.displacement_norm(
        first, sample
    )
    if difference.mean() > floor(precision)(sample, first):
        raise ValueError(
            f"{name}: two calls with the same input differ by {difference.mean():.1e} of the predicted motion; an "
            "audit needs a function that always gives the same answer: fix its random seed, or turn off dropout"
        )


def _estimate(name: str, seconds: float, elements: int, limit: float | None) -> None:
    """Say how long the audit of a slow function takes, and refuse it where that is more than the
    limit."""
    calls = 5 + sum(min(elements, generator.limit) for generator in actions.GENERATORS.values())
    expected = f"{name}: {seconds:.2g} s for a call, about {calls * seconds:.0f} s for the audit"
    if limit is not None and calls * seconds > limit:
        raise ValueError(
            f"{expected}; the limit is {limit:g} s: take fewer elements or samples, or a higher limit"
        )
    if calls * seconds > SLOW:
        warnings.warn(f"{expected}; fewer elements or samples take less", stacklevel=3)


def floor(precision: str) -> Callable[[Sample, np.ndarray], float]:
    """Rounding of a forward pass that nothing is known of but its precision: some last digits of
    the coordinates."""

    def forward(sample: Sample, prediction: np.ndarray) -> float:
        size = np.linalg.norm(prediction, axis=(1, 2)) / symmetry.displacement_norm(
            prediction, sample
        )
        return float(ROUNDINGS * EPSILON[precision] * size.mean())

    return forward


def samples(
    position: np.ndarray, episode: np.ndarray, history: int, lag: int, count: int, name: str
) -> Sample:
    """At most `count` samples spread over positions (T, N, 2 or 3) of the episodes (T,).

    Raises:
        ValueError: no positions, a count below 1, or no episode with the frames of one sample;
            `name` stands in the message.
    """
    for what, value in (("history", history), ("lag", lag), ("samples", count)):
        COUNT.check(what, value)
    position = spatial(position, name)
    ends = np.arange(history - 1, len(position) - lag)
    newest = ends[(episode[ends - history + 1] == episode[ends + lag])]
    if not len(newest):
        raise ValueError(
            f"{name}: {len(position)} frames; at least {history + lag} of one episode are needed; reduce --history"
        )
    chosen = newest[spread(len(newest), count)]
    past = chosen[:, None] + np.arange(1 - history, 1)
    return Sample(position[past], position[chosen + lag])

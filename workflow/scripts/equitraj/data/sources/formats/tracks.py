"""Tables of tracks in CSV or Parquet, with one row for each point and frame."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from equitraj.base.registry import nearest
from equitraj.data.sources.limits import check_unpacked
from equitraj.data.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".tsv", ".parquet")
KEYS = ("columns", "gaps", "gap_frames", "time_step", "length_unit", "time_unit")
NEEDED = ("frame", "id", "x", "y")
DEFAULTS = (*NEEDED, "z", "episode")  # stand for the columns of the same names by default
AXES = ("x", "y", "z")
VELOCITY = ("vx", "vy", "vz")
VECTORS = (*AXES, *VELOCITY)
KEY_COLUMNS = ("frame", "id", "episode")
MAY_BE_TEXT = ("id", "episode", "species")
MOST_EMPTY = 100  # frames for each row; a table with more has a wrong frame number
GAPS = ("refuse", "drop", "split", "interpolate")
PER_POINT = ("mass", "species")
MENDS = (
    "choose `gaps:` drop (only the points that are in every frame), "
    "split (a new episode after each gap) or "
    "interpolate (straight lines over at most `gap_frames` frames)"
)


class Trial(NamedTuple):
    """The tracks of one episode.

    Attributes:
        frames: frame numbers (T,).
        ids: of the N points.
        values: (T, N, F) by name.
    """

    frames: np.ndarray
    ids: list
    values: dict[str, np.ndarray]


def read(path: Path, source: dict, name: str) -> Trajectory:
    """The tracks of a table; `columns` of the source names its columns.

    `frame` is the number of the frame, `id` names the point, and `x`, `y` and an optional `z` are
    its coordinates. `episode`, `vx`, `vy`, `vz`, `mass`, `species`, and features by name (a column
    or a list of columns) are optional. Points are ordered by their id. The time step is the
    greatest common divisor of the steps between frame numbers. A point is missing if it has no row
    or an empty coordinate; `gaps` of the source chooses the treatment of missing points.

    Raises:
        ValueError: a column does not exist, a value is not a number, a row occurs twice, or a point
            is missing and gaps are refused.
    """
    header = _header(path, source, name)
    columns = _columns(header, source, name)
    table = _load(path, columns, name)
    steps = np.diff(np.unique(table["frame"]))
    step = int(np.gcd.reduce(steps)) or 1
    trials = []
    for key, rows in table.groupby("episode", sort=True):
        trial = _grid(rows, columns, step, f"{name}, episode {key}")
        trials.append(trial)
    trials = _without_gaps(trials, source, name)
    if not trials:
        raise ValueError(f"{name}: no two consecutive frames have every point; {MENDS}")
    n_points = [len(trial.ids) for trial in trials]
    if len(set(n_points)) > 1:
        counts = ", ".join(f"{n} in episode {i}" for i, n in enumerate(n_points[:5]))
        raise ValueError(
            f"{name}: the number of points differs between episodes ({counts}); {MENDS}"
        )
    return _trajectory(trials, source)


def _header(path: Path, source: dict, name: str) -> list[str]:
    """The names of the columns; refuse a Parquet file that would unpack to too many bytes."""
    import pandas as pd
    from pyarrow.parquet import ParquetFile

    try:
        if not _is_parquet(path):
            return list(pd.read_csv(path, nrows=0, sep=_separator(path), compression=None))
        with ParquetFile(path) as file:
            metadata = file.metadata
            header = file.schema_arrow.names
    except (OSError, ValueError) as error:  # include pandas' and pyarrow's errors for damaged files
        raise ValueError(
            f"{name}: not a readable table ({str(error).splitlines()[0]}); expected CSV or Parquet"
        ) from error
    unpacked = 8 * metadata.num_rows * metadata.num_columns
    check_unpacked(name, unpacked, path.stat().st_size, source)
    return header


def _is_parquet(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix == ".parquet"


def _separator(path: Path) -> str:
    suffix = path.suffix.lower()
    return "\t" if suffix == ".tsv" else ","


def _columns(header: list[str], source: dict, name: str) -> dict[str, list[str]]:
    """The columns of each name."""
    chosen = source.get("columns", {})
    default = {what: what for what in DEFAULTS if what in header and what not in chosen}
    columns = {}
    for what, key in (default | chosen).items():
        columns[what] = [key] if isinstance(key, str) else list(key)
    for what, keys in columns.items():
        for key in keys:
            if key not in header:
                near = nearest(key, header)
                raise ValueError(
                    f"{name}: no column {key!r} for {what}; correct `columns:`; {near}"
                )
    missing = [what for what in NEEDED if what not in columns]
    if missing:
        raise ValueError(
            f"{name}: no column for {missing[0]}; expected one: name it in `columns:` of the "
            "source, as in columns: { frame: ..., id: ..., x: ..., y: ... }; "
            f"its columns: {', '.join(header)}"
        )
    return columns


def _load(path: Path, columns: dict[str, list[str]], name: str) -> "pd.DataFrame":
    """A table with `frame`, `id`, `episode` and the values: column i of a name is `name/i`."""
    import pandas as pd

    used = sorted({key for keys in columns.values() for key in keys})
    if _is_parquet(path):
        table = pd.read_parquet(path, columns=used)
    else:
        table = pd.read_csv(
            path, usecols=used, sep=_separator(path), compression=None, float_precision="round_trip"
        )
    for what, keys in columns.items():
        if what in MAY_BE_TEXT:
            continue
        for key in keys:
            table[key] = _as_numbers(table[key], name)
    frame = table[columns["frame"][0]]
    _check_whole(frame, name)
    point = table[columns["id"][0]]
    renamed = {"frame": frame.astype(np.int64), "id": point, "episode": 0}
    if "episode" in columns:
        renamed["episode"] = table[columns["episode"][0]]
    for what, keys in columns.items():
        for i, key in enumerate(keys):
            renamed[f"{what}/{i}"] = table[key]
    return pd.DataFrame(renamed)


def _as_numbers(column: "pd.Series", name: str) -> "pd.Series":
    """A column as numbers; empty cells are NaN."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column.index[numbers.isna() & column.notna()]
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"{name}: row {row + 2}, column {column.name}: {column[row]!r}; expected a number"
        )
    return numbers


def _check_whole(frame: "pd.Series", name: str) -> None:
    """Check that the frame numbers are whole numbers."""
    is_whole = frame % 1 == 0  # False for NaN
    wrong = frame.index[~is_whole]
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"{name}: row {row + 2}, column {frame.name}: {frame[row]!r}; expected a whole number"
        )


def _grid(rows: "pd.DataFrame", columns: dict[str, list[str]], step: int, name: str) -> Trial:
    """The rows of one episode on a grid of frames and points; missing values are NaN or None."""
    twice = rows[rows.duplicated(["frame", "id"])]
    if len(twice):
        first = twice.iloc[0]
        raise ValueError(
            f"{name}: point {first['id']} is twice in frame {first['frame']}; "
            "expected one row for each point and frame"
        )
    start = int(rows["frame"].min())
    last = int(rows["frame"].max())
    if (last - start) // step + 1 > MOST_EMPTY * len(rows):
        raise ValueError(
            f"{name}: {len(rows)} rows for frames {start} to {last} in steps of {step}; "
            "correct the frame numbers"
        )
    frames = np.arange(start, last + step, step)
    ids = sorted(rows["id"].unique())
    value_columns = [column for column in rows if "/" in column]
    wide = rows.set_index(["frame", "id"])[value_columns].unstack("id").reindex(frames)
    values = {}
    for what, keys in columns.items():
        if what not in KEY_COLUMNS:
            parts = [wide[f"{what}/{i}"][ids].to_numpy() for i in range(len(keys))]
            values[what] = np.stack(parts, axis=-1)
    return Trial(frames, ids, values)


def _vectors(values: dict[str, np.ndarray], axes: tuple[str, ...]) -> np.ndarray:
    """Positions or velocities (T, N, D): the values of those `axes` that the table has."""
    columns = [values[axis] for axis in axes if axis in values]
    vectors = np.concatenate(columns, axis=-1)
    return vectors.astype(np.float64)


def _missing(trial: Trial) -> np.ndarray:
    """Which points (T, N) have no row or lack a coordinate."""
    position = _vectors(trial.values, AXES)
    return np.isnan(position).any(axis=-1)


def _without_gaps(trials: list[Trial], source: dict, name: str) -> list[Trial]:
    """The trials after the treatment of gaps that `gaps` of the source chooses."""
    treatment = source.get("gaps", "refuse")
    if treatment not in GAPS:
        raise ValueError(f"gaps: unknown value {treatment!r}; {nearest(treatment, list(GAPS))}")
    gaps = [_missing(trial) for trial in trials]
    if not any(gap.any() for gap in gaps):
        return trials
    if treatment == "refuse":
        raise ValueError(f"{name}: {_first_missing(trials, gaps)}; {MENDS}")
    if treatment == "drop":
        return _dropped(trials, gaps, name)
    treated = []
    for trial, gap in zip(trials, gaps, strict=True):
        if treatment == "split":
            treated += _split(trial, gap)
        else:
            treated.append(_interpolated(trial, gap, source["gap_frames"], name))
    return treated


def _first_missing(trials: list[Trial], gaps: list[np.ndarray]) -> str:
    """The number of missing points and the first one, in words."""
    counts = [int(gap.sum()) for gap in gaps]
    first = np.flatnonzero(counts)[0]
    frame, point = np.argwhere(gaps[first])[0]
    frames, ids, _ = trials[first]
    total = sum(counts)
    return f"{total} points are missing, the first one {ids[point]} in frame {frames[frame]}"


def _dropped(trials: list[Trial], gaps: list[np.ndarray], name: str) -> list[Trial]:
    """The points that are in every frame of their episode."""
    dropped = []
    for trial, gap in zip(trials, gaps, strict=True):
        is_kept = ~gap.any(axis=0)
        if not is_kept.any():
            raise ValueError(
                f"{name}: no point is in every frame; `gaps: drop` leaves nothing: "
                "choose split or interpolate"
            )
        ids = [trial.ids[i] for i in np.flatnonzero(is_kept)]
        values = {what: value[:, is_kept] for what, value in trial.values.items()}
        dropped.append(Trial(trial.frames, ids, values))
    return dropped


def _split(trial: Trial, gap: np.ndarray) -> list[Trial]:
    """The stretches of at least two frames between gaps."""
    is_complete = ~np.any(gap, axis=1)
    pieces = []
    for start, stop in _runs(is_complete):
        if stop - start < 2:
            continue
        frames = trial.frames[start:stop]
        values = {what: value[start:stop] for what, value in trial.values.items()}
        pieces.append(Trial(frames, trial.ids, values))
    return pieces


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Start and stop of each run of True in a mask (T,)."""
    padded = np.concatenate([[False], mask, [False]])
    steps = np.diff(padded.astype(int))
    runs = np.flatnonzero(steps).reshape(-1, 2)
    return [(start, stop) for start, stop in runs.tolist()]


def _interpolated(trial: Trial, gap: np.ndarray, longest: int, name: str) -> Trial:
    """Interpolate linearly over gaps of at most `longest` frames; words keep their last value."""
    import pandas as pd

    frames, ids, values = trial
    for point in np.flatnonzero(gap.any(axis=0)):
        for start, stop in _runs(gap[:, point]):
            is_at_end = start == 0 or stop == len(frames)
            if not is_at_end and stop - start <= longest:
                continue
            why = "at an end" if is_at_end else f"more than `gap_frames: {longest}`"
            raise ValueError(
                f"{name}: point {ids[point]} is missing in frames {frames[start]} to "
                f"{frames[stop - 1]}, {why}; use a larger `gap_frames`, or drop or split"
            )
    filled = {}
    for what, value in values.items():
        flat = pd.DataFrame(value.reshape(len(value), -1))
        if what == "species":
            flat = flat.ffill()
        else:
            flat = flat.astype(float).interpolate(limit_area="inside")
        filled[what] = flat.to_numpy().reshape(value.shape)
    return Trial(frames, ids, filled)


def _trajectory(trials: list[Trial], source: dict) -> Trajectory:
    """The trials as episodes; values of a point that never change are fixed."""
    values = {}
    for what in trials[0].values:
        values[what] = np.concatenate([trial.values[what] for trial in trials])
    numbers = np.concatenate([trial.frames for trial in trials])
    time_step = float(source.get("time_step", 1.0))
    lengths = [len(trial.frames) for trial in trials]
    has_velocity = any(axis in values for axis in VELOCITY)
    columns = {}
    features = {}
    for what, value in values.items():
        if what in PER_POINT:
            columns[what] = _fixed(value)[..., 0]
        elif what not in VECTORS:
            features[what] = _fixed(value).astype(np.float64)
    return Trajectory(
        position=_vectors(values, AXES),
        episode=np.repeat(np.arange(len(trials)), lengths),
        time=numbers * time_step,
        velocity=_vectors(values, VELOCITY) if has_velocity else None,
        species=columns.get("species"),
        mass=columns.get("mass"),
        features=features,
        length_unit=source.get("length_unit", "reduced"),
        time_unit=source.get("time_unit", "reduced"),
    )


def _fixed(value: np.ndarray) -> np.ndarray:
    """(N, F) if all frames agree, else (T, N, F)."""
    first = value[0]
    is_fixed = (value == first).all()
    return first if is_fixed else value

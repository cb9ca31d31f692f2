"""Tables of tracks, one row for each point and frame, as trackers write them: CSV or Parquet."""

from pathlib import Path

import numpy as np

from equitraj.base.registry import nearest
from equitraj.data.sources.limits import check_unpacked
from equitraj.data.trajectory import Trajectory

SUFFIXES = (".csv", ".tsv", ".parquet")
KEYS = ("columns", "gaps", "gap_frames", "time_step", "length_unit", "time_unit")
NEEDED, AXES, VELOCITY = ("frame", "id", "x", "y"), ("x", "y", "z"), ("vx", "vy", "vz")
FOUND = (
    *NEEDED,
    "z",
    "episode",
)  # taken from columns of the same name where the source says nothing
MOST_EMPTY = 100  # frames for each row: a table with fewer rows than that has a wrong frame number
GAPS = ("refuse", "drop", "split", "interpolate")
PER_POINT = ("mass", "species")
MENDS = (
    "choose `gaps:` drop (only the points that are in every frame), split (a new episode after each gap) or "
    "interpolate (straight lines over at most `gap_frames` frames)"
)


def read(path: Path, source: dict, name: str) -> Trajectory:
    """The tracks of a table, its columns named by `columns` of the source.

    `frame` counts frames, `id` names the points, `x`, `y` and, where there is one, `z` place them;
    `episode` tells trials apart; `vx`, `vy`, `vz`, `mass`, `species`, and features by name (a
    column or a list of columns) are optional. Points are ordered by their id. Frames are as far
    apart as the greatest common divisor of the steps between frame numbers. A point is missing
    where it has no row or where a coordinate is empty; `gaps` says what then happens.

    Raises:
        ValueError: no such column, a value that is no number, rows twice, gaps where they are
        refused.
    """
    columns = _columns(_header(path, source, name), source, name)
    table = _load(path, columns, source, name)
    step = int(np.gcd.reduce(np.diff(np.unique(table["frame"])))) or 1
    trials = [
        _grid(rows, columns, step, f"{name}, episode {key}")
        for key, rows in table.groupby("episode", sort=True)
    ]
    trials = _without_gaps(trials, source, name)
    if not trials:
        raise ValueError(f"{name}: no two frames in a row have every point; {MENDS}")
    if len({len(ids) for _, ids, _ in trials}) > 1:
        counts = ", ".join(f"{len(ids)} in episode {i}" for i, (_, ids, _) in enumerate(trials[:5]))
        raise ValueError(
            f"{name}: another number of points in each episode ({counts}); expected one: {MENDS}"
        )
    return _trajectory(trials, columns, step, source, name)


def _header(path: Path, source: dict, name: str) -> list[str]:
    """The names of the columns; a Parquet file that unpacks to too much is refused."""
    import pandas as pd
    from pyarrow.parquet import ParquetFile

    try:
        if not _is_parquet(path):
            return list(pd.read_csv(path, nrows=0, sep=_separator(path), compression=None))
        with ParquetFile(path) as file:
            facts, header = file.metadata, file.schema_arrow.names
    except (
        OSError,
        ValueError,
    ) as error:  # the errors of pandas and pyarrow for damaged files are among them
        raise ValueError(
            f"{name}: not a readable table ({str(error).splitlines()[0]}); expected CSV or Parquet"
        ) from error
    check_unpacked(name, 8 * facts.num_rows * facts.num_columns, path.stat().st_size, source)
    return header


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _separator(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _columns(header: list[str], source: dict, name: str) -> dict[str, list[str]]:
    """What each name stands for, as a list of columns."""
    given = source.get("columns", {})
    wanted = {what: what for what in FOUND if what in header and what not in given} | given
    columns = {what: [key] if isinstance(key, str) else list(key) for what, key in wanted.items()}
    for what, keys in columns.items():
        for key in keys:
            if key not in header:
                raise ValueError(
                    f"{name}: no column {key!r} for {what}; correct `columns:`; {nearest(key, header)}"
                )
    if missing := [what for what in NEEDED if what not in columns]:
        raise ValueError(
            f"{name}: no column for {missing[0]}; expected one: name it in `columns:` of the source, as in columns: "
            f"{{ frame: ..., id: ..., x: ..., y: ... }}; its columns: {', '.join(header)}"
        )
    return columns


def _load(path: Path, columns: dict[str, list[str]], source: dict, name: str):
    """The named columns, with whole numbers for `frame`, in a table with `frame`, `id` and
    `episode`."""
    import pandas as pd

    used = sorted({key for keys in columns.values() for key in keys})
    if _is_parquet(path):
        table = pd.read_parquet(path, columns=used)
    else:
        table = pd.read_csv(
            path, usecols=used, sep=_separator(path), compression=None, float_precision="round_trip"
        )
    for what, keys in columns.items():
        for key in keys if what not in ("id", "episode", "species") else []:
            numbers = pd.to_numeric(table[key], errors="coerce")
            wrong = table.index[numbers.isna() & table[key].notna()]
            if len(wrong):
                value = table[key][wrong[0]]
                raise ValueError(
                    f"{name}: row {wrong[0] + 2}, column {key}: {value!r}; expected a number"
                )
            table[key] = numbers
    frame = table[columns["frame"][0]]
    odd = table.index[frame.isna() | (frame % 1 != 0)]
    if len(odd):
        raise ValueError(
            f"{name}: row {odd[0] + 2}, column {frame.name}: {frame[odd[0]]!r}; expected a whole number"
        )
    heads = {"frame": frame.astype(np.int64), "id": table[columns["id"][0]], "episode": 0}
    if "episode" in columns:
        heads["episode"] = table[columns["episode"][0]]
    values = {
        f"{what}/{i}": table[key] for what, keys in columns.items() for i, key in enumerate(keys)
    }
    return pd.DataFrame(heads | values)


def _grid(
    rows, columns: dict[str, list[str]], step: int, name: str
) -> tuple[np.ndarray, list, dict[str, np.ndarray]]:
    """Frame numbers (T,), ids (N,) and values (T, N, F) by name of one episode; what is missing is
    NaN or None."""
    twice = rows[rows.duplicated(["frame", "id"])]
    if len(twice):
        first = twice.iloc[0]
        raise ValueError(
            f"{name}: point {first['id']} is twice in frame {first['frame']}; expected one row for each"
        )
    first, last = int(rows["frame"].min()), int(rows["frame"].max())
    if (last - first) // step + 1 > MOST_EMPTY * len(rows):
        raise ValueError(
            f"{name}: {len(rows)} rows for frames {first} to {last} in steps of {step}; correct the frame numbers"
        )
    frames = np.arange(first, last + step, step)
    wide = (
        rows.set_index(["frame", "id"])[[c for c in rows if "/" in c]].unstack("id").reindex(frames)
    )
    ids = sorted(rows["id"].unique())
    values = {
        what: np.stack([wide[f"{what}/{i}"][ids].to_numpy() for i in range(len(keys))], axis=-1)
        for what, keys in columns.items()
        if what not in ("frame", "id", "episode")
    }
    return frames, ids, values


def _position(values: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([values[axis] for axis in AXES if axis in values], axis=-1).astype(
        np.float64
    )


def _missing(values: dict[str, np.ndarray]) -> np.ndarray:
    """Which points (T, N) are in no row or lack a coordinate."""
    return np.isnan(_position(values)).any(axis=-1)


def _without_gaps(trials: list, source: dict, name: str) -> list:
    """The trials with every gap treated as `gaps` of the source says."""
    how = source.get("gaps", "refuse")
    if how not in GAPS:
        raise ValueError(f"gaps: unknown value {how!r}; {nearest(how, list(GAPS))}")
    gaps = [_missing(values) for _, _, values in trials]
    if not any(gap.any() for gap in gaps):
        return trials
    if how == "refuse":
        frames, ids, gap = next(
            (f, i, g) for (f, i, _), g in zip(trials, gaps, strict=True) if g.any()
        )
        t, n = np.argwhere(gap)[0]
        total = sum(int(g.sum()) for g in gaps)
        raise ValueError(
            f"{name}: {total} points are missing, the first one {ids[n]} in frame {frames[t]}; {MENDS}"
        )
    if how == "drop":
        return _dropped(trials, gaps, name)
    if how == "split":
        return [
            piece for trial, gap in zip(trials, gaps, strict=True) for piece in _split(trial, gap)
        ]
    return [
        _interpolated(trial, gap, source["gap_frames"], name)
        for trial, gap in zip(trials, gaps, strict=True)
    ]


def _dropped(trials: list, gaps: list[np.ndarray], name: str) -> list:
    """The points that are in every frame of their episode."""
    kept = [~gap.any(axis=0) for gap in gaps]
    if not all(k.any() for k in kept):
        raise ValueError(
            f"{name}: no point is in every frame; `gaps: drop` leaves nothing: choose split or interpolate"
        )
    return [
        (
            frames,
            [i for i, k in zip(ids, keep, strict=True) if k],
            {w: v[:, keep] for w, v in values.items()},
        )
        for (frames, ids, values), keep in zip(trials, kept, strict=True)
    ]


def _split(trial: tuple, gap: np.ndarray) -> list:
    """The stretches of at least two frames between gaps."""
    frames, ids, values = trial
    edges = np.flatnonzero(np.diff(np.concatenate([[True], gap.any(axis=1), [True]]).astype(int)))
    stretches = [
        slice(low, high)
        for low, high in zip(edges[::2], edges[1::2], strict=True)
        if high - low >= 2
    ]
    return [(frames[s], ids, {what: value[s] for what, value in values.items()}) for s in stretches]


def _interpolated(trial: tuple, gap: np.ndarray, longest: int, name: str) -> tuple:
    """Straight lines over gaps of at most `longest` frames; a word is that of the frame before."""
    import pandas as pd

    frames, ids, values = trial
    for n in np.flatnonzero(gap.any(axis=0)):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], gap[:, n], [False]]).astype(int)))
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            if high - low > longest or low == 0 or high == len(frames):
                where = f"frames {frames[low]} to {frames[high - 1]}"
                why = (
                    "at an end"
                    if low == 0 or high == len(frames)
                    else f"more than `gap_frames: {longest}`"
                )
                raise ValueError(
                    f"{name}: point {ids[n]} is missing in {where}, {why}; use a larger one, or drop or split"
                )
    filled = {}
    for what, value in values.items():
        flat = pd.DataFrame(value.reshape(len(value), -1))
        flat = (
            flat.ffill()
            if what == "species"
            else flat.astype(float).interpolate(limit_area="inside")
        )
        filled[what] = flat.to_numpy().reshape(value.shape)
    return frames, ids, filled


def _trajectory(trials: list, columns: dict, step: int, source: dict, name: str) -> Trajectory:
    """The episodes one after another; what a point keeps in all frames of all episodes is fixed."""
    values = {what: np.concatenate([trial[2][what] for trial in trials]) for what in trials[0][2]}
    points = {w: _fixed(v) for w, v in values.items() if w not in (*AXES, *VELOCITY)}
    velocity = [values[axis] for axis in VELOCITY if axis in values]
    return Trajectory(
        position=_position(values),
        episode=np.repeat(np.arange(len(trials)), [len(trial[0]) for trial in trials]),
        time=np.concatenate([trial[0] for trial in trials]) * float(source.get("time_step", 1.0)),
        velocity=np.concatenate(velocity, axis=-1).astype(np.float64) if velocity else None,
        **{what: points[what][..., 0] for what in PER_POINT if what in points},
        features={
            what: value.astype(np.float64)
            for what, value in points.items()
            if what not in PER_POINT
        },
        length_unit=source.get("length_unit", "reduced"),
        time_unit=source.get("time_unit", "reduced"),
    )


def _fixed(value: np.ndarray) -> np.ndarray:
    """(N, F) where all frames agree, else (T, N, F)."""
    return value[0] if (value == value[0]).all() else value

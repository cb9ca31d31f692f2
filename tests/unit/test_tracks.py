"""Tables of tracks: every column, every rule for gaps, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from equitraj.data.sources.reading import read_file

FRAMES, POINTS = 6, 3
POSITION = np.random.default_rng(2).normal(size=(FRAMES, POINTS, 3))
IDS = np.array([30, 4, 17])  # points are ordered by their id: 4, 17, 30
BY_ID = POSITION[:, np.argsort(IDS)]


def table(first_frame=0, step=1, **columns):
    """One row per point and frame, in an order that is no order."""
    frame, point = np.meshgrid(np.arange(FRAMES), np.arange(POINTS), indexing="ij")
    rows = {"frame": first_frame + step * frame.ravel(), "id": IDS[point.ravel()]}
    rows |= {axis: POSITION[..., i].ravel() for i, axis in enumerate("xyz")} | columns
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def read(rows, tmp_path, kind="csv", **source):
    path = tmp_path / f"tracks.{kind}"
    if kind == "parquet":
        rows.to_parquet(path)
    else:
        rows.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",", float_format="%.17g")
    return read_file({"path": str(path)} | source)


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_tracks_are_read_by_id_and_frame(tmp_path, kind):
    found = read(table(), tmp_path, kind, time_step=0.04, time_unit="s")
    np.testing.assert_array_equal(found.position, BY_ID)
    np.testing.assert_allclose(found.time, np.arange(FRAMES) * 0.04, rtol=1e-15)


def test_columns_of_any_name_velocities_and_features(tmp_path):
    rows = (
        table()
        .rename(columns={"frame": "t", "id": "particle", "x": "X", "y": "Y"})
        .drop(columns="z")
    )
    rows["size"], rows["charge"] = rows["particle"] * 0.5, rows["t"] + 0.5
    rows["u"], rows["v"], rows["kind"] = (
        rows["X"] * 2,
        rows["Y"] * 2,
        np.where(rows["particle"] == 4, "red", "blue"),
    )
    columns = {
        "frame": "t",
        "id": "particle",
        "x": "X",
        "y": "Y",
        "vx": "u",
        "vy": "v",
        "species": "kind",
    }
    columns |= {"mass": "size", "charge": "charge", "both": ["size", "charge"]}
    found = read(rows, tmp_path, columns=columns)
    np.testing.assert_array_equal(found.position, BY_ID[..., :2])
    np.testing.assert_array_equal(found.velocity, 2 * BY_ID[..., :2])
    assert found.mass.tolist() == [2, 8.5, 15] and found.species.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(found.features["charge"][:, 1, 0], np.arange(FRAMES) + 0.5)
    assert found.features["both"].shape == (FRAMES, POINTS, 2)


def test_every_tenth_frame_is_no_gap(tmp_path):
    found = read(table(first_frame=100, step=10), tmp_path, time_step=0.5)
    np.testing.assert_array_equal(found.position, BY_ID)
    np.testing.assert_array_equal(found.time, 50 + np.arange(FRAMES) * 5.0)


def test_episodes_may_have_points_of_other_ids_and_other_lengths(tmp_path):
    second = table()[lambda t: t["frame"] < 4].assign(id=lambda t: t["id"] + 100, episode="b")
    found = read(pd.concat([table(episode="a"), second]), tmp_path)
    np.testing.assert_array_equal(found.position, np.concatenate([BY_ID, BY_ID[:4]]))
    assert np.unique(found.episode, return_counts=True)[1].tolist() == [6, 4]


def gap(*missing):
    """The table without rows (frame, id)."""
    rows = table()
    return rows[~pd.MultiIndex.from_frame(rows[["frame", "id"]]).isin(missing)]


def test_a_gap_is_refused_with_the_choices(tmp_path):
    with pytest.raises(
        ValueError, match="1 points are missing, the first one 17 in frame 2; choose `gaps:` drop"
    ):
        read(gap((2, 17)), tmp_path)


def test_an_empty_coordinate_is_a_gap(tmp_path):
    rows = table()
    rows.loc[(rows["frame"] == 3) & (rows["id"] == 4), "y"] = np.nan
    with pytest.raises(ValueError, match="1 points are missing, the first one 4 in frame 3"):
        read(rows, tmp_path)


def test_a_frame_without_any_point_is_a_gap(tmp_path):
    with pytest.raises(ValueError, match="3 points are missing, the first one 4 in frame 2"):
        read(gap(*((2, point) for point in IDS)), tmp_path)


def test_drop_keeps_the_points_that_are_in_every_frame(tmp_path):
    found = read(gap((2, 17), (5, 17)), tmp_path, gaps="drop")
    np.testing.assert_array_equal(found.position, BY_ID[:, [0, 2]])
    with pytest.raises(ValueError, match="no point is in every frame"):
        read(gap((2, 17), (3, 4), (4, 30)), tmp_path, gaps="drop")


def test_split_makes_episodes_of_the_stretches_between_gaps(tmp_path):
    found = read(gap((2, 17)), tmp_path, gaps="split")
    np.testing.assert_array_equal(found.position, BY_ID[[0, 1, 3, 4, 5]])
    assert found.episode.tolist() == [0, 0, 1, 1, 1] and found.time.tolist() == [0, 1, 3, 4, 5]
    with pytest.raises(ValueError, match="no two consecutive frames have every point"):
        read(gap((1, 17), (3, 17), (5, 4)), tmp_path, gaps="split")


def test_interpolate_draws_straight_lines_over_short_gaps(tmp_path):
    found = read(gap((2, 17), (3, 17)), tmp_path, gaps="interpolate", gap_frames=2)
    expected = BY_ID.copy()
    expected[2, 1], expected[3, 1] = (
        np.average(BY_ID[[1, 4], 1], axis=0, weights=w) for w in ([2, 1], [1, 2])
    )
    np.testing.assert_allclose(found.position, expected, rtol=1e-14)
    with pytest.raises(
        ValueError, match="point 17 is missing in frames 2 to 3, more than `gap_frames: 1`"
    ):
        read(gap((2, 17), (3, 17)), tmp_path, gaps="interpolate", gap_frames=1)
    with pytest.raises(ValueError, match="point 4 is missing in frames 5 to 5, at an end"):
        read(gap((5, 4)), tmp_path, gaps="interpolate", gap_frames=2)


@pytest.mark.parametrize(
    ("rows", "source", "expected"),
    [
        (
            table(),
            {"columns": {"id": "idd"}},
            "no column 'idd' for id; correct `columns:`; allowed: .*Did you mean 'id'",
        ),
        (table().drop(columns="id"), {}, "no column for id; expected one: name it in `columns:`"),
        (table(x="far"), {}, "row 2, column x: 'far'; expected a number"),
        (table(first_frame=0.5), {}, "column frame: .*; expected a whole number"),
        (pd.concat([table(), table().head(1)]), {}, "is twice in frame"),
        (gap(*((f, 4) for f in range(FRAMES))).assign(episode=lambda t: t["frame"] // 3), {}, None),
        (
            table().assign(frame=lambda t: t["frame"] * 10**9 + (t["frame"] == 1)),
            {},
            "correct the frame numbers",
        ),
    ],
)
def test_wrong_tables(tmp_path, rows, source, expected):
    if expected is None:
        assert read(rows, tmp_path, **source).position.shape == (6, 2, 3)
        return
    with pytest.raises(ValueError, match=f"tracks.csv.*{expected}"):
        read(rows, tmp_path, **source)


def test_episodes_with_other_numbers_of_points_are_refused(tmp_path):
    rows = pd.concat([table(episode=0), table(episode=1)[lambda t: t["id"] != 4]])
    with pytest.raises(
        ValueError,
        match=r"the number of points differs between episodes \(3 in episode 0, 2 in episode 1\)",
    ):
        read(rows, tmp_path)

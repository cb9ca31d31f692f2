"""Numbers, lists and labels as figures write them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_tables

from equitraj.report.figures import style


def written(folder: Path, **options: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    paths = synthetic_tables.write(folder, seeds=1, failed=None, **options)
    return style.read_table(paths["summary"]), style.read_table(paths["audit"])


def test_a_method_looks_the_same_whatever_the_order_of_the_tables(tmp_path):
    summary, audit = written(tmp_path)
    styles = style.method_styles(summary, audit)
    assert styles == style.method_styles(
        summary.sample(frac=1, random_state=0), audit.sample(frac=1, random_state=1)
    )
    assert len({(s.colour, s.marker) for s in styles.values()}) == len(synthetic_tables.METHODS)
    assert (
        styles["mlp_haar_mean"].kind == "equivariant"
        and styles["mlp_rotated"].kind == "not equivariant"
    )
    assert styles["egnn"].kind == "equivariant" and styles["mlp"].kind == "not equivariant"
    assert styles["persistence"].kind == "baseline"


def test_thirty_methods_still_look_different(tmp_path):
    styles = style.method_styles(*written(tmp_path, methods=synthetic_tables.MANY))
    assert len({(s.colour, s.marker) for s in styles.values()}) == len(synthetic_tables.MANY) > 25


def test_a_long_list_is_cut():
    assert style.listing("abc") == "a, b and c"
    assert style.listing(map(str, range(30))) == "0, 1, 2, 3, 4, 5, 6 and 23 more"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.6459e-7, "1.65e-07"),
        (0.012345, "0.0123"),
        (4.4521, "4.45"),
        (1637, "1,637"),
        (0, "0"),
        (-3.2e-9, "-3.20e-09"),
    ]
    + [(0.99999, "1.00"), (9.996e-8, "1.00e-07"), (float("nan"), "n/a")],
)
def test_numbers_have_three_digits(value, text):
    assert style.sig(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.99983, "0.99983"), (0.5, "0.500"), (-8449, "-8,449"), (1, "1.00")]
)
def test_a_skill_shows_what_is_missing_to_one(value, text):
    assert style.skill(value) == text


def test_labels_are_spread_within_their_axis():
    values = np.array([0.5, 0.5, 0.5, 0.98, 1.0, 0.1])
    placed = style.spread(values, 0.1)
    assert (
        (np.diff(np.sort(placed)) >= 0.1 - 1e-12).all() and placed.min() >= 0 and placed.max() <= 1
    )
    assert (np.argsort(placed, kind="stable") == np.argsort(values, kind="stable")).all()
    assert placed[5] == 0.1  # a label with room stays where it is
    assert np.ptp(style.spread(np.zeros(50), 0.1)) == pytest.approx(
        1
    )  # too many: closer together, still inside

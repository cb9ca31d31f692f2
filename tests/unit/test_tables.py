"""Means and intervals over seeds, and the table of failures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from equitraj.base.files import write_table
from equitraj.report import collected as tables
from equitraj.report import tables as report


def test_the_interval_is_students():
    values = pd.Series(np.random.default_rng(0).normal(size=5))
    mean, low, high = tables.interval(values)
    expected = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    assert (mean, low, high) == pytest.approx((values.mean(), *expected))


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_one_seed_or_nothing_random_has_no_interval(values):
    mean, low, high = tables.interval(pd.Series(values))
    assert mean == 0.5 and np.isnan(low) and np.isnan(high)


def test_failed_seeds_are_counted_and_left_out_of_the_mean():
    row = {"task": "t", "method": "m", "train_size": "all", "model": "x", "alignment": "none", "augmentation": "none"}
    row |= {"history": 1, "n_parameters": 3, "mse_persistence": 1.0, "mse_velocity": np.nan}
    numbers = dict.fromkeys(("skill", "skill_velocity", "mse_rotated", "rmse", "r2", "train_seconds"), 1.0)
    runs = [{"status": "ok", "mse": 2.0}, {"status": "ok", "mse": 4.0}, {"status": "failed: x", "mse": np.nan}]
    (summary,) = tables.summary_table(pd.DataFrame([row | numbers | run for run in runs])).to_dict("records")
    assert (summary["n_seeds"], summary["n_failed"], summary["mse_mean"]) == (3, 1, 3.0)


def test_tables_of_runs_are_their_files_one_below_the_other_under_their_names(tmp_path):
    runs = {}
    for seed in (0, 1):
        folder = tmp_path / f"t/m/nall/seed{seed}"
        write_table(folder / "audit.csv", ["generator", "rel_mean"], [{"generator": "rotation", "rel_mean": seed / 3}])
        runs[folder] = {"task": {"name": "t"}, "method": {"name": "m"}, "train_size": "all", "seed": seed}
    expected = f"task,method,train_size,seed,generator,rel_mean\nt,m,all,0,rotation,0.0\nt,m,all,1,rotation,{1 / 3}\n"
    assert "".join(tables.stacked(runs, "audit.csv")) == expected
    write_table(folder / "audit.csv", ["generator", "rel_max"], [{"generator": "rotation", "rel_max": 1.0}])
    with pytest.raises(ValueError, match=r"seed1/audit.csv: columns rel_max, rel_mean are not those of .*seed0/audit"):
        list(tables.stacked(runs, "audit.csv"))


def test_a_page_shows_as_many_rows_as_it_can_and_says_where_the_others_are():
    rows = [[report.word(f"m{n}", alert=n == 2999)] for n in range(3000)]
    shown = report.shown(report.Table("audit", ["method"], rows), Path("results/tables/audit.csv"))
    assert len(shown.rows) == 2000 and shown.rows[0] == rows[-1] and shown.rows[1:] == rows[:1999]
    assert shown.left_out == "2,000 of 3,000 rows; everything is in results/tables/audit.csv."
    small = report.Table("audit", ["method"], rows[:2000])
    assert report.shown(small, Path("audit.csv")) is small

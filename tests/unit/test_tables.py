"""Means and intervals over seeds, and the table of failures."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from equitraj.report import collected as tables


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

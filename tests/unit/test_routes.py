"""Ratios and data factors with known truth, intervals that cover it, and none where nothing
differs."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from equitraj.routes import bootstrap, curves, tables

SEEDS, BLOCKS = 3, 20
SAMPLES = np.full(BLOCKS, 20)


def errors_of(
    log_level: np.ndarray, rng: np.random.Generator, blocks: np.ndarray | None = None
) -> np.ndarray:
    """Errors (C, S, B) of cells with true log errors (C,): seeds differ by 10 %, blocks by 30 %,
    both by 10 %."""
    cells = len(log_level)
    seed, block = (
        0.1 * rng.normal(size=(cells, SEEDS, 1)),
        0.3 * rng.normal(size=BLOCKS) if blocks is None else blocks,
    )
    return np.exp(
        log_level[:, None, None] + seed + block + 0.1 * rng.normal(size=(cells, SEEDS, BLOCKS))
    )


def test_where_nothing_differs_nothing_is_found_in_95_percent_of_200_repetitions():
    rng, found = np.random.default_rng(0), 0
    for _ in range(200):
        pair = errors_of(np.zeros(2), rng)
        low, high = bootstrap.ratio(*pair, SAMPLES).interval()
        found += not low <= 1 <= high
    # with a true rate of 5 %, more than 16 of 200 have a chance of 2.4 %
    assert found <= 16, found


def test_a_known_ratio_lies_in_its_interval_as_often_as_the_level_says():
    rng, inside = np.random.default_rng(1), 0
    for _ in range(200):
        low, high = bootstrap.ratio(*errors_of(np.log([1.0, 1.5]), rng), SAMPLES).interval()
        inside += low <= 1.5 <= high
    assert inside >= 184


def test_with_one_block_the_interval_is_students_of_paired_log_ratios():
    rng = np.random.default_rng(2)
    pair = np.exp(rng.normal(size=(2, 6, 1)))
    found = bootstrap.estimated(
        pair, np.array([1]), lambda log: log[..., 1] - log[..., 0], draws=200_000
    )
    difference = np.log(pair[1, :, 0] / pair[0, :, 0])
    # 200,000 draws give a standard error to 0.3 %
    assert (
        found.log == pytest.approx(difference.mean())
        and found.freedom[0] == 5
        and found.by_blocks == 0
    )
    assert found.by_seeds == pytest.approx(stats.sem(difference), rel=0.01)
    expected = stats.t.interval(0.95, 5, difference.mean(), stats.sem(difference))
    assert np.log(found.interval()) == pytest.approx(expected, rel=0.05, abs=0.02)
    assert found.p == pytest.approx(stats.ttest_1samp(difference, 0).pvalue, abs=0.01)


def least_squares_curve(
    counts: np.ndarray, seeds: int, rng: np.random.Generator, test: np.ndarray
) -> np.ndarray:
    """Errors (C, S, B) of a linear map of 32 numbers, fitted to so many noisy samples."""
    truth, found = rng.normal(size=32), []
    for _ in range(seeds):
        inputs, noise = rng.normal(size=(counts.max(), 32)), rng.normal(size=counts.max())
        fitted = [
            np.linalg.lstsq(inputs[:n], inputs[:n] @ truth + noise[:n], rcond=None)[0]
            for n in counts
        ]
        found.append([((test @ (one - truth)) ** 2).reshape(BLOCKS, -1).mean(-1) for one in fitted])
    return np.array(found).transpose(1, 0, 2)


@pytest.mark.parametrize("factor", [4, 0.25])
def test_the_data_factor_of_a_model_trained_on_so_many_times_less_is_found(factor):
    rng = np.random.default_rng(3)
    sizes, test = 256 * 2 ** np.arange(6), rng.normal(size=(400, 32))
    one = least_squares_curve(sizes // (1 if factor > 1 else 4), 5, rng, test)
    other = least_squares_curve(sizes // (4 if factor > 1 else 1), 5, rng, test)
    found = curves.data_factor(one, other, sizes, SAMPLES)
    low, high = found.estimate.interval()
    assert found.bound == "" and low <= factor <= high, (found.estimate.value, low, high)
    assert high / low < 4  # an interval that says something


def test_a_known_data_factor_lies_in_its_interval_as_often_as_the_level_says():
    rng, inside, sizes = np.random.default_rng(4), 0, 100 * 2 ** np.arange(6)
    for _ in range(100):
        block = 0.3 * rng.normal(size=BLOCKS)
        pair = [errors_of(-0.8 * np.log(sizes * factor), rng, block) for factor in (3, 1)]
        low, high = curves.data_factor(*pair, sizes, SAMPLES).estimate.interval()
        inside += low <= 3 <= high
    assert inside >= 88


def test_curves_that_share_no_error_give_a_bound_and_no_interval():
    rng, sizes = np.random.default_rng(5), np.array([100, 200, 400])
    low, high = errors_of(np.full(3, -5.0), rng), errors_of(np.zeros(3), rng)
    for pair, bound, factor in (((low, high), "more than", 4), ((high, low), "less than", 0.25)):
        found = curves.data_factor(*pair, sizes, SAMPLES)
        assert found.bound == bound and found.estimate.value == pytest.approx(factor)
        assert np.isnan(found.estimate.interval()).all()


def test_sizes_at_is_linear_interpolation_of_logarithms():
    log_size, log_error = np.log([10, 100, 1000]), np.array([[0.0, -1.0, -3.0]])
    levels = np.array([[0.5, 0.0, -0.5, -1.0, -2.0, -3.0, -4.0]])
    found = np.exp(curves.sizes_at(levels, log_error, log_size)[0])
    expected = np.exp(np.interp(-levels[0], -log_error[0], log_size))
    assert found == pytest.approx(expected)


def test_a_power_law_has_its_exponent():
    rng, sizes = np.random.default_rng(6), 100 * 2 ** np.arange(6)
    found, missed = curves.power_law(errors_of(-0.8 * np.log(sizes), rng), sizes, SAMPLES)
    low, high = np.log(found.interval())
    assert low <= 0.8 <= high and high - low < 0.5 and 1 <= missed < 1.3


def test_holms_correction_is_the_published_example():
    # Holm's steps by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, 1 x 0.04 with a maximum that does not
    # fall
    assert bootstrap.holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005])) == pytest.approx(
        [0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True
    )


def table_of(seeds: int) -> tuple[tables.Errors, dict]:
    rng, rows = np.random.default_rng(7), []
    levels = {
        ("built_in", "50"): -2.0,
        ("built_in", "all"): -3.0,
        ("plain", "50"): -0.5,
        ("plain", "all"): -2.2,
    }
    for (method, size), level in levels.items():
        errors = errors_of(np.array([level]), rng)[0]
        for seed in range(seeds):
            key = {"task": "t", "method": method, "train_size": size, "seed": seed}
            rows += [
                key | {"block": b, "samples": 20, "mse": e, "mse_rotated": 2 * e}
                for b, e in enumerate(errors[seed])
            ]
    return tables.Errors(pd.DataFrame(rows)), {("t", "50"): 50, ("t", "all"): 100}


def test_two_seeds_are_shown_without_an_interval():
    routes = {"built_in": {"against": "plain", "route": "built in"}}
    for seeds, known in ((2, False), (3, True)):
        errors, sizes = table_of(seeds)
        made = [
            tables.routes_table(errors, routes, sizes),
            tables.factors_table(errors, routes, sizes),
        ]
        for table in made:
            assert table["seeds"].eq(seeds).all()
            assert table.filter(regex="_low|_high|^low|^high|^p").notna().any().any() == known
        assert made[0]["ratio"].gt(1).all() and made[0]["comparisons"].eq(2 * known).all()


def test_no_interval_is_negative():
    errors, sizes = table_of(3)
    table = tables.routes_table(
        errors, {"built_in": {"against": "plain", "route": "built in"}}, sizes
    )
    assert table.filter(regex="_low").gt(0).all().all()
    assert (table.ratio_low < table.ratio).all() and (table.ratio < table.ratio_high).all()
    assert table["mse_rotated"].to_numpy() == pytest.approx(2 * table["mse"].to_numpy())

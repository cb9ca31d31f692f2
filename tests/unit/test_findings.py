"""Sentences of the report from a few rows each."""

import numpy as np
import pandas as pd
import pytest

from equitraj.report import findings, groups, routed, words


def row(
    method: str, mean: float, low: float | None = None, high: float | None = None, **more: object
) -> dict:
    ends = {"mse_mean": mean, "mse_low": low, "mse_high": high}
    turned = {"mse_rotated_mean": mean, "mse_rotated_low": low, "mse_rotated_high": high}
    names = {
        "task": "t",
        "method": method,
        "train_size": "all",
        "n_seeds": 3,
        "n_failed": 0,
        "n_parameters": 5,
        "history": 3,
        "model": "any",
    }
    return names | ends | turned | {"mse_persistence": 1.0, "mse_velocity": 0.5} | more


def audit_rows(**claims: str) -> pd.DataFrame:
    common = {
        "generator": "rotation",
        "weights": "trained",
        "verdict": "exact",
        "agrees": "yes",
        "rel_mean": 1e-15,
    }
    return pd.DataFrame([{"method": m, "claim": c} | common for m, c in claims.items()])


def route_row(method: str, ratio: float, low: float, high: float, **more: object) -> dict:
    ends = {
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
        "p_holm": 0.01 if low > 1 or high < 1 else 0.5,
    }
    turned = {
        "ratio_rotated": 2 * ratio,
        "ratio_rotated_low": 2 * low,
        "ratio_rotated_high": 2 * high,
    }
    names = {
        "task": "t",
        "method": method,
        "against": "plain",
        "route": "built in",
        "samples": 100,
        "seeds": 3,
    }
    return (
        names | ends | turned | {"p_rotated_holm": 0.01, "mse": 1 / ratio, "comparisons": 2} | more
    )


def factor_row(method: str, factor: float, low: float, high: float, bound: str = "") -> dict:
    row = {"task": "t", "method": method, "against": "plain", "measure": "given", "seeds": 3}
    return row | {"factor": factor, "low": low, "high": high, "bound": bound}


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (
            (4.0, 3.0, 5.0),
            "symmetry is worth 4.00 times the training data (95 % interval 3.00 to 5.00)",
        ),
        (
            (0.5, 0.4, 0.6),
            "symmetry costs: 0.500 times the training data do without it (95 % interval 0.400 to "
            "0.600)",
        ),
        ((1.2, 0.9, 1.6), "no difference in training data is significant: a factor of 1.20"),
        (
            (16.0, np.nan, np.nan, "more than"),
            "symmetry is worth more than 16.0 times the training data",
        ),
        (
            (0.1, np.nan, np.nan, "less than"),
            "symmetry costs: less than 0.100 times the training data do without it",
        ),
    ],
)
def test_what_symmetry_buys_follows_the_numbers(factor, said):
    factors = pd.DataFrame([factor_row("net", *factor)])
    sentences = routed.buys(pd.DataFrame([route_row("net", 2.0, 1.5, 2.5)]), factors)
    assert said in sentences[0]
    assert "2 comparisons were made" in sentences[-1]


def test_gains_losses_and_what_is_not_significant_are_told_apart():
    rows = [
        route_row("a", 2.0, 1.5, 2.5),
        route_row("b", 0.5, 0.4, 0.6),
        route_row("c", 1.1, 0.9, 1.3),
    ]
    given = routed.buys(pd.DataFrame(rows), pd.DataFrame(columns=["task", "method", "measure"]))[0]
    assert "becomes smaller by 2.00 times (built in, `a`)" in given
    assert (
        "becomes larger by 2.00 times (built in, `b`)" in given
        and "no difference is significant for `c`" in given
    )


@pytest.mark.parametrize(
    ("full", "fewer", "said"),
    [
        ((0.4, 0.3, 0.5), (0.1, 0.09, 0.11), "all rotations are the wrong group: `net`"),
        ((0.1, 0.09, 0.11), (0.4, 0.3, 0.5), "all rotations are the right group: `net`"),
        ((0.1, 0.08, 0.12), (0.11, 0.09, 0.13), "nothing speaks against all rotations"),
    ],
)
def test_which_group_is_the_right_one_follows_the_numbers(full, fewer, said):
    audit = pd.concat(
        [
            audit_rows(net="exact", upright="no"),
            audit_rows(upright="exact").assign(generator="rotation_z"),
        ]
    )
    table = pd.DataFrame([row("net", *full), row("upright", *fewer)])
    (sentence,) = groups.groups(table, audit)
    assert said in sentence
    assert groups.wrong(table, audit) == (["t"] if "wrong" in said else [])


def test_a_training_that_still_falls_is_named():
    metrics = pd.DataFrame(
        [
            {"task": "t", "method": m, "train_size": "all", "last_fall": f}
            for m, f in (("a", 0.2), ("b", 0.001))
        ]
    )
    (sentence,) = routed.unfinished(metrics)
    assert "of `a` still fell" in sentence and "`b`" not in sentence


def test_an_interval_that_reaches_the_reference_is_said():
    table = pd.DataFrame([row("a", 0.9, 0.7, 1.1), row("b", 0.2, 0.1, 0.3)])
    text = findings.references(table, {"a": "equivariant", "b": "equivariant"})[0]
    assert (
        "all 2 fitted methods beat no motion (MSE 1.00)." in text
        and "The interval of `a` reaches above it" in text
    )


@pytest.mark.parametrize(
    ("seeds", "failed", "text"),
    [
        (1, 0, "n/a (1 seed)"),
        (3, 2, "n/a (1 seed)"),
        (2, 0, "n/a (2 seeds)"),
        (2, 2, "n/a (failed)"),
    ],
)
def test_why_there_is_no_interval(seeds, failed, text):
    assert words.interval(row("a", 1.0, n_seeds=seeds, n_failed=failed), "mse") == text

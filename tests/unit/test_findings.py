"""Sentences of the report from a few rows each."""

import pandas as pd
import pytest

from equitraj.report import findings, words
from equitraj.report.figures import style


def row(method: str, mean: float, low: float | None = None, high: float | None = None, **more: object) -> dict:
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
    common = {"generator": "rotation", "weights": "trained", "verdict": "exact", "agrees": "yes", "rel_mean": 1e-15}
    return pd.DataFrame([{"method": m, "claim": c} | common for m, c in claims.items()])


@pytest.mark.parametrize(
    ("equivariant", "other", "said"),
    [
        ((0.1, 0.09, 0.11), (0.4, 0.3, 0.5), "equivariance helps by a factor of 4.00"),
        ((0.4, 0.3, 0.5), (0.1, 0.09, 0.11), "equivariance does not help"),
        ((0.1, 0.0, 0.4), (0.2, 0.1, 0.3), "no difference is settled"),
    ],
)
def test_the_verdict_on_equivariance_follows_the_numbers(equivariant, other, said):
    table = pd.DataFrame([row("net", *equivariant), row("plain", *other)])
    audit = audit_rows(net="exact", plain="learned")
    sentences = findings.symmetry(table, audit, style.method_kinds(table, audit))
    assert len(sentences) == 2 and all(said in sentence for sentence in sentences)


def test_methods_of_other_models_are_compared_without_crediting_equivariance():
    table = pd.DataFrame([row("net", 0.1, model="a"), row("plain", 0.4, model="b")])
    audit = audit_rows(net="exact", plain="no")
    for sentence in findings.symmetry(table, audit, style.method_kinds(table, audit)):
        assert "4.00 times as large without equivariance, but that is another model" in sentence


def test_rotated_copies_are_compared_with_the_method_that_is_taught_in_no_way():
    same = {"alignment": "centre_of_mass"}
    table = pd.DataFrame(
        [
            row("penalty", 0.3, augmentation="none", **same),
            row("plain", 0.4, augmentation="none", **same),
            row("copies", 0.2, augmentation="rotation", **same),
        ]
    )
    (sentence,) = findings.augmentation(table, audit_rows(penalty="learned", plain="no", copies="learned"))
    assert "`copies` against `plain`" in sentence


def test_a_broken_claim_does_not_count_as_equivariant():
    table = pd.DataFrame([row("net", 0.2), row("liar", 0.1), row("plain", 0.4)])
    audit = audit_rows(net="in expectation", liar="exact", plain="no")
    audit.loc[audit["method"] == "liar", "agrees"] = "no"
    sentence = findings.symmetry(table, audit, style.method_kinds(table, audit))[0]
    assert "the best equivariant method, `net`" in sentence and "the best that is not, `liar`" in sentence


def test_an_interval_that_reaches_the_reference_is_said():
    table = pd.DataFrame([row("a", 0.9, 0.7, 1.1), row("b", 0.2, 0.1, 0.3)])
    text = findings.references(table, {"a": "equivariant", "b": "equivariant"})[0]
    assert "all 2 fitted methods beat no motion (MSE 1.00)." in text and "The interval of `a` reaches above it" in text


@pytest.mark.parametrize(
    ("seeds", "failed", "text"),
    [(1, 0, "n/a (1 seed)"), (3, 2, "n/a (1 seed)"), (3, 0, "n/a (nothing random)"), (2, 2, "n/a (failed)")],
)
def test_why_there_is_no_interval(seeds, failed, text):
    assert words.interval(row("a", 1.0, n_seeds=seeds, n_failed=failed), "mse") == text

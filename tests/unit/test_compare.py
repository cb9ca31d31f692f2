"""Two studies side by side: what differs is found with its size, and what does not is not."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_tables

from called import called
from equitraj.report import compared, comparison
from equitraj.routes.tables import Blocks

TASKS = {"chain_k1": 1, "chain_k3": 3}
METHODS = {
    name: synthetic_tables.METHODS[name]
    for name in ("persistence", "mlp_centre", "mlp_rotated", "egnn", "e3nn")
}


def written(folder: Path, seeds: int = 3) -> Path:
    """A finished study in `folder`/results."""
    synthetic_tables.write(
        folder / "results/tables", TASKS, seeds, None, METHODS, train_sizes=("400", "all")
    )
    config = synthetic_tables.resolved_config(TASKS)
    config["methods"] = {name: {"model": model} for name, (model, *_) in METHODS.items()}
    (folder / "results/config.json").write_text(json.dumps(config))
    return folder


def edit(folder: Path, name: str, change) -> None:
    """Change a table of a study."""
    path = folder / f"results/tables/{name}.csv"
    change(
        pd.read_csv(path, dtype={"train_size": str}, keep_default_na=False, na_values=[""])
    ).to_csv(path, index=False)


def configure(folder: Path, change) -> None:
    path = folder / "results/config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def scaled(table: pd.DataFrame, method: str, factor: float) -> pd.DataFrame:
    """The table with the errors of one method multiplied."""
    rows = table["method"] == method
    return table.assign(
        **{c: table[c].where(~rows, table[c] * factor) for c in ("mse", "mse_rotated")}
    )


def without(column: str, value: object):
    return lambda table: table[table[column] != value]


@pytest.fixture
def pair(tmp_path):
    first = written(tmp_path / "a")
    shutil.copytree(first, tmp_path / "b")
    return first, tmp_path / "b"


def read(pair):
    return [comparison.read_study(folder) for folder in pair]


def test_the_same_study_twice_has_no_difference(pair):
    a, b = read(pair)
    table = comparison.ratios(a, b)
    assert len(table) == 2 * 2 * len(METHODS) and (table["pairs"] >= 1).all()
    np.testing.assert_array_equal(table[["mse_ratio", "mse_rotated_ratio"]], 1)
    assert comparison.verdicts(a, b).empty and comparison.settings(a.config, b.config).empty
    assert comparison.only_in(a, b) == comparison.only_in(b, a) == {}
    assert compared.sentences(table)[:2] == [
        f"On {what} no difference is significant." for what in ("data as given", "rotated data")
    ]


def test_an_error_that_doubled_is_found_with_its_size_and_only_there(pair):
    edit(pair[1], "blocks", lambda table: scaled(table, "egnn", 2.0))
    table = comparison.ratios(*read(pair)).set_index("method")
    np.testing.assert_allclose(table.loc["egnn", ["mse_ratio", "mse_low", "mse_high"]], 2)
    np.testing.assert_array_equal(table.drop("egnn")["mse_ratio"], 1)
    said = compared.sentences(comparison.ratios(*read(pair)))
    assert said[0] == (
        "On data as given the error in B is larger: `egnn` on `chain_k1` 2.00 times (2.00 to 2.00) "
        "and `egnn` on "
        "`chain_k3` 2.00 times (2.00 to 2.00)."
    )
    first = compared.ratio_table(comparison.ratios(*read(pair))).rows[0]
    assert [first[1].text, first[5].text] == ["egnn", "2.00"]


def test_a_difference_that_varies_over_seeds_has_an_interval_around_it(pair):
    rng = np.random.default_rng(1)
    noise = dict(enumerate(np.exp(0.2 * rng.normal(size=3))))

    def changed(table):
        factor = table["seed"].map(noise) * 3
        return table.assign(
            mse=table["mse"].where(table["method"] != "e3nn", table["mse"] * factor)
        )

    edit(pair[1], "blocks", changed)
    table = comparison.ratios(*read(pair))
    rows = table[table["method"] == "e3nn"]
    wanted = 3 * np.exp(np.mean(np.log(list(noise.values()))))
    np.testing.assert_allclose(rows["mse_ratio"], wanted)
    assert (
        (rows["mse_low"] < 0.95 * wanted).all()
        and (rows["mse_high"] > 1.05 * wanted).all()
        and (rows["mse_low"] > 0).all()
    )


def test_two_seeds_have_a_ratio_and_no_interval(tmp_path):
    pair = [written(tmp_path / name, seeds=2) for name in "ab"]
    table = comparison.ratios(*read(pair))
    assert table["mse_ratio"].notna().all()
    assert table[["mse_low", "mse_high", "mse_p", "mse_p_holm"]].isna().all(axis=None)
    cell = compared.ratio_table(table).rows[0][5]
    assert cell.small == "n/a (too few seeds)"


def test_only_comparisons_at_the_largest_size_are_corrected_for_their_number(pair):
    edit(
        pair[1],
        "blocks",
        lambda table: table.assign(
            mse=table["mse"] * np.exp(0.1 * table["seed"] - 0.02 * table["block"])
        ),
    )
    table = comparison.ratios(*read(pair))
    largest = table["train_size"] == "all"
    assert table.loc[~largest, "mse_p_holm"].isna().all()
    known = table[largest].dropna(subset="mse_p")
    assert (known["mse_p_holm"] >= known["mse_p"]).all() and (
        known["mse_p_holm"] > known["mse_p"]
    ).any()


def test_other_seeds_or_other_test_samples_are_compared_without_pairs(pair):
    edit(pair[1], "blocks", lambda table: table.assign(seed=table["seed"] + 5))
    trained = lambda table: table[table["method"] != "persistence"]  # noqa: E731
    table = trained(comparison.ratios(*read(pair)))
    assert (
        (table["pairs"] == 0).all() and table["same_test"].all() and table["mse_low"].notna().all()
    )
    configure(pair[1], lambda config: config["sources"]["chain"].update(frames=4096))
    table = trained(comparison.ratios(*read(pair)))
    assert not table["same_test"].any() and table["mse_low"].notna().all()
    assert (table["mse_low"] < 1).all() and (
        table["mse_high"] > 1
    ).all()  # and not of no width, as with pairs
    assert "Tested on other samples in B" in " ".join(compared.sentences(table))


def test_without_a_difference_unpaired_intervals_leave_one_out_in_at_most_a_twentieth():
    rng, missed = np.random.default_rng(0), 0
    samples = np.full(10, 20)
    for _ in range(200):
        hard = np.exp(0.3 * rng.normal(size=(2, 1, 10)))
        errors = np.exp(0.2 * rng.normal(size=(2, 4, 1)) + 0.1 * rng.normal(size=(2, 4, 10))) * hard
        one, other = (Blocks((0, 1, 2, 3), {"given": each}, samples) for each in errors)
        low, high = comparison._estimate(one, other, [], "given").interval()
        missed += not low <= 1 <= high
    assert missed <= 10


def test_verdicts_and_claims_that_changed_are_found(pair):
    def broken(table):
        rows = (
            (table["method"] == "egnn")
            & (table["generator"] == "rotation")
            & (table["weights"] == "trained")
        )
        rows &= (table["task"] == "chain_k3") & (table["dtype"] == "float64")
        return table.assign(
            verdict=table["verdict"].where(~rows, "broken"),
            rel_mean=table["rel_mean"].where(~rows, 0.5),
        )

    edit(pair[1], "audit", broken)
    found = comparison.verdicts(*read(pair))
    assert found[[*comparison.VERDICTS, "verdict_a", "verdict_b"]].to_numpy().tolist() == [
        ["chain_k3", "egnn", "rotation", "float64", "exact", "broken"]
    ]
    row = compared.verdict_table(found).rows[0]
    assert (
        [cell.text for cell in row[4:]] == ["exact", "exact", "broken", "exact"]
        and row[6].alert
        and not row[4].alert
    )


def test_settings_that_differ_are_named_by_their_keys():
    one = {
        "audit": {"samples": 8},
        "methods": {"m": {"training": {"epochs": 3, "copies": 4}}},
        "same": [1],
    }
    other = {"audit": {"samples": 16}, "methods": {"m": {"training": {"epochs": 3}}}, "same": [1]}
    found = comparison.settings(one, other)
    assert found.to_numpy().tolist() == [
        ["audit.samples", "8", "16"],
        ["methods.m.training.copies", "4", None],
    ]


def test_what_only_one_has_is_told(pair):
    for name in ("metrics", "summary", "blocks", "audit"):
        edit(pair[1], name, without("method", "e3nn"))
        edit(pair[0], name, without("task", "chain_k1"))
    edit(
        pair[1],
        "metrics",
        lambda table: table[(table["method"] != "egnn") | (table["task"] != "chain_k3")],
    )
    a, b = read(pair)
    assert comparison.only_in(a, b) == {"methods": ["e3nn"], "pairs": ["egnn on chain_k3"]}
    assert comparison.only_in(b, a) == {"tasks": ["chain_k1"]}


def call(*words: object) -> subprocess.CompletedProcess:
    return called("compare.py", *words)


def test_the_command_takes_results_or_the_folder_that_holds_them(pair, tmp_path):
    edit(pair[1], "blocks", lambda table: scaled(table, "egnn", 2.0))
    configure(pair[1], lambda config: config["study"].update(title="A longer </script> one"))
    done = call(pair[0], pair[1] / "results", "--output", tmp_path / "c.html")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "c.html").read_text()
    assert (
        text.index('id="differences"') < text.index('id="accuracy"')
        and "2.00 times (2.00 to 2.00)" in text
    )
    assert "A longer &lt;/script&gt; one" in text and "A longer </script>" not in text


def test_what_is_missing_is_named(pair, tmp_path):
    assert "expected the results of a finished study" in call(tmp_path / "none", pair[1]).stderr
    (pair[1] / "results/tables/blocks.csv").unlink()
    (pair[1] / "results/config.json").unlink()
    done = call(*pair, "--output", tmp_path / "c.html")
    wanted = f"error: {pair[1]}: no results/tables/blocks.csv, results/config.json; run the study to its end, then compare"
    assert done.returncode == 1 and wanted in done.stderr and not (tmp_path / "c.html").exists()
    assert "are the same study; expected two" in call(pair[0], pair[0] / "results").stderr

"""Means and intervals over seeds, and the table of failures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from called import called
from equitraj.base.files import write_table
from equitraj.report import collected as tables
from equitraj.report import tables as report
from equitraj.routes.tables import Errors

ROW = {"task": "t", "method": "m", "train_size": "all"}
ROW |= {"model": "x", "alignment": "none", "augmentation": "none"}


def test_failed_seeds_are_counted_and_left_out_of_the_mean():
    row = ROW | {"history": 1, "n_parameters": 3, "mse_persistence": 1.0, "mse_velocity": np.nan}
    numbers = dict.fromkeys(
        (
            "skill",
            "skill_velocity",
            "mse_rotated",
            "rmse",
            "r2",
            "train_seconds",
            "mse_median",
            "worst_share",
        ),
        1.0,
    )
    runs = [
        {"status": "ok", "mse": 2.0},
        {"status": "ok", "mse": 4.0},
        {"status": "failed: x", "mse": np.nan},
    ]
    keys = {key: row[key] for key in ("task", "method", "train_size")}
    blocks = [
        keys | {"seed": seed, "block": b, "samples": 9, "mse": mse, "mse_rotated": 1.0}
        for seed, mse in enumerate((2.0, 4.0))
        for b in range(3)
    ]
    metrics, errors = (
        pd.DataFrame([row | numbers | run for run in runs]),
        Errors(pd.DataFrame(blocks)),
    )
    (summary,) = tables.summary_table(metrics, errors).to_dict("records")
    assert (summary["n_seeds"], summary["n_failed"], summary["mse_mean"]) == (3, 1, 3.0)
    assert np.isnan(summary["mse_low"])  # two seeds that ended well


def test_intervals_of_errors_are_positive_and_those_of_skills_follow_from_them():
    rng = np.random.default_rng(0)
    row = ROW | {
        "history": 1,
        "n_parameters": 3,
        "mse_persistence": 2.0,
        "mse_velocity": np.nan,
        "status": "ok",
    }
    errors = np.exp(rng.normal(size=(3, 20)))  # seeds and blocks that differ by a factor of three
    blocks = [
        {
            "task": "t",
            "method": "m",
            "train_size": "all",
            "seed": s,
            "block": b,
            "samples": 5,
            "mse": e,
            "mse_rotated": e,
        }
        for (s, b), e in np.ndenumerate(errors)
    ]
    numbers = dict.fromkeys(
        ("skill_velocity", "rmse", "r2", "train_seconds", "mse_median", "worst_share"), 1.0
    )
    runs = [
        row | numbers | {"mse": m, "mse_rotated": m, "skill": 1 - m / 2} for m in errors.mean(1)
    ]
    (found,) = tables.summary_table(pd.DataFrame(runs), Errors(pd.DataFrame(blocks))).to_dict(
        "records"
    )
    assert 0 < found["mse_low"] < found["mse_mean"] < found["mse_high"]
    assert found["skill_low"] == pytest.approx(1 - found["mse_high"] / 2) and np.isnan(
        found["skill_velocity_low"]
    )


def test_tables_of_runs_are_their_files_one_below_the_other_under_their_names(tmp_path):
    runs = {}
    for seed in (0, 1):
        folder = tmp_path / f"t/m/nall/seed{seed}"
        write_table(
            folder / "audit.csv",
            ["generator", "rel_mean"],
            [{"generator": "rotation", "rel_mean": seed / 3}],
        )
        runs[folder] = {
            "task": {"name": "t"},
            "method": {"name": "m"},
            "train_size": "all",
            "seed": seed,
        }
    expected = f"task,method,train_size,seed,generator,rel_mean\nt,m,all,0,rotation,0.0\nt,m,all,1,rotation,{1 / 3}\n"
    assert "".join(tables.stacked(runs, "audit.csv")) == expected
    write_table(
        folder / "audit.csv", ["generator", "rel_max"], [{"generator": "rotation", "rel_max": 1.0}]
    )
    with pytest.raises(
        ValueError,
        match=r"seed1/audit.csv: columns rel_max, rel_mean are not those of .*seed0/audit",
    ):
        list(tables.stacked(runs, "audit.csv"))


def test_a_page_shows_as_many_rows_as_it_can_and_says_where_the_others_are():
    rows = [[report.word(f"m{n}", alert=n == 2999)] for n in range(3000)]
    shown = report.shown(report.Table("audit", ["method"], rows), Path("results/tables/audit.csv"))
    assert len(shown.rows) == 2000 and shown.rows[0] == rows[-1] and shown.rows[1:] == rows[:1999]
    assert shown.left_out == "2,000 of 3,000 rows; everything is in results/tables/audit.csv."
    small = report.Table("audit", ["method"], rows[:2000])
    assert report.shown(small, Path("audit.csv")) is small


def test_a_published_error_stands_beside_the_method_of_its_kind():
    summary = pd.DataFrame(
        {
            "task": ["t", "t", "u"],
            "method": ["far", "near", "other"],
            "train_size": "all",
            "mse_mean": [1.0, 0.02, 0.01],
        }
    )
    columns = ["task", "name", "mse", "source", "url", "method"]
    rows = [
        ["t", "EGNN", 0.01, "A, 2021", np.nan, "near"],
        ["v", "GNN", 1.0, "B", "https://b", np.nan],
    ]
    published = pd.DataFrame(rows, columns=columns)
    first, second = report.published_table(published, summary).rows
    assert [cell.text for cell in first[1:5]] == ["EGNN", "0.0100", "near", "0.0200"] and first[
        1
    ].small == "published"
    assert (
        second[3].text == "–" and second[5].small == "https://b"
    )  # a task without a run that ended well
    assert report.published_table(published.iloc[:0], summary) is None


def test_published_errors_are_written_with_their_sources(tmp_path):
    rows = {"t": [{"name": "A", "mse": 0.01, "source": "B, Table 1"}]}
    for published, lines in ((rows, ['t,A,0.01,"B, Table 1",,']), ({}, [])):
        (tmp_path / "published.json").write_text(json.dumps(published))
        called(
            "published.py",
            "--published",
            tmp_path / "published.json",
            "--output",
            tmp_path / "published.csv",
        )
        assert (tmp_path / "published.csv").read_text().splitlines() == [
            "task,name,mse,source,url,method",
            *lines,
        ]

"""Nothing that a user writes is a pattern, a command or markup: braces, quotes, newlines, all
alphabets are text."""

import html
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from study import checkout, snakemake, table

NASTY = "Is $E_{kin}$ kept? {wildcards.task} {0} <results> 'quoted' \"twice\" \\n `date` $(date) </script> ⟨x²⟩ Ünï 動"
FILE = "wälk {a} [0] 'q' \"d\" $HOME <results> %s.npz"
ARRAY = "x{0} <y> 'z'"
STUDY = {
    "sources": {"mine": {"kind": "file", "path": FILE, "array": ARRAY, "bonds": "none"}},
    "tasks": {
        "mine": {
            "source": "mine",
            "history": 2,
            "lag": 1,
            "split": {"train": 20, "validation": 5, "test": 10},
        }
    },
    "published": {
        "mine": [
            {"name": NASTY, "mse": 0.5, "source": NASTY + "\nsecond line", "method": "persistence"}
        ]
    },
    "study": {
        "title": NASTY,
        "question": NASTY + "\n\nAnd {this}?",
        "tasks": ["mine"],
        "methods": ["persistence", "constant_velocity"],
        "train_sizes": ["all"],
        "seeds": [0],
        "figures": ["accuracy"],
        "chapter": False,
    },
    "rollout": {"steps": 2, "starts": 1},
    "audit": {"samples": 2, "elements": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkout, in a folder with spaces and quotes in its name, in which a study of such texts
    has run."""
    folder = checkout(tmp_path_factory.mktemp("text") / "a $study of 'mine'")
    walk = np.cumsum(np.random.default_rng(0).normal(size=(40, 4, 3)), axis=0)
    np.savez(folder / FILE, **{ARRAY: walk, "other": walk[:1]})
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY, allow_unicode=True))
    result = snakemake(folder, configfile=folder / "study.yaml")
    assert result.returncode == 0, result.stdout[-5000:]
    return folder


def test_texts_reach_tables_and_report_as_they_were_written(folder):
    assert set(table(folder, "metrics").status) == {"ok"}
    (row,) = pd.read_csv(folder / "results/tables/published.csv").to_dict("records")
    assert row["name"] == NASTY and row["source"] == NASTY + "\nsecond line"
    config = json.loads((folder / "results/config.json").read_text())
    assert config["study"]["question"] == STUDY["study"]["question"]
    page = (folder / "reports/report.html").read_text()
    assert html.escape(NASTY, quote=False) in html.escape(html.unescape(page), quote=False)
    assert "$(date) </script>" not in page


def test_the_study_again_has_nothing_to_do_and_another_title_makes_the_report_alone(folder):
    assert "Nothing to be done" in snakemake(folder, configfile=folder / "study.yaml").stdout
    (folder / "titled.yaml").write_text(yaml.safe_dump({"study": {"title": "{other}"}}))
    planned = snakemake(
        folder, "-n", configfile=folder / "study.yaml", also=folder / "titled.yaml"
    ).stdout
    assert "Writing the report" in planned and "Evaluating" not in planned


def test_a_folder_whose_name_snakemake_takes_for_a_pattern_is_refused_in_one_line(tmp_path):
    result = snakemake(checkout(tmp_path / "a {study}"), "-n")
    assert result.returncode == 1 and "Traceback" not in result.stdout
    assert result.stdout.splitlines()[-1] == (
        f"{tmp_path}/a {{study}}: Snakemake takes {{ }} < > in the name of a folder for patterns; "
        "rename the folder"
    )


def test_a_place_for_results_with_braces_is_refused(fresh, tmp_path):
    (tmp_path / "places.yaml").write_text("pathvars: { results: 'all {results}' }")
    result = snakemake(fresh, "-n", also=tmp_path / "places.yaml")
    assert result.returncode == 1 and "pathvars.results: 'all {results}'" in result.stdout

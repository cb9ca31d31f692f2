"""What runs again after a change to a finished study: what depends on it, and nothing else."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from study import checkout, snakemake

LIBRARY = "workflow/scripts/equitraj"
NOTHING: set[str] = set()
AFTER = {
    "collect",
    "routes",
    "figures",
    "report",
}  # what follows where the tables of all runs are collected anew
OF_A_RUN = {"train", "evaluate", "audit"}
STUDY = """
methods:
  tiny_integrator: { model: integrator, options: { steps: 1, width: 4 }, training: { epochs: 1 } }
study:
  tasks: [tiny_k3]
  methods: [persistence, tiny_mlp, tiny_egnn, tiny_integrator]
  figures: [accuracy, audit_matrix]
"""
JOB = re.compile(r"^(?:local)?rule (\w+):$|^\w+ {2,}\d+$", re.M)
MESSAGES = {  # the first words of a job's message to its rule
    "Fitting": "train",
    "Training": "train",
    "Evaluating": "evaluate",
    "Auditing the symmetry of": "audit",
}


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory) -> Path:
    """A copy of the tiny study, in which a part of it, with one method more, has run to its report."""
    folder = checkout(tmp_path_factory.mktemp("reruns") / "study")
    for part in ("results", "reports", ".snakemake"):
        shutil.copytree(
            tiny / part, folder / part, ignore=shutil.ignore_patterns("locks", "incomplete", "log")
        )
    (folder / "own.yaml").write_text(STUDY)
    result = snakemake(folder, also=folder / "own.yaml")
    assert result.returncode == 0, result.stdout[-5000:]
    return folder


def planned(folder: Path, *arguments: str, **changes: object) -> dict[str, set[str]]:
    """Rule to the methods of its jobs, `""` for a job of no method, of a dry run after changes to
    the study."""
    (folder / "changed.yaml").write_text(yaml.safe_dump(merged_with(changes)))
    result = snakemake(folder, "-n", *arguments, also=folder / "changed.yaml")
    assert result.returncode == 0, result.stdout[-3000:]
    if "Nothing to be done" in result.stdout:
        return {}
    table = result.stdout.split("Job stats:")[1].split("total")[0]
    counts = dict(line.rsplit(maxsplit=1) for line in table.strip().splitlines()[2:])
    found = {rule.split("_")[0]: set() for rule in counts if rule != "all"}
    for words, rule in MESSAGES.items():
        found.setdefault(rule, set()).update(
            re.findall(rf"Job \d+: {words} (\w+) on", result.stdout)
        )
    return {rule: methods for rule, methods in found.items() if methods or rule not in OF_A_RUN}


def merged_with(changes: dict) -> dict:
    """The study with changes of its parts, by dotted keys."""
    study = yaml.safe_load(STUDY)
    for key, value in changes.items():
        *path, last = key.split("__")
        place = study
        for name in path:
            place = place.setdefault(name, {})
        place[last] = value
    return study


def added(text: str) -> Callable[[str], str]:
    return lambda before: before + text


EVERY = {"persistence", "tiny_mlp", "tiny_egnn", "tiny_integrator"}
RUNS_OF = lambda *methods: dict.fromkeys(OF_A_RUN, set(methods))  # noqa: E731
FOLLOWS = dict.fromkeys(AFTER, NOTHING)
SETTING = {"setting": NOTHING}

# a change of the study to the methods by rule that run again
CHANGES = {
    "nothing": ({}, {}),
    "a seed added": ({"study__seeds": [0, 1, 2]}, RUNS_OF(*EVERY) | FOLLOWS | SETTING),
    "a seed removed": ({"study__seeds": [0]}, FOLLOWS | SETTING),
    "a size added": ({"study__train_sizes": ["all", 50]}, RUNS_OF(*EVERY) | FOLLOWS | SETTING),
    "a learning rate": (
        {
            "methods__tiny_egnn__training__learning_rate": 0.01,
            "methods__tiny_egnn__training__epochs": 2,
        },
        RUNS_OF("tiny_egnn") | FOLLOWS | SETTING,
    ),
    "a title": ({"study__title": "Another"}, SETTING | {"report": NOTHING}),
    "what a method is compared with": (
        {"methods__tiny_integrator__against": "tiny_mlp"},
        SETTING | {"routes": NOTHING, "report": NOTHING},
    ),
    "steps of rollouts": (
        {"rollout__steps": 5, "rollout__starts": 4},
        {"evaluate": EVERY} | FOLLOWS | SETTING,
    ),
    "elements of the audit": (
        {"audit__elements": 3, "audit__samples": 8},
        {"audit": EVERY} | FOLLOWS | SETTING,
    ),
    "a method added": (
        {"study__methods": [*sorted(EVERY), "constant_velocity"]},
        # that has run in the tiny study
        FOLLOWS | SETTING,
    ),
}

# a change of a file below the library to the methods by rule that run again
COMMENT, STATEMENT = added("\n# A comment.\n"), added("\nADDED = True\n")
EDITS = {
    "a comment in a model": ("models/mlp.py", COMMENT, {}),
    "another docstring of a model": (
        "models/mlp.py",
        lambda text: text.replace('"""', '"""Now: ', 1),
        {},
    ),
    "a comment in what all import": ("base/files.py", COMMENT, {}),
    "a model": ("models/mlp.py", STATEMENT, RUNS_OF("tiny_mlp") | FOLLOWS),
    "the unit of an output": (
        "training/units/jax.py",
        STATEMENT,
        RUNS_OF("tiny_integrator") | FOLLOWS,
    ),
    "a training loop": (
        "training/jax_epoch.py",
        STATEMENT,
        RUNS_OF("tiny_mlp", "tiny_egnn", "tiny_integrator") | FOLLOWS,
    ),
    "a figure": ("report/figures/accuracy.py", STATEMENT, {"figures": NOTHING, "report": NOTHING}),
    "the caption of a figure": (
        "report/figures/accuracy.py",
        lambda text: text.replace('"""', '"""Now: ', 1),
        {"figures": NOTHING, "report": NOTHING},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_study_runs_what_depends_on_it(finished, name):
    changes, expected = CHANGES[name]
    assert planned(finished, **changes) == expected


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_code_runs_what_it_decides(finished, name):
    file, edit, expected = EDITS[name]
    path = finished / LIBRARY / file
    before = path.read_text()
    path.write_text(edit(before))
    try:
        assert planned(finished) == expected
    finally:
        path.write_text(before)


@pytest.mark.parametrize("target", ["trained", "audited", "tables", "figures", "report"])
def test_named_targets_have_nothing_to_do_in_a_finished_study(finished, target):
    assert planned(finished, target) == {}


def test_all_figures_are_drawn_anew_by_name_and_nothing_else(finished):
    assert planned(finished, "figures", "--forcerun", "figures") == {"figures": NOTHING}


def written(folder: Path, pattern: str) -> dict[str, int]:
    """The files below a folder by what another file in their place would not have: Snakemake
    touches all."""
    return {str(path.relative_to(folder)): path.stat().st_ino for path in folder.glob(pattern)}


def test_one_figure_is_drawn_alone_and_all_where_that_is_asked(finished):
    figures = finished / "results/figures"
    own = finished / "own.yaml"
    before = written(figures, "*.svg")
    (figures / "accuracy.svg").rename(finished / "lost.svg")  # where it keeps its number
    assert snakemake(finished, "figures", also=own).returncode == 0
    lost = written(figures, "*.svg")
    assert {name for name in lost if lost[name] != before.get(name)} == {"accuracy.svg"}
    named = snakemake(finished, "results/figures/audit_matrix.svg", "--force", also=own)
    assert named.returncode == 0 and "Drawing 1 figures" in named.stdout, named.stdout[-3000:]
    alone = written(figures, "*.svg")
    assert {name for name in alone if alone[name] != lost[name]} == {"audit_matrix.svg"}
    assert snakemake(finished, "figures", "--forcerun", "figures", also=own).returncode == 0
    anew = written(figures, "*.svg")
    assert {name for name in anew if anew[name] != alone[name]} == {
        "accuracy.svg",
        "audit_matrix.svg",
    }


def test_an_added_seed_is_trained_alone_and_the_others_stay_as_they_are(finished):
    runs = finished / "results/runs/tiny_k3"
    before = written(runs, "tiny_mlp/nall/seed[01]/*")
    (finished / "more.yaml").write_text(yaml.safe_dump(merged_with({"study__seeds": [0, 1, 2]})))
    result = snakemake(finished, "results/tables/metrics.csv", also=finished / "more.yaml")
    assert result.returncode == 0, result.stdout[-3000:]
    assert written(runs, "tiny_mlp/nall/seed[01]/*") == before
    assert (runs / "tiny_mlp/nall/seed2/model.safetensors").is_file()
    log = (finished / "results/logs/train/tiny_k3/tiny_mlp.log").read_text()
    assert "seed 2 epoch" in log and "seed 0 epoch" not in log
    again = snakemake(finished, also=finished / "own.yaml")  # as the other tests have it
    assert again.returncode == 0, again.stdout[-3000:]
    assert written(runs, "tiny_mlp/nall/seed[01]/*") == before

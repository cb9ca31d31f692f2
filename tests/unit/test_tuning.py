"""Searches: the same with a seed, resumed after a kill, failures as rows, a method that a study can
use."""

import json
import signal
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from test_kill import KILLED

import tune
from called import SCRIPTS, called
from equitraj.base.devices import CPU
from equitraj.data.trajectory import write
from equitraj.frames.run import run as align
from equitraj.study import config
from equitraj.tuning import search, space
from study import REPOSITORY, environment, merged

TASK = {"name": "chain_k3", "source": "chain", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
TRAINING = {"epochs": 2, "batch_size": 16}
METHOD = {
    "name": "mlp",
    "model": "mlp",
    "frames": "none",
    "frame_options": {},
    "training": TRAINING,
}
SPACE = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "options.width": {"choices": [4, 8]},
    "options.depth": {"low": 0, "high": 2},
}


@pytest.fixture(scope="module")
def files(chain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write(folder / "lifted.h5", chain)
    align(
        folder / "lifted.h5", TASK, "none", {"frames": "none", "options": {}}, folder / "aligned.h5"
    )
    return folder


def surface(values: dict) -> tuple[float, str]:
    """A smooth function of what is drawn, in place of a training."""
    return (np.log10(values["training.learning_rate"]) + 3) ** 2 + values[
        "options.width"
    ] / 100, "ok"


def drawn(study) -> list[dict]:
    return [trial.params for trial in search.finished(study)]


def test_a_search_is_the_same_with_its_seed_and_another_with_another(tmp_path):
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        study = search.opened(tmp_path / name, {"space": SPACE})
        search.search(study, 14, seed, SPACE, surface)
        found.append(drawn(study))
    assert found[0] == found[1] != found[2] and len(found[0]) == 14
    assert all(type(values["options.depth"]) is int for values in found[0])
    best = min(search.finished(study), key=lambda trial: trial.value)
    assert abs(np.log10(best.params["training.learning_rate"]) + 3) < 0.5


def test_a_search_that_was_killed_makes_the_trial_again_and_none_twice(tmp_path):
    whole = search.opened(tmp_path / "whole", {"space": SPACE})
    search.search(whole, 6, 0, SPACE, surface)
    calls = []

    def killed(values: dict) -> tuple[float, str]:
        calls.append(values)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return surface(values)

    with pytest.raises(KeyboardInterrupt):
        search.search(search.opened(tmp_path / "parts", {"space": SPACE}), 6, 0, SPACE, killed)
    parts = search.opened(tmp_path / "parts", {"space": SPACE})
    assert len(search.finished(parts)) == 3
    search.search(parts, 6, 0, SPACE, surface)
    assert drawn(parts) == drawn(whole)
    search.search(parts, 6, 0, SPACE, killed)  # nothing is left to do
    assert len(calls) == 4
    other = search.opened(tmp_path / "parts", {"space": SPACE, "task": "another"})
    assert not search.finished(other)


def words(files, folder, trials: int, method: dict = METHOD, drawn: dict = SPACE) -> list:
    asked = {"trials": trials, "seed": 0, "train_size": "all", "space": drawn}
    given = {
        "search": json.dumps(asked),
        "task": json.dumps(TASK),
        "method": json.dumps(method),
        "name": "mine",
    }
    given |= {"trajectory": files / "lifted.h5", "aligned": files / "aligned.h5", "device": "cpu"}
    given |= {
        "journal": folder / "journal.log",
        "trials": folder / "trials.csv",
        "best": folder / "best.yaml",
    }
    return [word for key, value in given.items() for word in (f"--{key}", value)]


def run_command(*arguments) -> subprocess.CompletedProcess:
    return called("tune.py", *words(*arguments))


def test_a_search_trains_and_writes_its_trials_and_the_best_of_them_as_a_method(files, tmp_path):
    assert run_command(files, tmp_path, 2).returncode == 0
    first = pd.read_csv(tmp_path / "trials.csv")
    assert run_command(files, tmp_path, 3).returncode == 0  # goes on
    table = pd.read_csv(tmp_path / "trials.csv")
    pd.testing.assert_frame_equal(table.iloc[:2], first)
    assert list(table.columns) == [*tune.COLUMNS, *sorted(SPACE)] and table["trial"].tolist() == [
        0,
        1,
        2,
    ]
    assert (table["status"] == "ok").all() and (table["validation_mse"] > 0).all()
    text = (tmp_path / "best.yaml").read_text()
    (name, method), best = (
        *yaml.safe_load(text)["methods"].items(),
        table.loc[table["validation_mse"].idxmin()],
    )
    assert name == "mlp_tuned" and method["model"] == "mlp"
    assert method["options"] == {"width": best["options.width"], "depth": best["options.depth"]}
    rate = pytest.approx(best["training.learning_rate"], rel=1e-12)
    assert method["training"] == {**TRAINING, "learning_rate": rate}
    assert "3 trials" in text and "TPE, seed 0, Optuna 4" in text
    study = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    config.check(
        merged(
            study,
            yaml.safe_load(text),
            {"study": study["study"] | {"methods": ["persistence", name]}},
        )
    )


def test_a_search_that_is_killed_goes_on_where_it_was(files, tmp_path):
    """By SIGKILL, in the second epoch of the third training."""
    count = 2 * TRAINING["epochs"] + 2
    killed = [
        "-c",
        KILLED,
        SCRIPTS / "tune.py",
        "equitraj.training.outcome.Monitor.record",
        str(count),
    ]
    call, variables = (
        [sys.executable, *killed, *words(files, tmp_path, 4)],
        environment(PYTHONPATH=str(SCRIPTS)),
    )
    done = subprocess.run(call, env=variables, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL and not (tmp_path / "trials.csv").exists(), (
        done.stderr
    )
    journal = tmp_path / "journal.log"
    before = journal.read_text()
    assert before.count('"status"') == 2
    assert run_command(files, tmp_path, 4).returncode == 0
    assert journal.read_text().startswith(before)
    table = pd.read_csv(tmp_path / "trials.csv")
    other = tmp_path / "other"
    other.mkdir()
    assert run_command(files, other, 4).returncode == 0
    columns = ["trial", "status", "validation_mse", *sorted(SPACE)]
    pd.testing.assert_frame_equal(table[columns], pd.read_csv(other / "trials.csv")[columns])


def test_other_data_are_another_search(files, chain, tmp_path):
    assert run_command(files, tmp_path, 1).returncode == 0
    (first,) = pd.read_csv(tmp_path / "trials.csv")["validation_mse"]
    far = tmp_path / "far"
    far.mkdir()
    write(far / "lifted.h5", replace(chain, position=3 * chain.position))
    align(far / "lifted.h5", TASK, "none", {"frames": "none", "options": {}}, far / "aligned.h5")
    assert run_command(far, tmp_path, 1).returncode == 0  # the same journal
    (second,) = pd.read_csv(tmp_path / "trials.csv")["validation_mse"]
    assert second == pytest.approx(
        9 * first, rel=0.05
    )  # networks see their data in units of their scales


def test_a_trial_that_raises_is_a_row_and_does_not_stop_the_search(tmp_path):
    def raising(values: dict) -> tuple[float, str]:
        if values["options.width"] == 8:
            raise ValueError("too wide")
        return surface(values)

    found = search.search(search.opened(tmp_path / "journal", {}), 8, 0, SPACE, raising)
    said = {trial.params["options.width"]: trial.user_attrs["status"] for trial in found}
    assert said == {4: "ok", 8: "failed: ValueError: too wide"} and len(found) == 8
    assert (
        len(search.search(search.opened(tmp_path / "journal", {}), 3, 0, SPACE, raising)) == 3
    )  # fewer than before


def test_trials_that_fail_are_rows_and_a_search_without_any_other_says_so(files, tmp_path):
    train = search.trainer(TASK, METHOD, "all", 0, files / "lifted.h5", files / "aligned.h5", CPU)
    error, status = train({"training.learning_rate": 1e30, "options.width": 4})
    assert error is None and status.startswith("failed")
    done = run_command(files, tmp_path, 1, METHOD | {"training": TRAINING | {"time_limit": 1e-9}})
    assert done.returncode == 1 and "none of 1 trials ended well" in done.stderr
    assert pd.read_csv(tmp_path / "trials.csv")["status"].tolist() == ["timeout"]
    assert not (tmp_path / "best.yaml").exists()


def test_the_best_method_keeps_what_was_not_drawn(tmp_path):
    trial = Namespace(value=0.5, params={"training.learning_rate": 0.01})
    method = METHOD | {"alignment": "centre_of_mass", "options": {"width": 4}}
    args = Namespace(name="s", method=method, task=TASK, search={"seed": 3})
    tune.write_best(tmp_path / "best.yaml", args, [trial])
    found = yaml.safe_load((tmp_path / "best.yaml").read_text())["methods"]["mlp_tuned"]
    expected = {"model": "mlp", "alignment": "centre_of_mass", "options": {"width": 4}}
    assert found == expected | {"training": TRAINING | {"learning_rate": 0.01}}


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (
            {"options.witdh": {"choices": [8]}},
            "s: unknown name 'options.witdh'; allowed: .*Did you mean 'options.width'",
        ),
        ({"options.width": {"choices": [8, 0]}}, "s.options.width: 0; expected int, 1 to"),
        (
            {"training.learning_rate": {"low": 0.1, "high": 0.01}},
            "s.training.learning_rate: low 0.1 and high 0.01",
        ),
        (
            {"training.weight_decay": {"low": 0.0, "high": 0.1, "log": True}},
            "low 0.0 with log; expected a number above",
        ),
        (
            {"training.ema": {"low": 0.5, "high": 1.5}},
            "s.training.ema: 1.5; expected float, at least 0 and below 1",
        ),
    ],
)
def test_wrong_spaces_are_refused(drawn, said):
    with pytest.raises(ValueError, match=said):
        space.check("s", drawn, METHOD)

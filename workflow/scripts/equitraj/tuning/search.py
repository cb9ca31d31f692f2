"""Hyperparameter search by Optuna (Akiba et al., KDD 2019).

Trials run one after another; each is a training, scored by its validation error. They are kept in a
journal, from which an interrupted search resumes. It repeats an interrupted trial with the same
values, because the sampler of a trial depends only on the seed of the search, the number of the
trial and the finished trials.
"""

import json
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from equitraj.base.devices import Place
from equitraj.base.files import NotWritten, read_json
from equitraj.training.method import Method
from equitraj.training.run import run, status_of
from equitraj.tuning.space import with_values

SAMPLER = "TPE"
KILLED = "killed"  # prefix of the attributes that number the trials interrupted with their search
Train = Callable[[dict], tuple[float | None, str]]  # values to validation error and status


def distributions(space: dict) -> dict[str, BaseDistribution]:
    """Return the distributions of a search space; between two whole numbers all are whole."""
    by_name = {}
    for name, drawn in sorted(space.items()):
        by_name[name] = _distribution(drawn)
    return by_name


def _distribution(drawn: dict) -> BaseDistribution:
    if "choices" in drawn:
        return CategoricalDistribution(drawn["choices"])
    low = drawn["low"]
    high = drawn["high"]
    log = drawn.get("log", False)
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def opened(journal: Path, definition: dict) -> optuna.Study:
    """Open the study of this definition in a journal.

    Another task, method or space is another study in the same journal.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(definition, sort_keys=True)
    name = sha256(text.encode()).hexdigest()[:16]
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(
        storage=storage, study_name=name, direction="minimize", load_if_exists=True
    )
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.set_user_attr(f"{KILLED} {trial.number}", True)
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials of a study that were not interrupted, in order."""
    trials = []
    for trial in study.trials:
        was_killed = f"{KILLED} {trial.number}" in study.user_attrs
        if trial.state.is_finished() and not was_killed:
            trials.append(trial)
    return trials


def search(
    study: optuna.Study, trials: int, seed: int, space: dict, train: Train
) -> list[FrozenTrial]:
    """Make the missing trials up to a number of `trials`, and return all of them.

    `train(values)` returns a validation error, in data units squared, and a status.
    """
    for number in range(len(finished(study)), trials):
        study.sampler = optuna.samplers.TPESampler(seed=seed * 1_000_003 + number)
        trial = study.ask(distributions(space))
        _make(study, trial, train)
    return finished(study)[:trials]


def _make(study: optuna.Study, trial: Trial, train: Train) -> None:
    begin = time.perf_counter()
    error: float | None = None
    try:
        error, status = train(trial.params)
    except NotWritten:  # a full disk is no result of the trial
        raise
    except Exception as caught:  # a failed trial is a row, and the search goes on
        status = status_of(caught)
    trial.set_user_attr("seconds", time.perf_counter() - begin)
    trial.set_user_attr("status", status)
    if status == "ok":
        study.tell(trial, error)
    else:
        study.tell(trial, state=TrialState.FAIL)


def trainer(
    task: dict, method: dict, size: str, seed: int, trajectory: Path, aligned: Path, place: Place
) -> Train:
    """Return a function that trains once with drawn values.

    It returns the best validation error, None if the run failed, and the status of the run.
    """

    def train(values: dict) -> tuple[float | None, str]:
        changed = Method(**with_values(method, values))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            run(task, changed, size, [seed], trajectory, aligned, folder, place)
            return _result(folder / f"seed{seed}")

    return train


def _result(folder: Path) -> tuple[float | None, str]:
    """The best validation error of a run, None where it failed, and its status."""
    status = read_json(folder / "run.json")["status"]
    text = (folder / "history.csv").read_text()
    errors = [float(row.split(",")[2]) for row in text.splitlines()[1:]]
    best = min(errors) if status == "ok" else None
    return best, status

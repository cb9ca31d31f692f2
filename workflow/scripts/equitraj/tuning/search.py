"""A search by Optuna (Akiba et al., KDD 2019): trials one after another, each a training, judged on
validation.

Trials are kept in a journal, so that a search that was killed goes on: a trial that was under way
is made again with the same values, as its sampler depends on the search's seed, the trial's number
and finished trials alone.
"""

import json
import tempfile
import time
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
KILLED = "killed"  # the attribute of trials that were under way when a search was killed


def distributions(space: dict) -> dict[str, BaseDistribution]:
    """Optuna's of a search space; a range between two whole numbers has whole numbers."""
    found: dict[str, BaseDistribution] = {}
    for name, drawn in sorted(space.items()):
        if "choices" in drawn:
            found[name] = CategoricalDistribution(drawn["choices"])
            continue
        whole = all(isinstance(drawn[end], int) for end in ("low", "high"))
        kind = IntDistribution if whole else FloatDistribution
        found[name] = kind(drawn["low"], drawn["high"], log=drawn.get("log", False))
    return found


def opened(journal: Path, definition: dict) -> optuna.Study:
    """The study of this definition in a journal; another task, method or space is another study in
    it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    name = sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:16]
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(
        storage=storage, study_name=name, direction="minimize", load_if_exists=True
    )
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.set_user_attr(f"{KILLED} {trial.number}", True)
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials of a study that came to an end of their own, in order."""
    killed = {int(name.split()[1]) for name in study.user_attrs if name.startswith(f"{KILLED} ")}
    return [
        trial for trial in study.trials if trial.state.is_finished() and trial.number not in killed
    ]


def search(study: optuna.Study, trials: int, seed: int, space: dict, train) -> list[FrozenTrial]:
    """Make what is left of `trials`; `train(values)` gives a validation error, in data units
    squared, and a status."""
    for number in range(len(finished(study)), trials):
        study.sampler = optuna.samplers.TPESampler(seed=seed * 1_000_003 + number)
        trial = study.ask(distributions(space))
        _make(study, trial, train)
    return finished(study)[:trials]


def _make(study: optuna.Study, trial: Trial, train) -> None:
    begin = time.perf_counter()
    try:
        error, status = train(trial.params)
    except NotWritten:  # a full disk is no result of the trial's
        raise
    except Exception as caught:  # a failed trial is a row, and the search goes on
        error, status = None, status_of(caught)
    trial.set_user_attr("seconds", time.perf_counter() - begin)
    trial.set_user_attr("status", status)
    if status == "ok":
        study.tell(trial, error)
    else:
        study.tell(trial, state=TrialState.FAIL)


def trainer(
    task: dict, method: dict, size: str, seed: int, trajectory: Path, aligned: Path, place: Place
):
    """A function of drawn values: the best validation error of one training with them, and how it
    ended."""

    def train(values: dict) -> tuple[float | None, str]:
        with tempfile.TemporaryDirectory() as folder:
            run(
                task,
                Method(**with_values(method, values)),
                size,
                [seed],
                trajectory,
                aligned,
                Path(folder),
                place,
            )
            record = read_json(Path(folder) / f"seed{seed}" / "run.json")
            rows = (Path(folder) / f"seed{seed}" / "history.csv").read_text().splitlines()[1:]
        errors = [float(row.split(",")[2]) for row in rows]
        return (min(errors) if record["status"] == "ok" else None), record["status"]

    return train

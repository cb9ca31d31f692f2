"""The memory that a network needs which compares all pairs of points, against that of the machine.

A lower bound, told before anything runs: a batch of B samples of N points holds B N^2 pairs, each
with as many numbers as the network is wide. What else a training keeps, such as every layer for the
gradient, comes on top.
"""

import os

from equitraj.base.registry import LIBRARY, ModelSpec, dataclass_fields

PAIR_NUMBERS = 64  # of a model that has no option `width`
GB = 1e9


def machine() -> float:
    """Bytes of memory of this machine."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def takes_all_pairs(spec: ModelSpec, options: dict) -> bool:
    """Whether a model with these options compares all pairs: its `ALL_PAIRS` is True, or names an
    option that is 0."""
    if isinstance(spec.all_pairs, bool):
        return spec.all_pairs
    return not options.get(spec.all_pairs, spec.hyperparameters[spec.all_pairs].default)


def batch_size(training: dict) -> int:
    """Samples of a batch under these options of a training loop."""
    default = dataclass_fields(LIBRARY / "training/options.py", "TrainingOptions")[
        "batch_size"
    ].default
    return training.get("batch_size", default)


def needed(spec: ModelSpec, options: dict, training: dict, n_points: int) -> float:
    """Bytes that the pairs of one batch take."""
    width = spec.hyperparameters.get("width")
    numbers = options.get("width", width.default) if width else PAIR_NUMBERS
    size = 8 if training.get("precision") == "float64" else 4
    return float(batch_size(training)) * n_points**2 * numbers * size


def check(
    name: str, model: str, spec: ModelSpec, method: dict, n_points: int, limit: float | None = None
) -> None:
    """Check that a method which compares all pairs of its points has the memory for it.

    `method` has the `options` and the `training` of the method `name`, `limit` are bytes, those of
    the machine without.

    Raises:
        ValueError: it needs more: the model, the number of points, the memory and what to do.
    """
    options, training = method.get("options", {}), method.get("training", {})
    if not takes_all_pairs(spec, options):
        return
    limit = machine() if limit is None else limit
    if (bytes_ := needed(spec, options, training, n_points)) > limit:
        mend = "choose a model with a cutoff"
        if isinstance(spec.all_pairs, str):
            mend = f"set options.{spec.all_pairs} to the distance within which points act on each other"
        raise ValueError(
            f"methods.{name}: {model} compares all pairs of {n_points} points, which takes at least {bytes_ / GB:.3g} "
            f"GB in batches of {batch_size(training)}, of {limit / GB:.3g} GB; {mend}, or a smaller "
            "training.batch_size"
        )

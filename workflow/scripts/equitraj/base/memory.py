"""Check that the memory suffices for networks that compare all pairs of points.

The check uses a lower bound: a batch of B samples of N points holds B N^2 pairs, and each pair
holds as many numbers as the network is wide. Training needs more, such as every layer for the
gradient.
"""

import os

from equitraj.base.registry import LIBRARY, ModelSpec, dataclass_fields

PAIR_NUMBERS = 64  # numbers of a pair, for a model without an option `width`
GB = 1e9


def machine() -> float:
    """Return the memory of this machine in bytes."""
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    return float(page * pages)


def takes_all_pairs(spec: ModelSpec, options: dict) -> bool:
    """Whether a model with these options compares all pairs of points.

    It does if its `ALL_PAIRS` is True, or names an option that is 0.
    """
    if isinstance(spec.all_pairs, bool):
        return spec.all_pairs
    default = spec.hyperparameters[spec.all_pairs].default
    return not options.get(spec.all_pairs, default)


def batch_size(training: dict) -> int:
    """Return the number of samples in a batch, given the training options of a method."""
    fields = dataclass_fields(LIBRARY / "training/options.py", "TrainingOptions")
    return training.get("batch_size", fields["batch_size"].default)


def needed(spec: ModelSpec, options: dict, training: dict, n_points: int) -> float:
    """Return the memory of the pairs of one batch in bytes."""
    width = spec.hyperparameters.get("width")
    numbers = options.get("width", width.default) if width else PAIR_NUMBERS
    bytes_of_number = 8 if training.get("precision") == "float64" else 4
    pairs = float(batch_size(training)) * n_points**2
    return pairs * numbers * bytes_of_number


def check(
    name: str, model: str, spec: ModelSpec, method: dict, n_points: int, limit: float | None = None
) -> None:
    """Check that the machine has the memory for a method that compares all pairs of points.

    Args:
        method: `options` and `training` of the method called `name`.
        limit: available memory in bytes; the machine's by default.

    Raises:
        ValueError: the memory does not suffice; the message says what to do.
    """
    options, training = method.get("options", {}), method.get("training", {})
    if not takes_all_pairs(spec, options):
        return
    limit = machine() if limit is None else limit
    least = needed(spec, options, training, n_points)
    if least <= limit:
        return
    mend = "choose a model with a cutoff"
    if isinstance(spec.all_pairs, str):
        mend = f"set options.{spec.all_pairs} to the distance within which points act on each other"
    raise ValueError(
        f"methods.{name}: {model} compares all pairs of {n_points} points, which takes at least "
        f"{least / GB:.3g} GB in batches of {batch_size(training)}, of {limit / GB:.3g} GB; "
        f"{mend}, or a smaller training.batch_size"
    )

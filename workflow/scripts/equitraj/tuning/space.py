"""The space of a search: which keys of a method are drawn from what, checked without any package
but this one."""

from equitraj.base.allowed import nearest, options
from equitraj.base.registry import model_spec
from equitraj.training.options import TrainingOptions

PARTS = ("options", "training")


def check(key: str, space: dict, method: dict) -> None:
    """Check that each entry names an option of the method and draws values that it allows.

    Raises:
        ValueError: the first that does not; the message begins with its key.
    """
    known = {f"training.{name}": option for name, option in options(TrainingOptions).items()}
    known |= {
        f"options.{name}": option
        for name, option in model_spec(method["model"]).hyperparameters.items()
    }
    for name, drawn in space.items():
        if name not in known:
            raise ValueError(f"{key}: unknown name {name!r}; {nearest(name, list(known))}")
        where = f"{key}.{name}"
        for value in drawn.get("choices", [drawn.get("low"), drawn.get("high")]):
            known[name].check(where, value)
        if "low" in drawn and not drawn["low"] < drawn["high"]:
            raise ValueError(
                f"{where}: low {drawn['low']} and high {drawn['high']}; expected low below high"
            )
        if drawn.get("log") and drawn["low"] <= 0:
            raise ValueError(f"{where}: low {drawn['low']} with log; expected a number above 0")


def with_values(method: dict, values: dict) -> dict:
    """The method with drawn values, by names such as `options.width`, in place of its own."""
    changed = dict(method)
    for name, value in values.items():
        part, option = name.split(".", 1)
        changed[part] = changed.get(part, {}) | {option: value}
    return changed

"""Search spaces: the keys of a method that are drawn, and from what.

They are checked without any package other than this one.
"""

from equitraj.base.allowed import nearest, options
from equitraj.base.registry import model_spec
from equitraj.training.options import TrainingOptions


def check(key: str, space: dict, method: dict) -> None:
    """Check that each entry names an option of the method and draws values that it allows.

    Raises:
        ValueError: an entry is wrong; the message begins with the key of the first one.
    """
    parts = {
        "training": options(TrainingOptions),
        "options": model_spec(method["model"]).hyperparameters,
    }
    known = {}
    for part, group in parts.items():
        for name, option in group.items():
            known[f"{part}.{name}"] = option
    for name, drawn in space.items():
        if name not in known:
            raise ValueError(f"{key}: unknown name {name!r}; {nearest(name, list(known))}")
        where = f"{key}.{name}"
        low = drawn.get("low")
        high = drawn.get("high")
        for value in drawn.get("choices", [low, high]):
            known[name].check(where, value)
        if "low" in drawn and not low < high:
            raise ValueError(f"{where}: low {low} and high {high}; expected low below high")
        if drawn.get("log") and low <= 0:
            raise ValueError(f"{where}: low {low} with log; expected a number above 0")


def with_values(method: dict, values: dict) -> dict:
    """Return the method with its values replaced by drawn ones, named such as `options.width`."""
    changed = dict(method)
    for name, value in values.items():
        part, option = name.split(".", 1)
        changed[part] = changed.get(part, {}) | {option: value}
    return changed

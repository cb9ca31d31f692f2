"""Which methods of a study are compared with the same model without their symmetry, and what they
do about it."""

from collections.abc import Iterator

from equitraj.study.fits import resolved_alignment

AUGMENTATIONS = {
    "none": "no fresh copies",
    "rotation": "fresh rotated copies",
    "rotation_z": "fresh copies turned about z",
}


def of(config: dict) -> dict[str, dict]:
    """By method of the study that is compared: `against`, the method without its route, and
    `route`, in words.

    A method whose `against` is not part of the study is compared with none.
    """
    methods, chosen = config["methods"], config["study"]["methods"]
    pairs = {
        name: methods[name]["against"] for name in chosen if methods[name].get("against") in chosen
    }
    return {
        name: {
            "against": against,
            "route": route(methods[name], methods[against], config.get("alignments", {})),
        }
        for name, against in pairs.items()
    }


def route(method: dict, against: dict, alignments: dict) -> str:
    """What a method does about symmetry that the other does not: another model, or all that
    differs."""
    if method["model"] != against["model"]:
        switched = sorted(
            name for name, value in method.get("options", {}).items() if value is True
        )
        return ", ".join(["built in", *switched])
    return ", ".join(_differences(method, against, alignments)) or "no difference"


def _differences(method: dict, against: dict, alignments: dict) -> Iterator[str]:
    if (alignment := method.get("alignment", "none")) != against.get("alignment", "none"):
        yield _frames(alignment, alignments)
    if (augmentation := method.get("augmentation", "none")) != against.get("augmentation", "none"):
        yield AUGMENTATIONS[augmentation]
    training, other = method.get("training", {}), against.get("training", {})
    if (copies := training.get("copies", 0)) != other.get("copies", 0):
        yield f"{copies or 'no'} rotated {'copy' if copies == 1 else 'copies'}"
    if (weight := training.get("symmetry_penalty", 0)) != other.get("symmetry_penalty", 0):
        yield f"symmetry penalty {weight:g}"
    options, others = method.get("options", {}), against.get("options", {})
    changed = sorted(name for name in options | others if options.get(name) != others.get(name))
    yield from (f"{name} {options.get(name, 'by default')}" for name in changed)


def _frames(alignment: str, alignments: dict) -> str:
    if alignment == "none":
        return "no alignment"
    resolved = resolved_alignment(alignment, alignments)
    options = "".join(f", {name} {value}" for name, value in sorted(resolved["options"].items()))
    return resolved["frames"].replace("_", " ") + options

"""Which methods of a study are compared with the same model without their symmetry, and what they do about it."""

from equitraj.study.fits import resolved_alignment


def of(config: dict) -> dict[str, dict]:
    """By method of the study that is compared: `against`, the method without its route, and `route`, in words.

    A method whose `against` is not part of the study is compared with none.
    """
    methods, chosen = config["methods"], config["study"]["methods"]
    pairs = {name: methods[name]["against"] for name in chosen if methods[name].get("against") in chosen}
    return {
        name: {"against": against, "route": route(methods[name], methods[against], config.get("alignments", {}))}
        for name, against in pairs.items()
    }


def route(method: dict, against: dict, alignments: dict) -> str:
    """What a method does about symmetry that the other does not: the first difference that says it."""
    if method["model"] != against["model"]:
        return "built in"
    training, other = method.get("training", {}), against.get("training", {})
    augmentation = method.get("augmentation", "none")
    if augmentation != against.get("augmentation", "none"):
        return {"rotation": "fresh rotated copies", "rotation_z": "fresh copies turned about z"}[augmentation]
    if (copies := training.get("copies", 0)) != other.get("copies", 0):
        return f"{copies} rotated {'copy' if copies == 1 else 'copies'}"
    if (weight := training.get("symmetry_penalty", 0)) != other.get("symmetry_penalty", 0):
        return f"symmetry penalty {weight:g}"
    if (alignment := method.get("alignment", "none")) != against.get("alignment", "none"):
        resolved = resolved_alignment(alignment, alignments)
        options = "".join(f", {name} {value}" for name, value in sorted(resolved["options"].items()))
        return resolved["frames"].replace("_", " ") + options
    changed = {k: v for k, v in method.get("options", {}).items() if against.get("options", {}).get(k) != v}
    return ", ".join(f"{name} {value}" for name, value in sorted(changed.items())) or "no difference"

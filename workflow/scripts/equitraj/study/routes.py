"""Find the methods that are compared with a model without symmetry, and name their routes."""

from collections.abc import Iterator

from equitraj.study.fits import resolved_alignment

AUGMENTATIONS = {
    "none": "no fresh copies",
    "rotation": "fresh rotated copies",
    "rotation_z": "fresh copies turned about z",
}


def of(config: dict) -> dict[str, dict]:
    """Return the comparisons of a study by method.

    `against` is the method without the route, and `route` describes the route. A method whose
    `against` is not in the study is not compared.
    """
    methods, chosen = config["methods"], config["study"]["methods"]
    alignments = config.get("alignments", {})
    comparisons = {}
    for name in chosen:
        against = methods[name].get("against")
        if against in chosen:
            words = route(methods[name], methods[against], alignments)
            comparisons[name] = {"against": against, "route": words}
    return comparisons


def route(method: dict, against: dict, alignments: dict) -> str:
    """Describe how a method treats symmetry and the other does not.

    Methods of one model differ in their settings; another model has the symmetry built in.
    """
    if method["model"] != against["model"]:
        options = method.get("options", {})
        switched_on = sorted(name for name, value in options.items() if value is True)
        return ", ".join(["built in", *switched_on])
    differences = _differences(method, against, alignments)
    return ", ".join(differences) or "no difference"


def _differences(method: dict, against: dict, alignments: dict) -> Iterator[str]:
    alignment = method.get("alignment", "none")
    if alignment != against.get("alignment", "none"):
        yield _frames(alignment, alignments)
    augmentation = method.get("augmentation", "none")
    if augmentation != against.get("augmentation", "none"):
        yield AUGMENTATIONS[augmentation]
    training, other_training = method.get("training", {}), against.get("training", {})
    copies = training.get("copies", 0)
    if copies != other_training.get("copies", 0):
        yield f"{copies or 'no'} rotated {'copy' if copies == 1 else 'copies'}"
    weight = training.get("symmetry_penalty", 0)
    if weight != other_training.get("symmetry_penalty", 0):
        yield f"symmetry penalty {weight:g}"
    options, other_options = method.get("options", {}), against.get("options", {})
    for name in sorted(options | other_options):
        if options.get(name) != other_options.get(name):
            value = options.get(name, "by default")
            yield f"{name} {value}"


def _frames(alignment: str, alignments: dict) -> str:
    if alignment == "none":
        return "no alignment"
    resolved = resolved_alignment(alignment, alignments)
    words = [resolved["frames"].replace("_", " ")]
    words += [f"{name} {value}" for name, value in sorted(resolved["options"].items())]
    return ", ".join(words)

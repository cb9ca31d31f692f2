"""Checks of the configuration, made when the workflow is parsed: the wrong key, what is allowed, the nearest match."""

from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from equitraj.base.registry import (
    ALIGNMENTS,
    LIBRARY,
    alignment_options,
    check_values,
    constant,
    dataclass_fields,
    is_learned,
    model_spec,
    names,
    nearest,
)
from equitraj.data.sources import entry
from equitraj.data.tasks import split_counts
from equitraj.report import figures

OPTIONS = LIBRARY / "training" / "options.py"
SCHEMA = LIBRARY.parents[1] / "schemas" / "config.schema.yaml"


def check(config: dict) -> None:
    """Check a whole configuration.

    Raises:
        ValueError: the first thing found wrong: its key, its value, what is allowed and the nearest match.
    """
    check_schema(config)
    for name, source in config["sources"].items():
        check_source(name, source)
    for name in config["study"]["methods"]:
        one_of("study.methods", name, list(config["methods"]))
    for name in config["study"]["tasks"]:
        one_of("study.tasks", name, list(config["tasks"]))
    for name in config["study"].get("figures", []):
        one_of("study.figures", name, figures.names())
        if name.startswith("chapter_") and not config["study"].get("chapter"):
            raise ValueError(f"study.figures: {name!r} shows the chapters; it needs study.chapter: true")
    for name, alignment in config["alignments"].items():
        check_alignment(name, alignment)
    for name, method in config["methods"].items():
        check_method(name, method, config["alignments"])
    for name, task in config["tasks"].items():
        check_task(name, task, config["sources"])
    check_sizes(config)
    if config["study"].get("chapter") and "paths" not in config["sources"]:
        raise ValueError(
            "study.chapter: true needs the source 'paths', the chapters' trajectory; sources has none of that name"
        )


def one_of(key: str, value: str, allowed: list[str]) -> None:
    """Raise ValueError that names the key, the value and the nearest match unless `value` is among `allowed`."""
    if value not in allowed:
        raise ValueError(f"{key}: unknown name {value!r}; {nearest(value, allowed)}")


def check_schema(config: dict) -> None:
    """Check keys and types against schemas/config.schema.yaml."""
    schema = yaml.safe_load(Path(SCHEMA).read_text())
    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is not None:
        raise ValueError(explain(error))


def explain(error: ValidationError) -> str:
    """A schema error in one sentence: where, what was found, what is allowed."""
    where = ".".join(str(part) for part in error.absolute_path) or "the configuration"
    if error.validator == "additionalProperties":
        allowed = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in allowed)
        return f"{where}: unknown key {unknown!r}; {nearest(unknown, allowed)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"{where}: the key {missing!r} is missing; {error.schema['properties'][missing].get('description', '')}"
    if error.validator == "enum":
        return f"{where}: unknown value {error.instance!r}; {nearest(error.instance, error.validator_value)}"
    if error.validator == "pattern" and "propertyNames" in error.schema_path:
        return f"{where}: the name {error.instance!r} is not allowed; expected {error.schema['description']}"
    return f"{where}: {error.message}; expected: {error.schema.get('description', error.validator_value)}"


def check_source(name: str, source: dict) -> None:
    """Check that a source has what its kind and its format need, and no key that they ignore."""
    try:
        entry.check(source)
    except ValueError as error:
        raise ValueError(f"sources.{name}.{error}") from error


def check_alignment(name: str, alignment: dict) -> None:
    """Check that an alignment's file and options exist, and that its name is not that of another file."""
    one_of(f"alignments.{name}.frames", alignment["frames"], names(ALIGNMENTS))
    if name in names(ALIGNMENTS) and name != alignment["frames"]:
        raise ValueError(f"alignments.{name}: this is the name of a file in alignments/; choose another name")
    check_values(f"alignments.{name}.options", alignment.get("options", {}), alignment_options(alignment["frames"]))


def resolved_alignment(name: str, alignments: dict) -> dict:
    """File and options of an alignment that a method names: an entry of `alignments`, or a file with its defaults."""
    chosen = alignments.get(name, {"frames": name})
    return {"frames": chosen["frames"], "options": chosen.get("options", {})}


def check_method(name: str, method: dict, alignments: dict) -> None:
    """Check that a method's model, alignment and options exist."""
    one_of(f"methods.{name}.model", method["model"], names("models"))
    alignment = method.get("alignment", "none")
    one_of(f"methods.{name}.alignment", alignment, sorted({*alignments, *names(ALIGNMENTS)}))
    if is_learned(resolved_alignment(alignment, alignments)["frames"]) and model_spec(method["model"]).closed_form:
        raise ValueError(
            f"methods.{name}.alignment: {alignment!r} is trained by gradients together with the model, but "
            f"{method['model']!r} is fitted in closed form; choose a network or another alignment"
        )
    check_values(f"methods.{name}.options", method.get("options", {}), model_spec(method["model"]).hyperparameters)
    training = method.get("training", {})
    check_values(f"methods.{name}.training", training, dataclass_fields(OPTIONS, "TrainingOptions"))
    for key, allowed in constant(OPTIONS, "CHOICES").items():
        if key in training:
            one_of(f"methods.{name}.training.{key}", training[key], list(allowed))
    for key in constant(OPTIONS, "POSITIVE"):
        if key in training and training[key] <= 0:
            raise ValueError(f"methods.{name}.training.{key}: {training[key]}; expected a number above 0")
    for key in constant(OPTIONS, "NOT_NEGATIVE"):
        if training.get(key, 0) < 0:
            raise ValueError(f"methods.{name}.training.{key}: {training[key]}; expected 0 or a number above it")


def check_task(name: str, task: dict, sources: dict) -> None:
    """Check that a task's source exists and, where its size is known, that the splits fit into it."""
    one_of(f"tasks.{name}.source", task["source"], list(sources))
    frames, split = sources[task["source"]].get("frames"), task["split"]
    if frames is None or split.get("by", "time") == "episode":
        return
    try:
        split_counts([split[part] for part in ("train", "validation", "test")], frames - task["lag"], "samples")
    except ValueError as error:
        raise ValueError(f"tasks.{name}.{error}; reduce the sizes or take a longer source") from error


def check_sizes(config: dict) -> None:
    """Check that the training sizes of the study fit into the training splits whose size is a number."""
    for task in config["study"]["tasks"]:
        split = config["tasks"][task]["split"]
        for size in config["study"]["train_sizes"]:
            if size != "all" and split.get("by", "time") == "time" and split["train"] >= 1 and size > split["train"]:
                raise ValueError(f"study.train_sizes: {size} samples, but tasks.{task}.split.train is {split['train']}")

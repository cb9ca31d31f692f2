"""A configuration against its schema: names, types and ranges of all keys, each error in one
sentence."""

import math
import re
from collections.abc import Iterator

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from equitraj.base.allowed import nearest
from equitraj.base.registry import LIBRARY

SCHEMA = LIBRARY.parents[1] / "schemas" / "config.schema.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built
CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]"
)  # HTML, SVG and HDF5 have no place for them
SHOWN = 100  # characters of a wrong value in a message
WORDS = {
    "type": "{}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "a number above {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "uniqueItems": "each only once",
    "minLength": "some text",
    "maxLength": "at most {} characters",
}


def check(config: dict) -> None:
    """Check keys, types and ranges against schemas/config.schema.yaml.

    Raises:
        ValueError: the first thing found wrong: its key, its value, what is allowed and the nearest
        match.
    """
    check_tree("", config, (), set())
    schema = yaml.load(SCHEMA.read_text(encoding="utf-8"), LOADER)
    error = best_match(Validator(schema).iter_errors(config))
    if error is not None:
        raise ValueError(explain(error))


def check_tree(key: str, value: object, above: tuple[int, ...], done: set[int]) -> None:
    """Check that a value contains no part that contains itself, no key that is not text, no
    infinite number, and no text that files have no place for.

    `above` are the ids of what contains it, `done` those of what was checked (an anchor may stand
    in many places).
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key}: {value!r}; expected a finite number")
    if isinstance(value, str) and CONTROL.search(value):
        raise ValueError(f"{key}: {value!r}; expected text without control characters")
    if not isinstance(value, dict | list):
        return
    if id(value) in above:
        raise ValueError(
            f"{key}: contains itself, as an anchor (&name) does that holds its own alias (*name)"
        )
    if id(value) in done:
        return
    for name, part in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict) and not isinstance(name, str):
            raise ValueError(
                f"{key or 'the configuration'}: the key {name!r} is not text; write it in quotes"
            )
        check_tree(f"{key}.{name}" if key else str(name), part, (*above, id(value)), done)
    done.add(id(value))


def check_text(path: str) -> None:
    """Check the text of a YAML (or JSON) file, which Snakemake reads without a word where a key
    stands twice.

    Raises:
        ValueError: no such file, no YAML, or a key that stands twice: the file and the line.
    """
    try:
        with open(path, encoding="utf-8") as file:
            node = yaml.compose(file, LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ValueError(
            f"{path}, line {mark.line + 1}, column {mark.column + 1}: {error.problem}; expected "
            "YAML, "
            "indented by spaces"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"{path}: {error}; expected a file of YAML") from error
    _check_node(path, node, (), set())


def _check_node(path: str, node: yaml.Node | None, above: tuple[int, ...], done: set[int]) -> None:
    if id(node) in done or not isinstance(node, yaml.CollectionNode):
        return
    line = node.start_mark.line + 1
    if id(node) in above:
        raise ValueError(f"{path}, line {line}: an anchor (&name) contains its own alias (*name)")
    parts = node.value
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key.value, str):
                continue
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                raise ValueError(f"{path}, line {line}: the key {key.value!r} stands here twice")
            seen.add(key.value)
        parts = [value for _, value in node.value]
    for part in parts:
        _check_node(path, part, (*above, id(node)), done)
    done.add(id(node))


def _whole_pattern(
    validator, pattern: str, instance: object, schema: dict
) -> Iterator[ValidationError]:
    """Match the whole text; in Python `$` alone would also match before a last line break."""
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern}")


Validator = validators.extend(
    Draft202012Validator,
    {"pattern": _whole_pattern},
    # in JSON Schema 3.0 is an integer; in the name of a folder or as an index it is not
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    ),
)


def explain(error: ValidationError) -> str:
    """Explain a schema error in one sentence: where it is, the value, and what is allowed."""
    where = ".".join(map(str, error.absolute_path)) or "the configuration"
    value, schema = error.instance, error.schema
    if error.validator == "additionalProperties":
        allowed = list(schema.get("properties", {}))
        unknown = next(key for key in value if key not in allowed)
        return f"{where}: unknown key {unknown!r}; {nearest(unknown, allowed)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in value)
        meaning = schema["properties"][missing].get("description", "")
        return f"{where}: the key {missing!r} is missing; {meaning}"
    if error.validator == "enum":
        return f"{where}: unknown value {value!r}; {nearest(value, error.validator_value)}"
    meaning = schema.get("description", "see docs/configuration.md")
    if error.validator == "pattern" and "propertyNames" in error.schema_path:
        return f"{where}: the name {value!r} is not allowed; expected {meaning}"
    shown = repr(value)
    if len(shown) > SHOWN:
        shown = f"{shown[:SHOWN]}..."
    bound = error.validator_value
    if error.validator == "type" and isinstance(bound, list):
        bound = " or ".join(bound)
    wanted = WORDS.get(error.validator, "").format(bound)
    expected = f"expected {wanted}".strip()
    return f"{where}: {shown}; {expected}: {meaning}"

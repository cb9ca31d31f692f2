"""Print docs/configuration.md: every key of the configuration, from its schema and the options' docstrings."""

import ast
from collections.abc import Iterator

import yaml

from equitraj.config import SCHEMA
from equitraj.registry import LIBRARY, dataclass_fields, model_spec, names

HEAD = """# Configuration

`config.yaml` holds everything that exists. A study file, given with `--configfile`, is merged over it: mappings are
merged, lists are replaced. Every key is checked when the workflow is parsed. This page is printed by
`python workflow/scripts/document.py`.
"""


def rows(schema: dict, path: str = "") -> Iterator[str]:
    """A table row for each key below a schema."""
    for key, value in schema.get("properties", {}).items():
        name = f"{path}{key}"
        choices = value.get("enum")
        allowed = " or ".join(f"`{c}`" for c in choices) if choices else type_name(value)
        yield f"| `{name}` | {allowed} | {value.get('description', '')} |"
        yield from rows(value, f"{name}.")
        if isinstance(extra := value.get("additionalProperties"), dict):
            yield from rows(extra, f"{name}.NAME.")


def type_name(value: dict) -> str:
    """The type of a key in words."""
    kind = value.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else kind


def docstring(path, name: str) -> str:
    """The docstring of a class in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    node = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return " ".join((ast.get_docstring(node) or "").split()).replace("Attributes: ", "")


def main() -> None:
    print(HEAD)
    print("| key | type | meaning |\n|---|---|---|")
    print("\n".join(rows(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))))
    path = LIBRARY / "training" / "options.py"
    print(f"\n## Training options\n\n{docstring(path, 'TrainingOptions')}\n\n| option | default |\n|---|---|")
    print("\n".join(f"| `{k}` | `{v}` |" for k, v in dataclass_fields(path, "TrainingOptions").items()))
    print("\n## Models\n\n| model | framework | options and defaults | meaning |\n|---|---|---|---|")
    for name in names("models"):
        spec = model_spec(name)
        options = ", ".join(f"`{k}: {v}`" for k, v in spec.hyperparameters.items())
        meaning = docstring(LIBRARY / "models" / f"{name}.py", "Hyperparameters")
        print(f"| `{name}` | {spec.framework} | {options} | {meaning} |")
    print("\n## Alignments\n\n" + ", ".join(f"`{name}`" for name in names("alignments")))


if __name__ == "__main__":
    main()

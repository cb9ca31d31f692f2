"""Print a page of docs/ from the code: `configuration` (the default), `api` or `glossary`.

python workflow/scripts/document.py configuration > docs/configuration.md
"""

import argparse
import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from equitraj.base.allowed import Option
from equitraj.base.registry import (
    ALIGNMENTS,
    LIBRARY,
    alignment_options,
    dataclass_fields,
    model_spec,
    names,
)
from equitraj.frames import load_alignment
from equitraj.study.schema import SCHEMA

HEAD = """# Configuration

`config.yaml` defines all sources, tasks and methods. A study file, given with `--configfile`, is
merged over it: mappings are merged, lists are replaced. Every key is checked when the workflow is
parsed. `python workflow/scripts/document.py configuration` prints this page.
"""


def rows(schema: dict, path: str = "") -> Iterator[str]:
    """A table row for each key below a schema."""
    for key, value in schema.get("properties", {}).items():
        name = f"{path}{key}"
        choices = value.get("enum")
        allowed = " or ".join(f"`{c}`" for c in choices) if choices else type_name(value)
        yield f"| `{name}` | {allowed} | {value.get('description', '')} |"
        yield from rows(value, f"{name}.")
        extra = value.get("additionalProperties")
        if isinstance(extra, dict):
            yield from rows(extra, f"{name}.NAME.")


def type_name(value: dict) -> str:
    """The type of a key in words, with its range."""
    kind = value.get("type", "")
    if isinstance(kind, list):
        kind = " or ".join(kind)
    return kind + bounds(value)


def bounds(value: dict) -> str:
    """What else a key of the schema asks for, in words."""
    low, high = value.get("minimum"), value.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    words = {"at least": low, "above": value.get("exclusiveMinimum")}
    stated = [f", {word} {bound}" for word, bound in words.items() if bound is not None]
    return "".join(stated)


def literal(value: object) -> str:
    """A default as it stands in YAML."""
    if isinstance(value, tuple):
        value = list(value)
    return str(value)


def listed(options: dict[str, Option]) -> str:
    """Options with their defaults and what is allowed, for one cell of a table."""
    cells = []
    for name, option in options.items():
        allowed = f" ({option.allowed})" if option.allowed else ""
        cells.append(f"`{name}: {literal(option.default)}`{allowed}")
    return ", ".join(cells)


def docstring(path: Path, name: str) -> str:
    """Return the docstring of a class in a file, in one line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    text = ast.get_docstring(classes[name]) or ""
    return " ".join(text.split()).replace("Attributes: ", "")


def alignment_row(name: str) -> str:
    """A table row for an alignment, with its default options."""
    aligner = load_alignment(name)
    module = sys.modules[type(aligner).__module__]
    text = (module.__doc__ or "").split("\n\n")[0]
    summary = " ".join(text.split())
    options = listed(alignment_options(name))
    levels = f"{aligner.rotation} | {aligner.reflection} | {aligner.translation}"
    permutation = "kept" if aligner.permutation else "no"
    return f"| `{name}` | {options} | {levels} | {permutation} | {summary} |"


API = """# The package

`pip install .` in a clone installs the package `equitraj`, which works on plain arrays and needs no
study. The extras `jax` and `torch` install what networks of these frameworks need, `report` what
tables and figures need, and `formats` what files of simulations and trackers need. A package is
imported only when it is used. The workflow itself does not need the package to be installed. The
tests run the examples on this page. `python workflow/scripts/document.py api` prints it.
"""


def entry(name: str, value: Callable) -> str:
    """Return a function's signature and docstring, with the example set apart."""
    docs = inspect.getdoc(value) or ""
    text, _, example = docs.partition("\n>>> ")
    code = f"\n```pycon\n>>> {example}\n```\n" if example else ""
    return f"## {name}\n\n```python\n{name}{inspect.signature(value)}\n```\n\n{text}\n{code}"


def api() -> None:
    """Print docs/api.md."""
    import equitraj
    from equitraj.api.run import Run

    print(API)
    entries = {f"equitraj.{name}": getattr(equitraj, name) for name in ("read", "align", "load")}
    entries |= {f"Run.{name}": getattr(Run, name) for name in ("predict", "rollout")}
    entries["equitraj.audit"] = equitraj.audit
    print("\n".join(entry(name, value) for name, value in entries.items()).rstrip())


def configuration() -> None:
    """Print docs/configuration.md."""
    print(HEAD)
    print("| key | type | meaning |\n|---|---|---|")
    print("\n".join(rows(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))))
    path = LIBRARY / "training" / "options.py"
    print(f"\n## Training options\n\n{docstring(path, 'TrainingOptions')}\n")
    print("| option | default | allowed |\n|---|---|---|")
    for key, option in dataclass_fields(path, "TrainingOptions").items():
        print(f"| `{key}` | `{option.default}` | {option.allowed} |")
    print(
        "\n## Models\n\n| model | framework | options and defaults | meaning |\n|---|---|---|---|"
    )
    for name in names("models"):
        spec = model_spec(name)
        meaning = docstring(LIBRARY / "models" / f"{name}.py", "Hyperparameters")
        print(f"| `{name}` | {spec.framework} | {listed(spec.hyperparameters)} | {meaning} |")
    print(
        "\n## Alignments\n\nWhat each adds to a model's symmetry; permutations: whether it treats "
        "all points alike.\n"
    )
    print(
        "| alignment | options and defaults | rotation | reflection | translation | permutation | "
        "what it is |"
    )
    print("|---|---|---|---|---|---|---|")
    print("\n".join(alignment_row(name) for name in names(ALIGNMENTS)))


GLOSSARY_HEAD = """# Glossary

One word for one thing, in code, documentation and report. The report explains its column heads with
the second table. `python workflow/scripts/document.py glossary` prints this page.
"""


def glossary() -> None:
    """Print docs/glossary.md."""
    from equitraj.report.glossary import GLOSSARY, TERMS

    print(GLOSSARY_HEAD)
    for title, meanings in (("word", TERMS), ("column", GLOSSARY)):
        print(f"| {title} | meaning |\n|---|---|")
        for word, text in meanings.items():
            print(f"| {word} | {text} |")
        if meanings is TERMS:
            print()


PAGES = {"configuration": configuration, "api": api, "glossary": glossary}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", nargs="?", choices=list(PAGES), default="configuration")
    page = parser.parse_args().page
    PAGES[page]()


if __name__ == "__main__":
    main()

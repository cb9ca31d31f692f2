"""Documentation that is printed by a command is what the command prints now; links lead somewhere;
examples fit."""

import re

import pytest
import yaml

from called import called
from equitraj.study import schema
from study import REPOSITORY, merged


@pytest.mark.parametrize("page", ["configuration", "api", "glossary"])
def test_a_page_printed_from_the_code_is_up_to_date(page):
    printed = called("document.py", page).stdout
    assert printed == (REPOSITORY / f"docs/{page}.md").read_text(), (
        f"python workflow/scripts/document.py {page} > docs/{page}.md"
    )


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        *(f"docs/{p.name}" for p in (REPOSITORY / "docs").glob("*.md")),
    ],
)
def test_links_and_pictures_exist(page):
    path = REPOSITORY / page
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text())
    missing = [t for t in targets if not (path.parent / t).exists()]
    assert not missing


PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
]


def blocks(kind: str) -> list:
    """The fenced blocks of a kind in README and docs, as test parameters."""
    fences = [
        (path, *fence)
        for path in PAGES
        for fence in re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.M | re.S)
    ]
    found = [(path, code) for path, found_kind, code in fences if found_kind == kind]
    return [pytest.param(code, id=f"{path.stem}-{i}") for i, (path, code) in enumerate(found)]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_an_entry_shown_has_only_keys_and_values_of_the_configuration(text):
    checksums = re.compile(r"sha256: \[?\.\.\.[., ]*")  # left out
    text = checksums.sub(lambda match: match[0].replace("...", f"'{64 * '0'}'"), text)
    shown, config = yaml.safe_load(text), yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    assert set(shown) <= set(config)
    schema.check(merged(config, shown))


@pytest.mark.parametrize("text", blocks(""))
def test_a_command_shown_has_the_options_that_it_names(text):
    for line in text.replace("\\\n", " ").splitlines():
        if match := re.match(
            r"python (?:workflow/scripts|tests/slurm)/(\w+)\.py (.*?)(?:#|>|$)", line
        ):
            folder = "tests/slurm" if "tests/slurm" in line else "workflow/scripts"
            source = (REPOSITORY / folder / f"{match[1]}.py").read_text()
            if "add_argument" in source:
                missing = [o for o in re.findall(r"--[a-z-]+", match[2]) if f'"{o}"' not in source]
                assert not missing, line

"""Documentation that is printed by a command is what the command prints now; links lead somewhere."""

import re
import subprocess
import sys

import pytest

from study import REPOSITORY


def test_the_configuration_page_is_up_to_date():
    command = [sys.executable, str(REPOSITORY / "workflow/scripts/document.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == (REPOSITORY / "docs/configuration.md").read_text(), (
        "python workflow/scripts/document.py > docs/configuration.md"
    )


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in (REPOSITORY / "docs").glob("*.md"))])
def test_links_and_pictures_exist(page):
    path = REPOSITORY / page
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text())
    missing = [t for t in targets if not (path.parent / t).exists()]
    assert not missing

"""Documentation that is printed by a command is what the command prints now; links lead somewhere."""

import re
import subprocess
import sys

import pytest

from study import REPOSITORY


@pytest.mark.parametrize("page", ["configuration", "api"])
def test_a_page_printed_from_the_code_is_up_to_date(page):
    command = [sys.executable, str(REPOSITORY / "workflow/scripts/document.py"), page]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == (REPOSITORY / f"docs/{page}.md").read_text(), (
        f"python workflow/scripts/document.py {page} > docs/{page}.md"
    )


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in (REPOSITORY / "docs").glob("*.md"))])
def test_links_and_pictures_exist(page):
    path = REPOSITORY / page
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text())
    missing = [t for t in targets if not (path.parent / t).exists()]
    assert not missing

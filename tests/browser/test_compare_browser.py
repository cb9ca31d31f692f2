"""The page of two studies in a real browser: it loads nothing, sorts, and fits the window."""

import json
import sys
from pathlib import Path

import browsing
import pytest

from called import called
from study import REPOSITORY

DRAWN = {"accuracy": ("summary", "audit", "floor"), "audit_matrix": ("summary", "audit")}
TASKS = {"chain_k1": 1, "chain_k3": 3}

pytestmark = browsing.needs_chromium


def written(folder: Path, seeds: int, figures: tuple[str, ...]) -> Path:
    """A finished study of invented tables, its figures drawn by the workflow's own command."""
    sys.path[:0] = [str(REPOSITORY / "tests/unit")]
    import synthetic_tables

    tables = folder / "tables"
    synthetic_tables.write(tables, TASKS, seeds)
    (folder / "config.json").write_text(json.dumps(synthetic_tables.resolved_config(TASKS)))
    for name in figures:
        pairs = [f"{key}={tables / key}.csv" for key in DRAWN[name]]
        called(
            "figure.py", name, "--input", *pairs, "--folder", folder / "figures"
        ).check_returncode()
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    a = written(folder / "a", 3, ("accuracy", "audit_matrix"))
    b = written(folder / "b", 4, ("accuracy",))
    called("compare.py", a, b, "--output", folder / "compare.html").check_returncode()
    return folder / "compare.html"


@pytest.fixture(scope="module")
def browser():
    with browsing.chromium(("--disable-gpu",)) as (browser,):
        yield browser


@pytest.fixture(scope="module", params=[(1280, "light"), (390, "dark")])
def page(request, browser, report):
    width, scheme = request.param
    page = browsing.opened(
        browser, report.as_uri(), viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    yield page
    page.close()


def test_it_loads_nothing_and_fits_the_window(page, report):
    page.locator("details").evaluate_all("parts => parts.forEach(part => { part.open = true; })")
    browsing.drawn(page)
    assert page.problems == [] and page.requests == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_no_two_elements_share_an_id_and_both_draw_a_figure(page):
    ids = page.locator("[id]").evaluate_all("parts => parts.map(part => part.id)")
    assert len(ids) == len(set(ids))
    for name in ("a_accuracy", "b_accuracy", "a_audit_matrix"):
        assert page.locator(f"#figure-{name} svg path").count() > 10
    assert "Not in B" in page.locator("#figures").inner_text()


def test_differences_come_first_and_sort(page):
    targets = page.locator("nav li a").evaluate_all(
        "links => links.map(link => link.hash.slice(1))"
    )
    assert targets == page.locator("main section").evaluate_all(
        "parts => parts.map(part => part.id)"
    )
    assert targets[0] == "differences"
    heads = page.locator("#table-ratios thead th")
    number = heads.all_inner_texts().index("B over A")
    heads.nth(number).locator("button").click()
    cells = page.locator(f"#table-ratios tbody tr td:nth-child({number + 1})")
    keys = cells.evaluate_all("cells => cells.map(cell => Number(cell.dataset.sort))")
    assert len(keys) > 10 and keys == sorted(keys)


def test_a_method_that_is_hidden_is_hidden_in_both(page):
    page.evaluate("state.hidden.add('egnn'); settle();")
    assert page.locator("tr[data-method=egnn]:visible").count() == 0
    assert page.locator("tr[data-method=e3nn]:visible").count() >= 3
    page.evaluate("state.hidden.delete('egnn'); settle();")

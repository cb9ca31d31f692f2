"""The page of two studies in a real browser: it loads nothing, sorts, and fits the window."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DRAWN = {"accuracy": ("summary", "audit", "floor"), "audit_matrix": ("summary", "audit")}
TASKS = {"chain_k1": 1, "chain_k3": 3}

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")


def written(folder: Path, seeds: int, figures: tuple[str, ...]) -> Path:
    """A finished study of invented tables, its figures drawn by the workflow's own command."""
    sys.path[:0] = [str(ROOT / "tests" / "unit")]
    import synthetic_tables

    tables = folder / "tables"
    synthetic_tables.write(tables, TASKS, seeds)
    (folder / "config.json").write_text(json.dumps(synthetic_tables.resolved_config(TASKS)))
    for name in figures:
        pairs = [f"{key}={tables / key}.csv" for key in DRAWN[name]]
        words = [SCRIPTS / "figure.py", name, "--input", *pairs, "--output", folder / "figures" / f"{name}.svg"]
        subprocess.run([sys.executable, *map(str, words)], check=True)
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    a = written(folder / "a", 3, ("accuracy", "audit_matrix"))
    b = written(folder / "b", 4, ("accuracy",))
    call = [sys.executable, SCRIPTS / "compare.py", a, b, "--output", folder / "compare.html"]
    subprocess.run([str(word) for word in call], check=True)
    return folder / "compare.html"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, "light"), (390, "dark")])
def page(request, browser, report):
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.requests, page.problems = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(report.as_uri())
    yield page
    page.close()


def test_it_loads_nothing_and_fits_the_window(page, report):
    page.locator("details").evaluate_all("parts => parts.forEach(part => { part.open = true; })")
    page.wait_for_timeout(200)
    assert page.problems == [] and page.requests == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_no_two_elements_share_an_id_and_both_draw_a_figure(page):
    ids = page.locator("[id]").evaluate_all("parts => parts.map(part => part.id)")
    assert len(ids) == len(set(ids))
    for name in ("a_accuracy", "b_accuracy", "a_audit_matrix"):
        assert page.locator(f"#figure-{name} svg path").count() > 10
    assert "Not in B" in page.locator("#figures").inner_text()


def test_differences_come_first_and_sort(page):
    targets = page.locator("nav li a").evaluate_all("links => links.map(link => link.hash.slice(1))")
    assert targets == page.locator("main section").evaluate_all("parts => parts.map(part => part.id)")
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

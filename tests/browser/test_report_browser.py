"""The report in a real browser, from a file, with no network: it loads nothing, sorts, searches and fits the window."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")

    def run(*words: object) -> None:
        subprocess.run([sys.executable, *map(str, words)], check=True)

    run(ROOT / "tests" / "unit" / "synthetic_tables.py", folder)
    tables = [f"--input={key}={folder / key}.csv" for key in ("summary", "audit")]
    run(SCRIPTS / "figure.py", "accuracy", *tables, "--output", folder / "figures" / "accuracy.svg")
    pictures = [Image.new("P", (200, 120), shade) for shade in (0, 200)]
    pictures[0].save(folder / "film.gif", save_all=True, append_images=pictures[1:], loop=0)
    places = [
        "--film",
        folder / "film.gif",
        "--tables",
        folder,
        "--figures",
        folder / "figures",
        "--config",
        folder / "config.json",
    ]
    run(
        SCRIPTS / "report.py",
        "--study",
        '{"title": "Trial", "question": "Which <one>?"}',
        *places,
        "--output",
        folder / "report.html",
    )
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, report):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.requests, page.problems = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("requestfailed", lambda request: page.problems.append(f"failed: {request.url}"))
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(report.as_uri())
    yield page
    page.close()


def test_it_opens_without_errors_or_requests(page, report):
    page.wait_for_load_state("networkidle")
    assert page.problems == []
    assert [url for url in page.requests if not url.startswith("data:")] == [report.as_uri()]
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 100)")
    assert page.locator("img").count() == 2  # a figure and the film
    assert page.locator("#alignment img").get_attribute("src").startswith("data:image/gif")


def test_a_broken_claim_stands_out_in_the_main_table(page):
    marks = page.locator("#table-main small.alert")
    assert marks.count() == 2 and "claim broken" in marks.first.inner_text()  # one method on two tasks
    plain = page.locator("#table-main small:not(.alert)").first
    colour = "element => getComputedStyle(element).color"
    assert marks.first.evaluate(colour) != plain.evaluate(colour)


def column(page, number: int) -> list[float]:
    cells = page.locator(f"#table-main tbody tr td:nth-child({number})")
    return [float(text) for text in cells.evaluate_all("cells => cells.map(cell => cell.dataset.sort)")]


def test_a_click_on_a_head_sorts_and_a_second_one_reverses(page):
    before = column(page, 3)
    head = page.locator("#table-main thead th:nth-child(3)")
    head.locator("button").click()
    assert before != sorted(before)  # by task first, so that the click has something to do
    assert column(page, 3) == sorted(before) and head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert column(page, 3) == sorted(before, reverse=True) and head.get_attribute("aria-sort") == "descending"


def test_search_leaves_the_rows_that_match(page):
    page.locator("input[data-table=table-main]").fill("chain_k3 egnn")
    visible = page.locator("#table-main tbody tr:visible")
    assert visible.count() == 1 and "egnn" in visible.first.inner_text()


@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_is_no_wider_than_the_window(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("details").evaluate_all("parts => parts.forEach(part => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_contents_lead_to_every_section(page):
    targets = page.locator("nav a").evaluate_all("links => links.map(link => link.hash.slice(1))")
    sections = page.locator("main section").evaluate_all("parts => parts.map(part => part.id)")
    assert targets == sections

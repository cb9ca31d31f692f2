"""The report in a real browser, from a file, with no network: first screen, tables, figures, tools,
contrast, print."""

import csv
import io
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import browsing
import pytest
from PIL import Image

from called import called
from equitraj.report.glossary import GLOSSARY
from study import REPOSITORY

SOURCES = "source,frames,points,length_unit,time_unit,engine\nchain,2048,12,nm,ps,OpenMM 8.6.0\n"
DRAWN = {
    "data_efficiency": ("metrics", "summary", "audit", "data_factors", "splits", "floor"),
    "accuracy": ("summary", "audit", "floor"),
    "audit_matrix": ("summary", "audit"),
    "rollout": ("summary", "audit", "rollout"),
    "learning_curves": ("summary", "audit", "history"),
}

pytestmark = browsing.needs_chromium


def written(folder: Path, many: bool) -> Path:
    """A report of invented tables, its figures drawn by the workflow's own command."""
    sys.path[:0] = [str(REPOSITORY / "tests/unit")]
    import synthetic_tables

    tasks = {"chain_k1": 1, "chain_k3": 3}
    methods = synthetic_tables.METHODS
    if many:  # 40
        more = {
            f"egnn_of_width_{2**i}": synthetic_tables.METHODS["egnn"]
            for i in range(40 - len(synthetic_tables.MANY))
        }
        methods = synthetic_tables.MANY | more
    synthetic_tables.write(
        folder, tasks, seeds=3, methods=methods, train_sizes=("100", "400", "all")
    )
    study = {"title": "Trial", "question": "Which <one>?"}
    (folder / "config.json").write_text(
        json.dumps(synthetic_tables.resolved_config(tasks) | {"study": study})
    )
    (folder / "sources.csv").write_text(SOURCES)
    for name, keys in list(DRAWN.items())[: 2 if many else None]:
        pairs = [f"{key}={folder / key}.csv" for key in (*keys, "sources")]
        called(
            "figure.py", name, "--input", *pairs, "--folder", folder / "figures"
        ).check_returncode()
    pictures = [Image.new("P", (200, 120), shade) for shade in (0, 200)]
    pictures[0].save(folder / "film.gif", save_all=True, append_images=pictures[1:], loop=0)
    places = {"tables": folder, "figures": folder / "figures", "config": folder / "config.json"}
    places |= {"film": folder / "film.gif", "output": folder / "report.html"}
    words = [word for key, place in places.items() for word in (f"--{key}", place)]
    called("report.py", *words).check_returncode()
    return folder / "report.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("browser"), many=False)


@pytest.fixture(scope="module")
def browser():
    with browsing.chromium(("--disable-gpu",)) as (browser,):
        yield browser


def opened(browser, report: Path, width: int = 1280, scheme: str = "light", hash: str = ""):
    window = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    return browsing.opened(browser, report.as_uri() + hash, **window)


# whether all that a test can change of a page is as when this was first asked; what it forgets is
# nothing to be seen
UNCHANGED = """() => {
  const tip = document.getElementById("tip");
  if (tip.hidden) { tip.textContent = ""; tip.removeAttribute("style"); }
  for (const link of document.querySelectorAll('nav a[class=""]')) link.removeAttribute("class");
  const inputs = Array.from(document.querySelectorAll("input"), (one) => [one.value, one.checked]);
  const active = document.activeElement, place = [location.hash, scrollX, scrollY, active.tagName, active.id];
  const now = JSON.stringify([document.documentElement.outerHTML, inputs, place]);
  return now === (window.first ??= now);
}"""


@pytest.fixture(scope="module")
def pages(browser, report):
    """The page of a window: it takes a second to open, and is opened anew only where a test has
    left it changed."""
    known = {}

    def page_of(width: int, scheme: str):
        if (width, scheme) not in known:
            known[width, scheme] = opened(browser, report, width, scheme)
        page = known[width, scheme]
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        if not browsing.drawn(page).evaluate(UNCHANGED):
            page.goto("about:blank")
            page.requests.clear()
            page.goto(report.as_uri())
            assert browsing.drawn(page).evaluate(UNCHANGED)
        return page

    return page_of


@pytest.fixture
def page(pages):
    page = pages(1280, "light")
    yield page
    assert page.problems == []


def open_all(page) -> None:
    page.locator("details").evaluate_all("parts => parts.forEach(part => { part.open = true; })")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_without_errors_or_requests_and_fits_the_window(pages, report, width, scheme):
    page = pages(width, scheme)
    open_all(page)
    browsing.drawn(page)
    assert page.problems == [] and browsing.asked_for(page) == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


def test_the_answer_is_on_the_first_screen(page):
    """The number, its interval, the figure, the routes, the claims and the cautions, within 800
    pixels."""
    for part in (
        ".answer",
        "#figure-data_efficiency svg",
        "#table-first",
        "p.line >> nth=0",
        "p.line >> nth=1",
    ):
        box = page.locator(f"#answer {part}").bounding_box()
        assert box["height"] > 10 and box["y"] + box["height"] <= 800, part
    assert re.search(
        r"[\d.]+ times( the training data)? \(95 % interval [\d.]+ to [\d.]+\)",
        page.locator(".answer").inner_text(),
    )


# of everything with text of its own that is seen: the contrast of its colour with what is behind it
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const kept = (made) => {
    const known = new Map();
    return (key) => known.has(key) ? known.get(key) : known.set(key, made(key)).get(key);
  };
  const rgba = kept((colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data);
  });
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map((v) => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = kept((element) => {
    const found = rgba(getComputedStyle(element).backgroundColor);
    if (found[3] === 255) return found;
    return element.parentElement ? behind(element.parentElement) : [255, 255, 255];
  });
  // a word of the matrix stands on a cell, of which there is one at its centre
  const cell = (element) => {
    const box = element.getBoundingClientRect(), at = [box.x + box.width / 2, box.y + box.height / 2];
    const under = document.elementsFromPoint(...at).find((e) => e.closest("[id*='method.']")
      && !["text", "tspan"].includes(e.tagName) && !["none", ""].includes(getComputedStyle(e).fill));
    return under ? rgba(getComputedStyle(under).fill) : behind(element);
  };
  document.querySelector("#figure-audit_matrix")?.scrollIntoView();
  const bad = [];
  for (const element of document.querySelectorAll("main *, nav *, #tools *")) {
    const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.getClientRects().length || ["SCRIPT", "STYLE", "TITLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element), svg = ["text", "tspan"].includes(element.tagName);
    const ground = svg && element.closest("#figure-audit_matrix") ? cell(element) : behind(element);
    const [a, b] = [light(rgba(svg ? style.fill : style.color)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${element.tagName} ${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_4_5(pages, scheme):
    page = pages(1280, scheme)
    open_all(page)
    page.locator("#open-tools").click()
    assert page.evaluate(CONTRAST) == []


def test_a_broken_claim_stands_out_in_the_main_table(page):
    marks = page.locator("#table-main small.alert")
    names = {"".join(text.split("†")[:1]) for text in marks.all_inner_texts()}
    assert names == {""} and marks.count() == 6  # one method on two tasks with three training sizes
    plain = page.locator("#table-main small:not(.alert)").first
    colour = "element => getComputedStyle(element).color"
    assert marks.first.evaluate(colour) != plain.evaluate(colour)


def column(page, number: int) -> list[float]:
    cells = page.locator(f"#table-main tbody tr > :nth-child({number})")
    return [
        float(text) for text in cells.evaluate_all("cells => cells.map(cell => cell.dataset.sort)")
    ]


def test_a_table_is_sorted_by_keyboard_and_put_back(page):
    before = column(page, 3)
    head = page.locator("#table-main thead th:nth-child(3)")
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert before != sorted(before)  # by task first, so that there is something to do
    assert column(page, 3) == sorted(before) and head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert (
        column(page, 3) == sorted(before, reverse=True)
        and head.get_attribute("aria-sort") == "descending"
    )
    page.locator(".unsort[data-table=table-main]").click()
    assert column(page, 3) == before and head.get_attribute("aria-sort") is None


def test_search_leaves_the_rows_that_match_and_counts_them(page):
    page.locator("input[data-table=table-main]").fill("chain_k3 egnn")
    visible = page.locator("#table-main tbody tr:visible")
    assert visible.count() == 3 and "egnn" in visible.first.inner_text()
    assert re.match(r"3 of \d+ rows", page.locator(".count[data-table=table-main]").inner_text())


def test_a_head_says_what_it_means_by_pointer_and_by_keyboard(page):
    head = page.locator("#table-first thead button", has_text="data factor")
    for act in (head.hover, head.focus):
        act()
        assert page.locator("#tip").inner_text() == GLOSSARY["data factor"]
        page.locator("h1").hover()
        head.blur()
        assert page.locator("#tip").is_hidden()


def opacity(page, selector: str) -> float:
    return float(
        page.locator(selector).first.evaluate("element => getComputedStyle(element).opacity")
    )


def test_a_method_that_is_pointed_at_stands_out_everywhere(page):
    page.locator("#table-main tr[data-method=egnn]").first.hover()
    for figure in ("data_efficiency", "accuracy", "rollout"):
        assert (
            opacity(page, f"#figure-{figure} .m-egnn") == 1
            and opacity(page, f"#figure-{figure} .m-mlp") < 0.5
        )
    assert (
        opacity(page, "#table-main tr[data-method=mlp]")
        < 1
        == opacity(page, "#table-main tr[data-method=egnn]")
    )


def test_a_cell_of_the_audit_belongs_to_its_method_and_says_its_value(page, report):
    row = page.locator("#figure-audit_matrix g.m-egnn")
    assert row.count() > 12 and row.first.is_visible()
    page.locator("#figure-audit_matrix text.m-egnn").hover()
    assert (
        opacity(page, "#figure-audit_matrix g.m-egnn")
        == 1
        > opacity(page, "#figure-audit_matrix g.m-mlp")
    )
    row.nth(3).hover(force=True)
    audit = list(csv.DictReader((report.parent / "audit.csv").open()))
    shown = re.fullmatch(
        r"egnn\ntransformation: (.+)\nrelative change: (\S+)", page.locator("#tip").inner_text()
    )
    known = [
        float(r["rel_mean"])
        for r in audit
        if (r["method"], r["dtype"], r["weights"]) == ("egnn", "float64", "trained")
        and r["generator"] == shown[1].replace(" ", "_")
    ]
    assert float(shown[2]) == pytest.approx(max(known), rel=1e-3)


def test_links_and_the_address_of_a_method_keep_the_choice(browser, page, report):
    page.locator("#open-tools").click()
    page.locator("#method-list li[data-method=mlp] input[type=checkbox]").uncheck()
    page.locator("nav li a", has_text="Accuracy").click()
    assert page.evaluate("location.hash") == "#main&hide=mlp"
    assert page.locator("#figure-accuracy .m-mlp >> visible=true").count() == 0
    assert (
        page.locator("#table-main-box .permalink").get_attribute("href")
        == "#table-main-box&hide=mlp"
    )
    page.locator("#table-main tr[data-method=egnn] code[role=button]").first.click()
    assert page.evaluate("location.hash") == "#main&hide=mlp&method=egnn"
    other = opened(browser, report, hash=page.evaluate("location.hash"))
    assert (
        other.locator("dialog#method").is_visible()
        and not other.locator("tr[data-method=mlp]:visible").count()
    )
    other.close()
    page.keyboard.press("Escape")
    assert page.evaluate("location.hash") == "#main&hide=mlp"


def test_the_toolbox_is_worked_by_keyboard_alone(page):
    page.locator("#open-tools").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "find-method"
    page.keyboard.type("mlp")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # hides all that are found
    assert (
        page.locator("tr[data-method=mlp_rotated]:visible").count()
        == 0
        < page.locator("tr[data-method=egnn]").count()
    )
    assert all("mlp" in name for name in page.evaluate("[...state.hidden]"))
    pin = page.locator("#method-list li:visible button", has_text="pin").first
    pin.focus()
    page.keyboard.press("Space")
    assert pin.get_attribute("aria-pressed") == "true"
    assert pin.evaluate(
        "button => button === document.activeElement"
    )  # it goes on from where it was
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "open-tools"


def test_a_mark_says_its_value(page, report):
    mark = page.locator("#figure-data_efficiency use.m-egnn").last
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    text = page.locator("#tip").inner_text()
    summary = list(csv.DictReader((report.parent / "summary.csv").open()))
    known = [
        float(r["mse_mean"]) for r in summary if r["method"] == "egnn" and r["train_size"] == "all"
    ]
    assert text.startswith("egnn") and "training samples: 1500" in text
    values = re.findall(r"test MSE in nm²: (\S+)", text)
    assert any(f"{float(v):.3g}" in {f"{k:.3g}" for k in known} for v in values)


def test_hiding_pinning_and_recolouring_reach_figures_and_tables_and_the_address(
    browser, page, report
):
    page.locator("#open-tools").click()
    page.locator("#find-method").fill("egnn")
    assert page.locator("#method-list li:visible").count() == 1
    page.locator("#method-list li[data-method=egnn] input[type=checkbox]").uncheck()
    page.locator("#task-list input").first.uncheck()
    page.locator("#method-list li[data-method=egnn] input[type=color]").fill("#ff0000")
    page.locator("#find-method").fill("")
    page.locator("#method-list li[data-method=mlp] button", has_text="pin").click()
    address = page.evaluate("location.hash")
    other = opened(browser, report, hash=address)
    for one in (page, other):
        assert one.locator("#figure-accuracy .m-egnn >> visible=true").count() == 0
        assert one.locator("tr[data-method=egnn]:visible").count() == 0
        assert one.locator("tr[data-task=chain_k1]:visible").count() == 0
        assert (
            one.evaluate(
                "getComputedStyle(document.documentElement).getPropertyValue('--m-egnn').trim()"
            )
            == "#ff0000"
        )
        assert (
            opacity(one, "#figure-accuracy .m-mlp") == 1 > opacity(one, "#figure-accuracy .m-e3nn")
        )
    other.close()
    page.keyboard.press("Escape")
    assert page.locator("#tools").is_hidden()
    page.locator("#open-tools").click()
    page.locator("#reset").click()
    assert page.locator("tr[data-method=egnn]:visible").count() and page.evaluate(
        "location.hash"
    ) in ("", "#")


def saved(page, button) -> str:
    with page.expect_download() as download:
        button.click()
    return Path(download.value.path()).read_bytes()


def test_figures_are_saved_as_svg_png_and_data(page, report):
    figure = page.locator("#figure-accuracy")
    drawing = saved(page, figure.locator("[data-save=svg]")).decode()
    assert "var(" not in drawing and ElementTree.fromstring(drawing.split("?>", 1)[1]).tag.endswith(
        "svg"
    )
    page.evaluate("toggle(state.hidden, 'egnn', true)")
    assert (
        "m-egnn" in drawing
        and "m-egnn" not in saved(page, figure.locator("[data-save=svg]")).decode()
    )
    page.evaluate("toggle(state.hidden, 'egnn', false)")
    assert saved(page, figure.locator("[data-save=png]"))[:8] == b"\x89PNG\r\n\x1a\n"
    rows = list(
        csv.DictReader(io.StringIO(saved(page, figure.locator("[data-save=data]")).decode()))
    )
    summary = list(csv.DictReader((report.parent / "summary.csv").open()))
    known = {
        r["task"]: float(r["mse_mean"])
        for r in summary
        if r["method"] == "e3nn" and r["train_size"] == "all"
    }
    for task, value in known.items():
        assert any(
            float(r["x"]) == pytest.approx(value, rel=1e-4) for r in rows if r["panel"] == task
        )


def test_tables_are_saved_as_csv_markdown_and_latex(page):
    box = page.locator("#table-first-box")
    rows = list(csv.reader(io.StringIO(saved(page, box.locator("[data-save=csv]")).decode())))
    shown = page.locator("#table-first tbody tr").count()
    assert len(rows) == 1 + shown and rows[0][0] == "route" and len({len(row) for row in rows}) == 1
    lines = saved(page, box.locator("[data-save=md]")).decode().splitlines()
    assert len(lines) == 2 + shown and set(lines[1]) == set("| -")
    text = saved(page, box.locator("[data-save=tex]")).decode()
    assert (
        text.count("\\\\\n") == 1 + shown
        and "mlp\\_" in text
        and text.startswith("\\begin{tabular}")
    )


def test_a_method_has_a_page_of_its_own(browser, page, report):
    name = page.locator("#table-main tr[data-method=egnn] code[role=button]").first
    name.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog#method")
    assert (
        dialog.is_visible() and dialog.locator("polyline").count() == 6
    )  # three seeds on two tasks
    assert (
        dialog.locator("table").first.locator("tbody tr").count() == 18
    )  # with three training sizes
    samples = dialog.locator("table", has_text="predicts worst").locator("tbody tr")
    assert (
        samples.count() == 10 and samples.first.locator("td").nth(2).inner_text() == "3"
    )  # five of each task
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    other = opened(browser, report, hash="#method=egnn")
    assert other.locator("dialog#method h2").inner_text() == "egnn"
    other.close()


def test_a_link_opens_what_it_names(browser, report):
    page = opened(browser, report, hash="#figure-learning_curves")
    figure = page.locator("#figure-learning_curves svg")
    assert figure.is_visible() and 0 <= figure.bounding_box()["y"] < 800
    page.close()


def test_the_skip_link_comes_first_and_the_contents_lead_to_every_section(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    targets = page.locator("nav li a").evaluate_all(
        "links => links.map(link => link.hash.slice(1))"
    )
    sections = page.locator("main section").evaluate_all("parts => parts.map(part => part.id)")
    assert targets == sections


def test_rows_and_tables_are_named_for_who_cannot_see_them(page):
    tables = page.locator("main table")
    assert tables.count() == page.locator("main table > caption").count()
    rows = page.locator("main tbody tr").count()
    assert rows == page.locator("main tbody th[scope=row]").count()
    assert page.locator("input.search").evaluate_all(
        "all => all.every(one => one.labels.length === 1)"
    )


def test_printed_it_has_at_most_15_pages(page, tmp_path):
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    found = re.findall(rb"/Type\s*/Page\b", (tmp_path / "report.pdf").read_bytes())
    assert 1 <= len(found) <= 15


def test_a_study_of_many_methods_can_still_be_read(browser, tmp_path_factory):
    report = written(tmp_path_factory.mktemp("many"), many=True)
    assert report.stat().st_size < 15_000_000
    page = opened(browser, report)
    assert page.problems == [] and page.evaluate("document.documentElement.scrollWidth") <= 1280
    labels = page.locator("#figure-accuracy svg text.m").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => [box.right, box.top, "
        "box.bottom])"
    )
    assert len(labels) >= 40
    cautions = page.locator("#answer p.line").last.bounding_box()
    assert cautions["y"] + cautions["height"] <= 800
    for right in {
        round(box[0]) for box in labels
    }:  # the labels of a panel end where its axis begins
        boxes = sorted(box[1:] for box in labels if round(box[0]) == right)
        assert all(upper[1] <= lower[0] + 3 for upper, lower in zip(boxes, boxes[1:], strict=False))
    page.close()

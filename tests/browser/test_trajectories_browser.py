"""Trajectories that one can turn, in a real browser with WebGL in software: nothing of it runs
before it is opened."""

import io
import re

import browsing
import numpy as np
import pytest
from PIL import Image

import rolled

SOLID = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-rasterization")
FLAT = ("--disable-gpu", "--disable-3d-apis")
WINDOW = {"width": 800, "height": 700}
STEP, SLOW_STEP = 90, 600  # milliseconds of a step, and where motion is to be reduced

pytestmark = browsing.needs_chromium


@pytest.fixture(scope="module")
def study(chain, tmp_path_factory):
    """The report, and its table of rollouts."""
    folder = tmp_path_factory.mktemp("trajectories")
    rows = rolled.tables(chain, folder)
    return rolled.report(folder), rows


@pytest.fixture(scope="module")
def browsers():
    with browsing.chromium(SOLID, FLAT) as started:
        yield dict(zip(("solid", "flat"), started, strict=True))


@pytest.fixture(scope="module")
def visit(browsers, study):
    """Opens the report, in a window of some kind."""

    def opened(kind: str, **window: object):
        page = browsing.opened(browsers[kind], study[0].as_uri(), **{"viewport": WINDOW} | window)
        page.locator("#fold-trajectories > summary").click()
        return page

    return opened


def opened_viewer(page):
    page.locator("#open-trajectories").click()
    page.locator("#viewer").wait_for(state="visible")
    page.wait_for_function("document.getElementById('viewer-says').textContent !== ''")
    return page


# Where there is no graphics card, opening a viewer takes a processor seconds: each is opened once.
@pytest.fixture(scope="module")
def viewers(visit):
    """By kind: before they were opened, whether there was a library and how many canvases; and
    their pages."""
    unopened = {kind: visit(kind) for kind in ("solid", "flat")}
    before = {
        kind: (page.evaluate("typeof window.$3Dmol"), page.locator("canvas").count())
        for kind, page in unopened.items()
    }
    return before, {kind: opened_viewer(page) for kind, page in unopened.items()}


@pytest.fixture
def viewer(viewers):
    """The page of a viewer of some kind, as it was when it was opened."""

    def page_of(kind: str):
        page = viewers[1][kind]
        page.set_viewport_size(WINDOW)
        page.locator("#viewer-overlay").uncheck()
        for name in ("task", "method", "start"):
            if page.locator(f"#viewer-{name}").input_value() != "0":
                page.locator(f"#viewer-{name}").select_option("0")
        move_to(page, 0)
        page.locator("#viewer-reset").click()
        return page

    return page_of


@pytest.fixture(scope="module")
def small(visit):
    """A small window at night, whose clock stands still and where motion is to be reduced."""
    window = {
        "color_scheme": "dark",
        "reduced_motion": "reduce",
        "viewport": {"width": 390, "height": 800},
    }
    return opened_viewer(visit("solid", stopped=True, **window))


def move_to(page, frame: int) -> None:
    page.locator("#viewer-step").fill(str(frame))


def seen(page, name: str) -> np.ndarray:
    """The picture of a view, (height, width, 3)."""
    picture = browsing.drawn(page).locator(f"#view-{name}").screenshot()
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), float)


def differ(one: np.ndarray, other: np.ndarray) -> int:
    """Pixels of two pictures that are not alike."""
    return int((np.abs(one - other).max(-1) > 30).sum())


def said(page) -> str:
    return page.locator("#viewer-says").inner_text()


def test_nothing_is_read_before_it_is_opened_and_nothing_is_requested_then(viewers, viewer, study):
    assert viewers[0]["solid"] == ("undefined", 0)
    page = viewer("solid")
    assert (
        page.evaluate("typeof window.$3Dmol") == "object"
        and page.locator("#viewer canvas").count() >= 2
    )
    for name in ("task", "method", "start"):
        for option in range(page.locator(f"#viewer-{name} option").count()):
            page.locator(f"#viewer-{name}").select_option(str(option))
    page.locator("#viewer-overlay").check()
    browsing.drawn(page)
    assert page.problems == [] and browsing.asked_for(page) == [study[0].as_uri()]


@pytest.mark.parametrize("kind", ["solid", "flat"])
def test_both_pictures_show_something_and_move_with_the_slider(viewer, kind):
    page = viewer(kind)
    page.locator("#viewer-method").select_option(label="persistence")
    first = {name: seen(page, name) for name in ("predicted", "true")}
    for picture in first.values():
        assert (
            500 < differ(picture, np.broadcast_to(picture[3, 3], picture.shape)) < picture.size / 6
        )
    move_to(page, rolled.STEPS)
    assert differ(first["true"], seen(page, "true")) > 100
    predicted = seen(page, "predicted")
    assert (
        differ(first["predicted"], predicted) > 100
    )  # seen from the true centre, what stays seems to move
    assert (predicted[..., 0] > predicted[..., 2] + 60).sum() > 30  # and is far off: yellow or red
    assert (first["predicted"][..., 0] <= first["predicted"][..., 2] + 60).all()


@pytest.mark.parametrize("kind", ["solid", "flat"])
def test_they_turn_together_by_drag_and_by_keys(viewer, kind):
    page = viewer(kind)
    before = {name: seen(page, name) for name in ("predicted", "true")}
    box = page.locator("#view-predicted").bounding_box()
    page.mouse.move(box["x"] + 120, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 190, box["y"] + 210, steps=5)
    page.mouse.up()
    dragged = {name: seen(page, name) for name in before}
    page.locator("#view-true").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    turned = {name: seen(page, name) for name in before}
    page.keyboard.press("+")
    zoomed = {name: seen(page, name) for name in before}
    for name in before:
        assert (
            differ(before[name], dragged[name]) > 100 and differ(dragged[name], turned[name]) > 100
        )
        assert differ(turned[name], zoomed[name]) > 100
    assert page.problems == [] or kind == "flat"
    page.locator("#viewer-reset").click()
    assert differ(before["true"], seen(page, "true")) < 60


def test_the_error_that_is_told_is_that_of_the_table(viewer, study):
    page, (_, rows) = viewer("flat"), study
    for method in rolled.METHODS:
        page.locator("#viewer-method").select_option(label=method)
        for step in (1, 5, rolled.STEPS):
            move_to(page, step)
            told = rf"step {step} of {rolled.STEPS} \(.* ps\): RMSE (\S+) nm; mean over all starts (\S+) nm"
            found = re.search(told, said(page))
            mse = rows[(rows["method"] == method) & (rows["step"] == step)]["mse"].item()
            assert float(found[2]) == pytest.approx(mse**0.5, rel=6e-3), said(page)
            errors = [float(found[1])]
            page.locator("#viewer-start").select_option("1")
            errors.append(float(re.search(r"RMSE (\S+) nm", said(page))[1]))
            page.locator("#viewer-start").select_option("0")
            assert np.mean(np.square(errors)) == pytest.approx(mse, rel=2e-2)


def test_it_can_be_used_by_keys_alone_and_plays_only_when_asked(visit):
    page = visit("flat", stopped=True)
    page.locator("#open-trajectories").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'viewer-task'")
    assert page.locator("#viewer-play").inner_text() == "Play" and said(page).startswith(
        "step 0 of"
    )
    page.clock.run_for(100 * STEP)
    assert said(page).startswith("step 0 of")
    labelled = page.locator("#viewer :is(select, input, button)").evaluate_all(
        "parts => parts.every(part => part.labels?.length || part.ariaLabel || "
        "part.textContent.trim())"
    )
    assert labelled
    page.locator("#viewer-step").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert said(page).startswith("step 2 of")
    assert page.locator("#viewer-step").get_attribute("aria-valuetext").startswith("step 2 of")
    page.locator("#viewer-play").focus()
    page.keyboard.press("Space")
    assert page.locator("#viewer-play").get_attribute("aria-pressed") == "true"
    page.clock.run_for(STEP)
    assert said(page).startswith("step 3 of")
    page.clock.run_for(100 * STEP)
    assert (
        said(page).startswith(f"step {rolled.STEPS} of")
        and page.locator("#viewer-play").inner_text() == "Play"
    )


def test_it_plays_slowly_where_motion_is_to_be_reduced(small):
    small.locator("#viewer-play").click()
    small.clock.run_for(SLOW_STEP - 1)
    assert said(small).startswith("step 0 of")
    small.clock.run_for(1)
    assert said(small).startswith("step 1 of")
    small.locator("#viewer-play").click()


def test_without_webgl_it_says_so_and_draws_flat_pictures(viewer):
    page = viewer("flat")
    assert "no WebGL" in page.locator("#viewer-problem").inner_text()
    assert (
        page.evaluate("typeof window.$3Dmol") == "undefined"
        and page.locator("#viewer canvas").count() == 0
    )
    assert (
        page.locator("#view-predicted circle").count() == 5
        and page.locator("#view-true path").count() == 4
    )
    page.locator("#viewer-overlay").check()
    assert page.locator("#view-predicted circle").count() == 10


@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_no_wider_than_the_window_and_its_pictures_can_be_seen(viewer, small, width):
    page = viewer("solid") if width == 1280 else small
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#view-predicted").bounding_box()
    assert box["width"] > 300 and box["height"] > 200
    page.locator("#viewer-overlay").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.problems == []
    page.locator("#viewer-overlay").uncheck()


def test_it_is_dark_at_night_also_when_the_theme_changes(small):
    assert seen(small, "true")[3, 3].max() < 60
    small.evaluate("document.documentElement.dataset.theme = 'light'")
    assert seen(small, "true")[3, 3].min() > 200


def test_the_film_is_still_until_it_is_asked_for(viewer):
    page = viewer("flat")
    picture, button = (
        page.locator("#figure-film img"),
        page.locator("#figure-film button[data-moving]"),
    )
    page.evaluate("document.getElementById('fold-film').open = true")
    assert (
        picture.get_attribute("src").startswith("data:image/png")
        and button.inner_text() == "Play the film"
    )
    button.click()
    assert (
        picture.get_attribute("src").startswith("data:image/gif")
        and button.get_attribute("aria-pressed") == "true"
    )
    button.click()
    assert (
        picture.get_attribute("src").startswith("data:image/png")
        and button.get_attribute("aria-pressed") == "false"
    )

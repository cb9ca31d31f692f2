"""The benchmarks print lines that can be read, and their page has what the lines say."""

import pytest

from called import called
from study import REPOSITORY

BENCHMARKS = REPOSITORY / "tests/benchmarks"
LINES = (
    {
        "what": "the chapter's loop",
        "value": 40.0,
        "low": 38.0,
        "high": 41.0,
        "ratio": 1.0,
        "unit": "frames/s",
    },
    {
        "what": "`gate_points`",
        "value": 5250.0,
        "low": 5100.0,
        "high": 5310.0,
        "ratio": 131.0,
        "unit": "frames/s",
    },
    {
        "what": "e3nn-jax",
        "value": None,
        "error": "ModuleNotFoundError: e3nn_jax",
        "unit": "frames/s",
    },
)


@pytest.fixture()
def page(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import page

    return page


@pytest.fixture()
def run(page):
    import run

    return run


def test_a_table_has_each_line_its_range_and_its_ratio(page):
    written = page.table(page.Part("Training", "python x.py", LINES))
    assert "| `gate_points` | 5,250 frames/s | 5,100 to 5,310 | 131 times |" in written
    assert "| e3nn-jax | not measured: ModuleNotFoundError: e3nn_jax |" in written
    assert "`python x.py`" in written and "Did not end" not in written


def test_what_is_written_by_hand_stays_on_the_page(page):
    part = page.Part("Training", "python x.py", LINES[:1], "its 5 s were over")
    first = page.markdown([part], "**A cluster**\n\nof ours", 2)
    assert page.kept(first) == "**A cluster**\n\nof ours"
    assert "Did not end: its 5 s were over" in first and page.processor() in first


def test_a_part_that_is_measured_again_takes_its_place_and_the_others_stay(page):
    first, second = (
        page.Part(title, "python x.py", LINES[:1]) for title in ("Training", "Many runs")
    )
    before = page.markdown([first, second], "by hand", 2)
    after = page.markdown(
        [page.Part("Training", "python x.py", LINES[1:2])], "by hand", 2, page.sections(before)
    )
    assert list(page.sections(after)) == ["Training", "Many runs"]
    assert (
        "gate_points" in page.sections(after)["Training"]
        and "gate_points" not in page.sections(before)["Training"]
    )
    assert page.sections(after)["Many runs"] == page.sections(before)["Many runs"]


def test_the_figure_is_a_picture(page, tmp_path):
    page.figure(LINES, tmp_path / "speeds.png")
    assert (tmp_path / "speeds.png").read_bytes().startswith(b"\x89PNG")


def test_a_part_that_fails_keeps_what_it_printed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "HERE", tmp_path)
    (tmp_path / "part.py").write_text(
        """print('| a | table |\\n{"what": "w", "value": 2, "unit": "s"}'); exit(3)"""
    )
    lines = ({"what": "w", "value": 2, "unit": "s"},)
    part = run.run("A", "part.py", 600)
    assert (part.lines, part.failure) == (lines, "exit code 3")


def test_a_part_that_takes_too_long_is_ended(run, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "HERE", tmp_path)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)")
    assert run.run("A", "slow.py", 1).failure == "its 1 s were over"


def test_training_prints_a_rate_for_each_competitor(run):
    few = ["--rounds", 1, "--frames", 32, "--only", "chapter,matrix"]
    lines = run.parsed(called(BENCHMARKS / "training.py", *few).stdout)
    assert [line["unit"] for line in lines] == ["frames/s", "GFLOP/s", "GFLOP/s"]
    assert all(0 < line["low"] <= line["value"] <= line["high"] for line in lines)
    assert lines[0]["ratio"] == 1  # to itself


def test_an_unknown_competitor_is_refused_by_name():
    done = called(BENCHMARKS / "training.py", "--only", "chapter,fast")
    assert done.returncode == 2 and "--only fast; expected some of chapter, " in done.stderr

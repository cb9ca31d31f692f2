"""Data from others is data: names, titles and reasons with markup are shown as they are, in report
and figures."""

import json
import re
from pathlib import Path

import h5py
import pandas as pd
import pytest
import synthetic_tables
from matplotlib.text import Text
from test_report import PICTURE, Page

from called import called
from equitraj.report import figures
from equitraj.report.figures import style

NASTY = r"</td><script>alert(1)</script>{{ 7*7 }}`$\frac$"
METHODS = {NASTY: synthetic_tables.METHODS["egnn"], "mlp": synthetic_tables.METHODS["mlp"]}
METHODS |= {name: synthetic_tables.METHODS[name] for name in ("persistence", "constant_velocity")}
PARTS = [name for name in figures.names() if not name.startswith("chapter_")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    """Synthetic tables whose first method has a name that is markup of three kinds, and whose
    failures say more."""
    folder = tmp_path_factory.mktemp("markup")
    safe = {"nasty" if name == NASTY else name: values for name, values in METHODS.items()}
    paths = synthetic_tables.write(folder, {"one": 1, "three": 3}, failed="mlp", methods=safe)
    for path in folder.glob("*.csv"):
        table = pd.read_csv(path, keep_default_na=False).replace({"method": {"nasty": NASTY}})
        if "status" in table:
            table.loc[table["status"] != "ok", "status"] = f"failed: {NASTY}"
        table.to_csv(path, index=False)
    with h5py.File(paths["examples"], "r+") as file:
        for group in file.values():
            group.move("nasty", NASTY.replace("/", "|"))
    return paths


@pytest.mark.parametrize("name", PARTS)
def test_a_figure_shows_a_name_as_it_stands(inputs, name, tmp_path):
    style.apply()
    figure, finding = figures.load(name).draw({key: inputs[key] for key in figures.inputs(name)})
    style.save(figure, tmp_path / "a.svg")
    shown = [text for text in figure.findobj(Text) if "frac" in text.get_text()]
    assert not any(text.get_parse_math() for text in shown)
    powers = [
        text for text in figure.findobj(Text) if re.search(r"\$10\^|mathdefault", text.get_text())
    ]
    assert all(text.get_parse_math() for text in powers)
    assert "<script" not in (tmp_path / "a.svg").read_text()


def test_a_name_with_a_formula_that_is_none_is_drawn(inputs):
    figure, _ = figures.load("accuracy").draw(
        {key: inputs[key] for key in figures.inputs("accuracy")}
    )
    assert [text for text in figure.findobj(Text) if r"$\frac$" in text.get_text()]


def test_the_report_escapes_names_titles_questions_reasons_and_words_of_figures(inputs, tmp_path):
    folder = inputs["metrics"].parent
    (folder / "accuracy.svg").write_text(PICTURE)
    (folder / "accuracy.json").write_text(
        json.dumps(dict.fromkeys(("title", "caption", "finding"), NASTY))
    )
    config = synthetic_tables.resolved_config({"one": 1, "three": 3})
    config["sources"]["chain"]["path"] = NASTY
    config["study"] = {"title": NASTY, "question": NASTY}
    (tmp_path / "config.json").write_text(json.dumps(config))
    places = ["--tables", folder, "--figures", folder, "--config", tmp_path / "config.json"]
    done = called("report.py", *places, "--output", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "r.html").read_text()
    assert (
        text.count("<script") == 2 and "alert(1)</script>" not in text
    )  # its own, and the data that it reads
    assert "{{ 7*7 }}" in text and "49`" not in text
    page = Page(text)
    assert any(NASTY in cell for row in page.rows["main"] for cell in row)
    assert all(row[-1] == f"failed: {NASTY}" for row in page.rows["failures"][1:])

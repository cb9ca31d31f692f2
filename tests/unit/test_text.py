"""Text is text: what users write is stored, read, drawn and shown as it stands, whatever signs it
has."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_tables
import yaml
from test_report import Page

from called import called
from equitraj.base.files import write_json, write_table
from equitraj.data import trajectory as files
from equitraj.data.sources import entry
from equitraj.report import figures
from equitraj.report.figures import style
from equitraj.report.figures._examples import NEWEST, TRUTH
from equitraj.report.page import Sources, context
from equitraj.report.template import render
from equitraj.report.words import squared
from equitraj.study import config as configuration
from equitraj.study import schema
from equitraj.training.record import NAME

NASTY = "-{x} {{ 7*7 }} {% $\\frac_ 'a' \"b\" </script><b>é\n%s #"
UNIT = "-$\\frac_{é} <b> \"'%s"
WORDS = [NASTY, UNIT, "007", "1e5", "nan", "None", "a,b\rc", "=1+1", "  blank  "]
COLUMNS = ["task", "name", "mse", "source", "url", "method"]


def row(text: str, method: str) -> dict:
    """A published error, all of whose words are `text`."""
    return {"name": text, "mse": 0.5, "source": text, "url": text, "method": method}


def test_a_table_keeps_words(tmp_path):
    write_json(tmp_path / "published.json", {"007": [row(word, "nan") for word in WORDS]})
    done = called(
        "published.py", "--published", tmp_path / "published.json", "--output", tmp_path / "a.csv"
    )
    assert done.returncode == 0, done.stderr
    table = style.read_table(tmp_path / "a.csv")
    for column in ("name", "source", "url"):
        assert list(table[column]) == WORDS
    assert (
        set(table["task"]) == {"007"}
        and set(table["method"]) == {"nan"}
        and set(table["mse"]) == {0.5}
    )


def test_missing_numbers_are_missing_and_empty_words_too(tmp_path):
    write_table(
        tmp_path / "a.csv",
        ["method", "url", "mse"],
        [{"method": "nan", "url": "", "mse": float("nan")}],
    )
    table = style.read_table(tmp_path / "a.csv")
    assert table["method"][0] == "nan" and pd.isna(table["url"][0]) and np.isnan(table["mse"][0])
    assert style.read_table(tmp_path / "a.csv", ["mse"]).columns.tolist() == ["mse"]


def test_joined_tables_have_the_words_of_their_parts(tmp_path):
    for name, words in (("a", {"search": "007", "x": "NA"}), ("b", {"search": "None"})):
        write_table(tmp_path / f"{name}.csv", words, [words])
    done = called(
        "join.py",
        "--tables",
        tmp_path / "a.csv",
        tmp_path / "b.csv",
        "--output",
        tmp_path / "c.csv",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c.csv").read_text() == "search,x\n007,NA\nNone,\n"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    """Synthetic tables in units that are markup, with published errors of nasty names."""
    folder = tmp_path_factory.mktemp("text")
    names = ("egnn", "mlp", "persistence", "constant_velocity")
    methods = {name: synthetic_tables.METHODS[name] for name in names}
    paths = synthetic_tables.write(folder, {"one": 1, "three": 3}, failed=None, methods=methods)
    table = pd.read_csv(paths["sources"]).assign(length_unit=UNIT, time_unit="1", engine=NASTY)
    table.to_csv(paths["sources"], index=False)
    write_table(folder / "published.csv", COLUMNS, [row(NASTY, "egnn") | {"task": "one"}])
    return paths


def test_a_figure_shows_units_as_they_stand(inputs, tmp_path):
    style.apply()
    figure, _ = figures.load("accuracy").draw(
        {key: inputs[key] for key in figures.inputs("accuracy")}
    )
    style.with_unit(figure, squared(style.read_table(inputs["sources"])))
    style.save(figure, tmp_path / "a.svg")
    assert UNIT.split()[0] in (tmp_path / "a.svg").read_text()


def test_no_method_has_the_name_of_the_truth():
    assert not NAME.fullmatch(TRUTH) and not NAME.fullmatch(NEWEST)


def test_the_report_shows_titles_units_options_and_sources_as_they_stand(inputs):
    folder = inputs["metrics"].parent
    config = synthetic_tables.resolved_config({"one": 1, "three": 3})
    config["sources"]["chain"] |= {"url": NASTY, "path": [NASTY], "options": {NASTY: NASTY}}
    config["study"] |= {"title": NASTY, "question": NASTY}
    config["methods"]["egnn"]["options"] = {"act": NASTY}
    text = render(context(config["study"], config, Sources(folder, folder), [NASTY]))
    page = Page(text)
    published = page.rows["published"][1]
    assert NASTY in published[1] and NASTY in published[-1] and UNIT in page.rows["published"][0][2]
    assert "<b>" not in text and text.count("{{ 7*7 }}") > 5 and "49 }}" not in text
    data = text.split('id="data">')[1].split("</script>")[0]
    assert json.loads(data)["methods"]["egnn"]["config"]["options"] == {"act": NASTY}
    shown = text.split("<summary>The configuration</summary>")[1].split("</pre>")[0]
    assert "&lt;/script&gt;" in shown


def test_provenance_and_paths_keep_signs(tmp_path):
    folder = tmp_path / "-a[1] $HOME 'é' {x}"
    folder.mkdir()
    for name in ("t[1].npy", "t1.npy"):
        np.save(folder / name, np.random.default_rng(0).normal(size=(9, 2, 3)))
    source = {
        "kind": "file",
        "path": str(folder / "t[1].npy"),
        "length_unit": UNIT,
        "time_unit": NASTY,
    }
    assert entry.paths(source) == [source["path"]]
    output = folder / "raw.h5"
    done = called("fetch.py", "--source", json.dumps(source), "--output", output)
    assert done.returncode == 0, done.stderr
    read = files.read(output)
    assert (read.length_unit, read.time_unit, read.provenance["source"]) == (UNIT, NASTY, source)


def test_an_entry_that_a_command_prints_can_be_read(tmp_path):
    folder = tmp_path / "a: b, {c}"
    folder.mkdir()
    (folder / "p.pkl").write_bytes(pickle.dumps([np.zeros((4, 2, 3))]))
    output = folder / "my-data.npz"
    done = called("convert.py", folder / "p.pkl", output, "--array", "position=0")
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["sources"]["my_data"]["path"] == str(output)


def test_titles_may_have_all_signs_but_those_that_files_cannot_hold():
    config = yaml.safe_load((figures.FOLDER.parents[4] / "config.yaml").read_text())
    config["study"] |= {"title": NASTY, "question": NASTY}
    schema.check(config)
    for sign in ("\x00", "\x1b", "\ud800"):
        config["study"]["title"] = f"a{sign}"
        with pytest.raises(ValueError, match="study.title: .*without control characters"):
            schema.check(config)


def test_a_folder_that_would_be_an_option_of_a_command_is_refused():
    with pytest.raises(ValueError, match="pathvars.results: '-r'; expected a folder below"):
        configuration.check_pathvars({"results": "-r"})

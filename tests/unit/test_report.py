"""The report is written from invented tables and read back with an HTML parser."""

import base64
import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import synthetic_tables
import yaml
from PIL import Image

from called import called
from equitraj.report import audited, judged, tables
from equitraj.report.figures import style

TASKS = {"chain_k1": 1, "chain_k3": 3}
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'


class Page(HTMLParser):
    """What a browser would load, the rows of each table, the text of each finding, the sections."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads, self.rows, self.findings, self.sections, self.figures = [], {}, {}, [], []
        self.table, self.finding, self.cell = "", "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        attributes = dict(attrs)
        self.loads += [
            value for key, value in attrs if key in ("src", "srcset", "poster", "data") and value
        ]
        if tag == "link":
            self.loads.append(attributes["href"])
        if tag == "table":
            self.table = attributes["id"].removeprefix("table-")
            self.rows[self.table] = []
        if tag == "tr" and self.table:
            self.rows[self.table].append([])
        if tag in ("td", "th") and self.table:
            self.rows[self.table][-1].append("")
            self.cell = True
        if tag == "section":
            self.sections.append(attributes["id"])
            self.finding = ""
        if tag == "figure":
            self.figures.append(attributes["id"].removeprefix("figure-"))
        self.finding = attributes.get("data-finding", self.finding)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.cell = False
        if tag == "table":
            self.table = ""

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[self.table][-1][-1] += data
        if self.finding:
            self.findings[self.finding] = self.findings.get(self.finding, "") + data


def make(folder: Path, config: dict, *options: object) -> subprocess.CompletedProcess:
    study = {"title": "Trial", "question": "Which <one>?"}
    (folder / "config.json").write_text(json.dumps(config | {"study": study}))
    places = ["--tables", folder, "--figures", folder, "--config", folder / "config.json"]
    return called("report.py", *places, "--output", folder / "r.html", *options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    synthetic_tables.write(folder, TASKS)
    for name in ("accuracy", "chapter_first_frame"):
        (folder / f"{name}.svg").write_text(PICTURE)
        said = {"title": f"Title of {name}", "caption": "A caption <b>.", "finding": "42 found"}
        (folder / f"{name}.json").write_text(json.dumps(said))
    rows = [["baseline RMSE", "0.4302848", "0.4302851", "7e-07", "persistence has 0.00493"]]
    names = ["quantity", "chapter", "ours", "relative_difference", "note"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "chapter.csv", index=False)
    (folder / "benchmarks" / "train").mkdir(parents=True)
    for name, seconds in (("a", 12.5), ("b", 2.5)):
        (folder / "benchmarks" / "train" / f"{name}.tsv").write_text(
            f"s\th:m:s\tmax_rss\n{seconds}\t0\t-\n"
        )
    return folder


@pytest.fixture(scope="module")
def page(folder) -> Page:
    done = make(
        folder, synthetic_tables.resolved_config(TASKS), "--benchmarks", folder / "benchmarks"
    )
    assert done.returncode == 0, done.stderr
    return Page((folder / "r.html").read_text())


def test_nothing_is_loaded_from_elsewhere(page, folder):
    assert page.loads and all(address.startswith("data:") for address in page.loads)
    text = (folder / "r.html").read_text()
    assert "@import" not in text and "url(" not in text and "fetch(" not in text


def test_the_main_table_has_a_row_for_each_line_of_the_summary(page, folder):
    rows = page.rows["main"][1:]
    summary = pd.read_csv(folder / "summary.csv")
    assert (
        len(rows) == len(summary) == len(TASKS) * len(synthetic_tables.METHODS) - 1
    )  # no autoregression at K = 1
    failed = [row for row in rows if any("1 of 2 failed" in cell for cell in row)]
    assert {row[1].split()[0].removesuffix("linear") for row in failed} == {"linear_sgd"} and len(
        failed
    ) == len(TASKS)


def test_a_failed_run_is_a_row_with_its_reason(page, folder):
    failed = pd.read_csv(folder / "metrics.csv").query("status != 'ok'")
    rows = page.rows["failures"][1:]
    assert len(rows) == len(failed) > 0
    assert all("loss is not finite at epoch 3" in row[-1] for row in rows)
    assert "loss is not finite at epoch 3" in page.findings["failures"]


def test_methods_worse_than_no_motion_are_named(page, folder):
    summary = pd.read_csv(folder / "summary.csv").query("model not in @style.BASELINES")
    worse = summary[summary["mse_mean"] >= summary["mse_persistence"]]
    assert {"linear_sgd", "mlp_axes"} <= set(worse["method"])
    sentences = [line for line in page.findings["references"].split("On ") if "no motion" in line]
    said = " ".join(" ".join(sentences).split())
    assert len(sentences) == len(TASKS)
    for row in worse.itertuples():
        assert f"{row.method} ({style.sig(row.mse_mean)})" in said
    for method in set(summary["method"]) - set(worse["method"]):
        assert f"{method} (" not in said


def test_constant_velocity_is_said_to_need_two_frames(page):
    text = " ".join(page.findings["references"].split())
    first, second = (line for line in text.split("On ") if "constant velocity" in line)
    assert "none of 11 fitted methods beats" in first and "needs two frames" in first
    assert "1 of 12 fitted methods is no better" in second and "needs two frames" not in second


def test_the_best_method_is_given_with_its_interval(page, folder):
    for _, rows in pd.read_csv(folder / "summary.csv").groupby("task"):
        best = rows.loc[rows["mse_mean"].idxmin()]
        text = f"{best['method']}, test MSE {style.sig(best['mse_mean'])} (interval over seeds: n/a (2 seeds))"
        assert text in page.findings["best"]


def test_a_claim_that_does_not_hold_is_named(page):
    assert "mlp_axes claims rotation symmetry and does not have it" in page.findings["claims"]
    assert "mlp_vector claims" not in page.findings["claims"]


def test_claims_are_counted_by_transformation_with_translations_as_one(page, folder):
    rows = pd.read_csv(folder / "audit.csv").query(
        "weights == 'trained' and claim in ('exact', 'in expectation')"
    )
    pairs = {}
    for row in rows.itertuples():
        key = (
            row.method,
            "translation" if row.generator.startswith("translation") else row.generator,
        )
        pairs[key] = pairs.get(key, True) and row.agrees == "yes"
    assert sum(pairs.values()) == len(pairs) - 4  # mlp_axes: rotation, inversion, mirror, euclidean
    assert f"{sum(pairs.values())} of {len(pairs)} claims" in page.findings["claims"]


def test_what_is_learned_is_said_and_never_counted_as_a_claim(page):
    assert "mlp_rotated learns rotation symmetry" in page.findings["claims"]
    assert "mlp_rotated claims" not in page.findings["claims"]


def test_a_method_with_a_broken_claim_is_marked_in_the_main_table(page):
    marked = {row[1] for row in page.rows["main"][1:] if "claim broken" in row[1]}
    assert {cell.split("†")[0] for cell in marked} == {"mlp_axes"}
    assert all("rotation, inversion, mirror, euclidean" in cell for cell in marked)
    assert sum("claim broken" in row[1] for row in page.rows["main"][1:]) == len(TASKS)


def test_the_data_are_said_to_be_oriented_where_the_test_says_so(page):
    text = " ".join(page.findings["orientation"].split())
    assert (
        "training data of chain_k1 have an orientation" in text
        and "p = 1.00e-03" in text.replace("0.00100", "1.00e-03")
    )
    assert "No orientation was found in the training data of chain_k3" in text


def test_controls_are_counted_and_one_that_goes_wrong_is_a_warning(page, folder):
    assert (
        "8 of 8 controls gave what they must give (6 are built to fail, 2 to pass)"
        in page.findings["controls"]
    )
    table = pd.read_csv(folder / "controls.csv")
    assert not audited.wrong(table)
    table.loc[0, "verdict"] = "exact"
    assert audited.wrong(table) and "not to be trusted" in audited.controls(table)[1]
    assert sum(cell.alert for row in judged.control_table(table).rows for cell in row) == 1


def test_stabilisers_have_a_column_for_each_symmetric_input(page):
    assert [head.strip() for head in page.rows["stabilisers"][0][2:]] == [
        "planar input",
        "C2 input",
        "C3 input",
    ]
    verdicts = {row[1]: row[2] for row in page.rows["stabilisers"][1:] if row[0] == "chain_k3"}
    assert verdicts["e3nn"].startswith("exact") and verdicts["mlp"].startswith("broken")


def test_a_film_is_embedded_with_its_words(folder):
    shades = [Image.new("P", (20, 12), shade) for shade in (0, 200)]
    shades[0].save(folder / "f.gif", save_all=True, append_images=shades[1:])
    (folder / "f.json").write_text(
        json.dumps({"title": "A film", "caption": "Red <i>.", "finding": "3 jumps"})
    )
    done = make(folder, synthetic_tables.resolved_config(TASKS), "--film", folder / "f.gif")
    assert done.returncode == 0, done.stderr
    text = (folder / "r.html").read_text()
    whole = base64.b64encode((folder / "f.gif").read_bytes()).decode()
    assert (
        f'data-moving="data:image/gif;base64,{whole}"' in text
    )  # and not the picture that is seen first
    assert (
        '<img src="data:image/png;base64,' in text
        and "Red &lt;i&gt;." in text
        and "3 jumps" in text
    )
    assert text.index('id="alignment"') < text.index('id="figure-film"')
    assert "no such film" in make(folder, {}, "--film", folder / "none.gif").stderr


def test_figures_stand_in_their_sections_with_escaped_captions(page, folder):
    assert page.figures == ["accuracy", "chapter_first_frame"]
    text = (folder / "r.html").read_text()
    assert "A caption &lt;b&gt;." in text and "Title of accuracy" in text
    assert (
        text.index('id="figure-accuracy"')
        < text.index('id="chapter"')
        < text.index('id="figure-chapter_first_frame"')
    )


def test_chapter_digits_and_run_times_are_shown(page):
    assert page.rows["chapter"][1][:3] == ["baseline RMSE", "0.4302848", "0.4302851"]
    assert page.rows["times"][1] == ["train", "2", "15.0", "12.5", "n/a"]


def test_what_is_missing_is_left_out(tmp_path):
    paths = synthetic_tables.write(tmp_path, {"only": 3}, seeds=1, failed=None)
    for name in ("alignment", "splits", "examples", "probes", "controls", "isotropy"):
        paths[name].unlink()
    done = make(tmp_path, synthetic_tables.resolved_config({"only": 3}))
    assert done.returncode == 0, done.stderr
    page = Page((tmp_path / "r.html").read_text())
    assert not {"alignment", "chapter", "splits", "times"} & set(page.sections)
    assert "failures" not in page.rows and "None of" in page.findings["failures"]
    assert "interval over seeds: n/a (1 seed)" in page.findings["best"]
    assert not {"history", "isotropy", "controls"} & set(page.findings)
    assert not {"stabilisers", "controls"} & set(page.rows)


def test_the_question_and_the_configuration_are_on_the_page(folder):
    make(folder, synthetic_tables.resolved_config(TASKS))
    text = (folder / "r.html").read_text()
    assert (
        "Which &lt;one&gt;?" in text and "<h1>Predicting where points go next: Trial</h1>" in text
    )
    encoded = text.split("data:text/yaml;base64,")[1].split('"')[0]
    given = json.loads((folder / "config.json").read_text())
    assert yaml.safe_load(base64.b64decode(encoded)) == given


def test_a_missing_table_is_one_line(tmp_path):
    done = make(tmp_path, {})
    assert (
        done.returncode == 1
        and done.stderr.splitlines()[1].startswith("error: no such table:")
        and "Traceback" not in done.stderr
    )
    assert not (tmp_path / "r.html").exists()


def test_training_sizes_are_shown_where_there_are_several(folder):
    summary = style.read_table(folder / "summary.csv")
    assert "training samples" not in tables.main_table(summary).heads
    both = pd.concat([summary, summary.assign(train_size="100")])
    assert "training samples" in tables.main_table(both).heads


def test_what_another_study_left_in_the_folders_stays_out(folder):
    """A page for a study of one figure and one training, in folders that hold more."""
    benchmarks = folder / "other_benchmarks"
    for batch in ("ours/m", "theirs/m"):  # of all sizes together
        path = benchmarks / "train" / f"{batch}.tsv"
        path.parent.mkdir(parents=True)
        path.write_text("s\tmax_rss\n7.0\t1.0\n")
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"methods": {"ours": ["m"]}, "train_sizes": ["all"], "seeds": [0]}))
    only = ["--show", "accuracy", "--plan", plan, "--benchmarks", benchmarks]
    result = make(folder, synthetic_tables.resolved_config(TASKS), *only)
    assert result.returncode == 0, result.stderr
    page = Page((folder / "r.html").read_text())
    assert page.figures == ["accuracy"] and "chapter" not in page.sections
    assert page.rows["times"][1][:3] == ["train", "1", "7.00"]

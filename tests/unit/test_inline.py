"""Figures as part of a page: their ids, colours and methods; units; figures without data; claims
counted one way."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_tables
from matplotlib.colors import to_rgb

from called import called
from equitraj.report import answer, audited, figures, words
from equitraj.report.figures import _data, audit_matrix, style
from equitraj.report.inline import CONTRAST, DARK, PALETTE, at_night, contrast, inlined
from equitraj.report.methods import MOST, method_pages
from equitraj.report.page import empty_ones, picture


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> dict[str, Path]:
    return synthetic_tables.write(
        tmp_path_factory.mktemp("many"), seeds=1, methods=synthetic_tables.MANY
    )


def styles_of(paths: dict[str, Path]) -> dict[str, style.MethodStyle]:
    return style.method_styles(
        style.read_table(paths["summary"]), style.read_claims(paths["audit"])
    )


def test_colours_that_come_again_differ_in_what_nobody_sees_and_all_can_be_read(many):
    colours = [look.colour for look in styles_of(many).values()]
    assert len(set(colours)) == len(colours)
    known = [colour for _, palette in style.KINDS.values() for colour in palette]
    for colour in colours:
        nearest = min(np.abs(np.subtract(to_rgb(colour), to_rgb(one))).max() for one in known)
        assert nearest < 0.03 and contrast(colour, "#ffffff") >= CONTRAST <= contrast(
            at_night(colour), DARK
        )


@pytest.mark.parametrize(
    ("one", "other", "expected"), [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48)]
)
def test_contrast_is_that_of_wcag(one, other, expected):
    assert contrast(one, other) == pytest.approx(expected, abs=0.005) == contrast(other, one)


@pytest.fixture(scope="module")
def matrix(many, tmp_path_factory) -> Path:
    svg = tmp_path_factory.mktemp("drawn") / "audit_matrix.svg"
    pairs = [f"{key}={many[key]}" for key in figures.inputs("audit_matrix")]
    called(
        "figure.py", "audit_matrix", "--input", *pairs, "--folder", svg.parent
    ).check_returncode()
    return svg


def test_every_cell_of_the_matrix_is_found_by_its_method_and_ids_are_unique(matrix, many):
    colours = {method: look.colour for method, look in styles_of(many).items()}
    page = inlined(matrix.read_text(), "audit_matrix", colours)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids) and all(one.startswith("audit_matrix-") for one in ids)
    assert all(
        f'href="#{name}"' not in page for name in re.findall(r'id="([^"]+)"', matrix.read_text())
    )
    audit = pd.read_csv(many["audit"]).query("weights == 'trained'")
    for method, rows in audit.groupby("method"):
        assert page.count(f'<g class="m m-{method}"') > rows["generator"].nunique()


def test_the_numbers_of_the_matrix_are_those_of_the_audit(matrix, many):
    told = json.loads(matrix.with_suffix(".json").read_text())
    audit = style.read_table(many["audit"]).query("weights == 'trained' and dtype == 'float64'")
    known = (
        audit[audit["verdict"] != "not applicable"]
        .groupby(["method", "generator"])["rel_mean"]
        .max()
    )
    shown = {(s["method"], s["points"][0][2]): s["points"][0][3] for s in told["series"]}
    assert len(shown) == len(known.dropna())
    for (method, generator), value in known.dropna().items():
        assert shown[method, audit_matrix.GENERATORS[generator]] == pytest.approx(value, rel=1e-5)


def test_what_is_told_of_cells_stands_where_they_are():
    figure, (axes,) = style.panels(1)
    axes.set(xlim=(0, 10), ylim=(0, 10))
    _data.tell(
        axes, "letter", "number", [("mlp", "a", 1.5, 5, 5), ("mlp", "b", float("nan"), 1, 1)]
    )
    found = _data.data(figure, {})
    box = axes.get_window_extent()
    across, up = (box.x0 + box.x1) / 2 * 72 / figure.dpi, (box.y0 + box.y1) / 2 * 72 / figure.dpi
    (series,) = found["series"]
    place = pytest.approx([across, figure.get_figheight() * 72 - up], abs=0.1)
    assert series["points"][0][:2] == place and series["points"][0][2:] == ["a", 1.5]
    assert found["panels"][0]["x"] == "letter"


def test_colours_of_no_method_turn_with_the_page():
    paths = '<path id="a" style="fill: #0072b2; stroke: #1f2430"/><path style="fill: #0072b2"/>'
    svg = f'<svg width="1pt" height="1pt">{paths}</svg>'
    plain, owned = inlined(svg, "f", {}), inlined(svg, "f", {"egnn": style.BLUE})
    assert "var(--blue,#0072b2)" in plain and "var(--ink,#1f2430)" in plain and "--m-" not in plain
    assert (
        owned.count("var(--m-egnn,#0072b2)") == 2 == owned.count('class="m m-egnn"')
        and "--blue" not in owned
    )
    assert set(PALETTE) >= {style.BLUE, style.RED}


@pytest.mark.parametrize(
    ("units", "expected"), [(["nm"], "nm²"), (["Angstrom", "Angstrom"], "Å²"), (["reduced"], "length²")]
    + [(["nm", "Angstrom"], "length²")],
)  # fmt: skip
def test_errors_have_the_unit_of_the_data(units, expected):
    assert words.squared(pd.DataFrame({"length_unit": units})) == expected
    figure, (axes,) = style.panels(1)
    axes.set(xlabel="step", ylabel="test MSE, rotated")
    style.with_unit(figure, expected)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", f"test MSE in {expected}, rotated")


def test_errors_of_unknown_sources_are_lengths_squared():
    assert words.squared(None) == "length²"


def test_a_figure_without_axes_is_no_figure(tmp_path):
    for name, panels in (
        ("drawn", [{"title": "a", "x": "", "y": ""}]),
        ("nothing", []),
        ("old", None),
    ):
        style.save(style.empty(name), tmp_path / f"{name}.svg")
        told = {} if panels is None else {"panels": panels}
        (tmp_path / f"{name}.json").write_text(json.dumps(told | {"finding": name}))
    sections = {"results": [picture(path) for path in sorted(tmp_path.glob("*.svg"))]}
    nothing, left = empty_ones(sections)
    assert [p.name for p in nothing] == ["nothing"] and [p.name for p in left["results"]] == [
        "drawn",
        "old",
    ]


def test_claims_are_counted_one_way_everywhere(many):
    audit = style.read_table(many["audit"])
    trained = audit[audit["weights"] == "trained"]
    said = [
        answer.claims_line(audit, None),
        audited.claims(audit)[0],
        audit_matrix.finding(trained),
    ]
    counts = {re.search(r"(\d+ of )?\d+ claims of symmetry", text)[0] for text in said}
    judged = trained[
        trained["claim"].isin(("exact", "in expectation"))
        & (trained["verdict"] != "not applicable")
    ]
    families = judged["generator"].str.replace(r"_[\d.]+$", "", regex=True)
    held = judged["agrees"].ne("no").groupby([judged["method"], families]).all()
    assert counts == {f"{held.sum()} of {len(held)} claims of symmetry"} and held.sum() < len(held)


def test_of_very_many_methods_the_most_accurate_have_whole_pages_and_all_can_be_hidden():
    count = MOST + 15
    metrics = pd.DataFrame(
        {
            "task": "a",
            "method": [f"m{i}" for i in range(count)],
            "mse": np.arange(count)[::-1] + 1.0,
        }
    )
    metrics = metrics.assign(
        train_size="all", seed=0, mse_rotated=1.0, train_seconds=1.0, status="ok"
    )
    audit = pd.DataFrame(columns=["weights", "rel_mean", "method", "generator"])
    pages = method_pages(metrics, audit, None, {"methods": {"m0": {"model": "mlp"}}})
    assert list(pages) == list(metrics["method"])
    assert [name for name, page in pages.items() if page["seeds"]] == [
        f"m{i}" for i in range(15, count)
    ]
    assert pages["m0"]["config"] == {"model": "mlp"}

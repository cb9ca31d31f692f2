"""Figures drawn from invented tables; what their findings say is computed here a second time."""

import json
import re
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import synthetic_tables
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from called import called
from equitraj.report import figures
from equitraj.report.figures import style
from equitraj.report.figures._examples import NEWEST, TRUTH
from equitraj.report.figures._part import METHODS, TASKS, part

OWN = [name for name in figures.names() if not name.startswith("chapter_")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    return synthetic_tables.write(
        tmp_path_factory.mktemp("tables"), train_sizes=("100", "400", "all")
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("many")
    return synthetic_tables.write(
        folder, tasks={"only": 3}, seeds=1, methods=synthetic_tables.MANY, alignments=16
    )


@pytest.fixture(scope="module")
def smallest(tmp_path_factory) -> dict[str, Path]:
    return synthetic_tables.write(
        tmp_path_factory.mktemp("small"), tasks={"only": 3}, seeds=1, failed=None
    )


@pytest.fixture(scope="module")
def metrics(inputs) -> pd.DataFrame:
    table = pd.read_csv(inputs["metrics"])
    return table[(table["status"] == "ok") & (table["train_size"] == "all")]


@pytest.fixture(scope="module")
def drawn(inputs) -> dict[str, tuple]:
    style.apply()
    return {name: figures.load(name).draw(inputs) for name in OWN}


def three(value: float) -> str:
    """Three significant digits as Python prints them, for errors below 1e-3."""
    return f"{value:.2e}"


def test_the_figures_of_the_study_exist():
    assert set(OWN) >= {
        "accuracy",
        "rotated",
        "audit_matrix",
        "rollout",
        "learning_curves",
        "history_gain",
    }
    assert "style" not in figures.names()


@pytest.mark.parametrize("name", OWN)
def test_every_figure_draws_data_in_every_panel(name, drawn):
    figure, finding = drawn[name]
    assert figure.axes and all(axes.has_data() for axes in figure.axes)
    assert re.search(r"\d", finding) and finding.endswith(".")
    assert not re.search(r"\bnan\b|\binf\b", finding)
    assert len(figures.load(name).__doc__.split()) > 15


@pytest.mark.parametrize("name", OWN)
def test_one_task_one_seed_still_makes_sense(name, smallest):
    figure, finding = figures.load(name).draw(smallest)
    assert finding.endswith(".")
    if name == "history_gain":
        assert "nothing to compare" in finding and not figure.axes
    else:
        assert all(axes.has_data() for axes in figure.axes)


@pytest.mark.parametrize("name", OWN)
def test_a_task_on_which_every_method_failed_is_no_crash(name, inputs, tmp_path):
    summary = pd.read_csv(inputs["summary"])
    means = [c for c in summary if c.endswith(("_mean", "_low", "_high"))]
    summary.loc[summary["task"] == "chain_k1", means] = np.nan
    summary.to_csv(tmp_path / "summary.csv", index=False)
    _, finding = figures.load(name).draw(inputs | {"summary": tmp_path / "summary.csv"})
    assert "nan" not in finding


def test_accuracy_names_the_best_and_counts_who_beats_both(drawn, metrics):
    for task, runs in metrics.groupby("task"):
        errors = runs.groupby("method")["mse"].mean()
        limit = min(synthetic_tables.PERSISTENCE, runs["mse_velocity"].iloc[0])
        words = f"{task}: {errors.idxmin()} is best with {three(errors.min())}, and {sum(errors < limit)} of {len(errors)}"
        assert words in drawn["accuracy"][1]


def test_accuracy_sorts_methods_by_error(drawn, metrics):
    panel = drawn["accuracy"][0].axes[0]
    errors = metrics[metrics["task"] == panel.get_title(loc="left")].groupby("method")["mse"].mean()
    shown = [label.get_text() for label in panel.get_yticklabels()][::-1]
    assert [errors[method] for method in shown] == sorted(errors)


def test_rotated_gives_the_largest_ratio(drawn, metrics):
    means = metrics.groupby(["task", "method"])[["mse", "mse_rotated"]].mean()
    ratio = means["mse_rotated"] / means["mse"]
    task, method = ratio.idxmax()
    words = (
        f"the largest ratio of the two errors is {style.sig(ratio.max())}, of {method} on {task}"
    )
    assert words in drawn["rotated"][1]


def test_audit_matrix_counts_claims_and_names_the_broken(drawn, inputs):
    rows = pd.read_csv(inputs["audit"]).query(
        "weights == 'trained' and claim in ('exact', 'in expectation')"
    )
    cells, counted = {}, {}
    for row in rows.itertuples():
        family = "translation" if row.generator.startswith("translation_") else row.generator
        cells.setdefault((row.method, row.generator), []).append(row.agrees == "yes")
        counted.setdefault((row.method, family), []).append(row.agrees == "yes")
    text = drawn["audit_matrix"][1]
    assert text.startswith(f"{sum(map(all, counted.values()))} of {len(counted)} claims")
    worst = rows[(rows["method"] == "mlp_axes") & (rows["generator"] == "rotation")][
        "rel_mean"
    ].max()
    assert f"mlp_axes under rotation (relative change {worst:.3g})" in text
    crosses = [line for line in drawn["audit_matrix"][0].axes[0].lines if line.get_marker() == "x"]
    assert len(crosses) == sum(not all(agree) for agree in cells.values())


def test_audit_matrix_shows_the_float64_error_and_the_level_of_each_claim(drawn, inputs):
    axis = drawn["audit_matrix"][0].axes[0]
    methods = [label.get_text() for label in axis.get_yticklabels()]
    generators = [label.get_text().replace(" ", "_") for label in axis.get_xticklabels()]
    assert generators[-2:] == ["time_reversal", "scaling"] and "mirror" in generators
    rows = pd.read_csv(inputs["audit"]).query(
        "weights == 'trained' and dtype == 'float64' and generator == 'mirror'"
    )
    largest = rows.groupby("method")["rel_mean"].max()
    shown = [mesh.get_array().ravel()[generators.index("mirror")] for mesh in axis.collections]
    assert np.allclose(10.0 ** np.asarray(shown), largest[methods])
    boxes = {(round(p.get_x() + 0.45), round(p.get_y() + 0.4)): p for p in axis.patches}
    drawn_as = {method: boxes.get((0, row)) for row, method in enumerate(methods)}
    assert drawn_as["e3nn"].get_linestyle() != drawn_as["mlp_haar_mean"].get_linestyle()
    assert drawn_as["mlp"] is None and drawn_as["mlp_rotated"] is not None


def test_loss_percent_counts_those_without_loss_and_names_the_worst(drawn, inputs):
    rows = pd.read_csv(inputs["audit"]).query(
        "weights == 'trained' and dtype == 'float64' and generator == 'rotation' and task == "
        "'chain_k3'"
    )
    share = rows.groupby("method")["loss_percent"].mean()
    words = f"chain_k3: for {sum(share < 0.01)} of {len(share)} methods"
    assert (
        words in drawn["audit_loss_percent"][1]
        and f"({share.idxmax()})" in drawn["audit_loss_percent"][1]
    )


@pytest.mark.parametrize(("name", "unit"), [("angle", "{:g} degrees"), ("training", "epoch {:g}")])
def test_curves_count_rounding_and_name_the_largest_error(name, unit, drawn, inputs):
    rows = pd.read_csv(inputs["probes"]).query("probe == @name and task == 'chain_k1'")
    below = rows.assign(below=rows["value"] <= 10 * 5e-14).groupby("method")["below"].all()
    top = rows.loc[rows["value"].idxmax()]
    text = drawn[f"audit_{name}"][1].split(";")
    assert f"{below.sum()} of {len(below)} methods stay at rounding" in text[0]
    assert f"{top['method']}, {style.sig(top['value'])} at {unit.format(top['x'])}" in text[1]


def test_worst_rotation_gives_the_largest_ratio_to_random(drawn):
    assert drawn["audit_worst"][1].endswith(
        "1.50 times."
    )  # 3 to 2 for every method in the invented table


def test_continuity_tells_flat_from_growing(drawn):
    assert "13 of 14 methods" in drawn["audit_continuity"][1]
    assert "the largest of the others: mlp_axes 13,000" in drawn["audit_continuity"][1]


def test_lie_names_the_largest_derivative(drawn, inputs):
    rows = pd.read_csv(inputs["probes"]).query("probe == 'lie' and item == 'rotation'")
    top = rows.loc[rows["value"].idxmax()]
    words = f"under rotation the largest is {style.sig(top['value'])} ({top['method']} on {top['task']})"
    assert words in drawn["audit_lie"][1]


def test_perturbation_names_the_frame_that_swings(drawn):
    text = drawn["alignment_perturbation"][1]
    assert (
        "in vector01" in text
        and "most in vector01" in text
        and "is 10.5, of point 11 when point 0 moves" in text
    )


def test_eigengap_gives_the_share_near_degenerate(drawn):
    share = (0.1 - 0.02) / 0.95  # the invented gaps lie evenly between 0.02 and 0.97
    assert f"{100 * share:.3g} % of the frames are below 0.1" in drawn["alignment_eigengap"][1]


PROBED = [
    "audit_angle",
    "audit_training",
    "audit_rollout",
    "audit_worst",
    "audit_lie",
    "audit_continuity",
]


@pytest.mark.parametrize("name", PROBED)
def test_a_figure_without_rows_says_so_in_words(name, inputs, tmp_path):
    table = pd.read_csv(inputs["probes"])
    table[table["probe"] == "stabiliser"].to_csv(tmp_path / "probes.csv", index=False)
    figure, finding = figures.load(name).draw(inputs | {"probes": tmp_path / "probes.csv"})
    assert not figure.axes and figure.texts and "0 rows" in finding


@pytest.mark.parametrize(
    "name", ["audit_matrix", "audit_angle", "rotated", "alignment_diagnostics"]
)
def test_nothing_that_is_written_overlaps_with_thirty_methods(name, many):
    figure, _ = figures.load(name).draw(many)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axis in figure.axes:
        upright = [
            text
            for text in (*axis.get_yticklabels(), *axis.texts)
            if text.get_text() and not text.get_rotation()
        ]
        boxes = [
            Text.get_window_extent(text, canvas.get_renderer()) for text in upright
        ]  # without leader lines
        for number, box in enumerate(boxes):
            close = [b for b in boxes[:number] if b.shrunk(0.9, 0.7).overlaps(box.shrunk(0.9, 0.7))]
            assert not close, upright[number].get_text()


def test_initial_and_trained_counts_the_equivariant(drawn, inputs):
    rows = pd.read_csv(inputs["audit"]).query("generator == 'rotation' and dtype == 'float64'")
    exact = sum(part["rel_mean"].max() < 1e-10 for _, part in rows.groupby("method"))
    assert f"{exact} of {rows['method'].nunique()} methods" in drawn["audit_initial_trained"][1]


def test_rollout_gives_the_best_after_the_last_step(drawn, inputs):
    last = (
        pd.read_csv(inputs["rollout"])
        .query("step == 100 and task == 'chain_k3'")
        .groupby("method")["mse"]
        .median()
    )
    still = synthetic_tables.PERSISTENCE * 100**1.6
    assert (
        f"{last.idxmin()} is best with {three(last.min())} (no motion {still:.4f})"
        in drawn["rollout"][1]
    )
    assert (
        f"{sum(last > 1.001 * still)} of {len(last)} methods do worse"
        in drawn["rollout"][1].split(";")[1]
    )


def test_rollout_names_the_seeds_that_explode_and_when(inputs, tmp_path):
    table = pd.read_csv(inputs["rollout"]).query(
        "task == 'chain_k3' and method in ('egnn', 'e3nn', 'persistence')"
    )
    still = table["mse"] / (1 - table["skill"])
    one = (table["method"] == "egnn") & (table["seed"] == 1) & (table["step"] >= 40)
    table.loc[one, "mse"], table.loc[one, "skill"] = 11 * still[one], -10.0
    table = table[~((table["method"] == "e3nn") & (table["step"] > 60 + 5 * table["seed"]))]
    table.to_csv(tmp_path / "rollout.csv", index=False)
    figure, text = figures.load("rollout").draw(inputs | {"rollout": tmp_path / "rollout.csv"})
    assert (
        "egnn (seed 1 of 2, after 40 steps)" in text
        and "e3nn (all seeds, after 61 to 66 steps)" in text
    )
    assert "persistence (" not in text
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.6]
    assert len(thin) == 5  # every seed
    ended = [line for line in thin if not np.isfinite(line.get_ydata()[-1])]
    assert sorted(np.isfinite(line.get_ydata()).sum() for line in ended) == [60, 65]


def test_physics_counts_those_that_stay_near_and_keep_their_bonds(drawn, inputs):
    table = pd.read_csv(inputs["physics"]).query(
        "task == 'chain_k3' and method not in ('persistence', 'constant_velocity')"
    )
    within = (
        table[table["quantity"] == "steps_to_bond_length"]
        .groupby("method")["predicted"]
        .apply(lambda p: p.isna().all())
    )
    last = (
        table.query("quantity == 'bond_length' and step == 100")
        .groupby("method")["distance"]
        .median()
    )
    off = (last > 0.036).sum() + 1  # and the one that ended before
    text = drawn["rollout_physics"][1].split(";")[1]
    assert (
        f"{within.sum()} stay within a bond length of the truth for 100 steps (" in text
        and f"at the end {off} have bond lengths that are wrong by over 10 %," in text
    )
    assert "e3nn has the most accurate drift of energy" in text
    assert text.endswith("(truth: 0.100).")
    assert " kJ/mol after " in text
    labels = {axis.get_ylabel() for axis in drawn["rollout_physics"][0].axes}
    assert {
        "bond length\n(nm)",
        "drift of energy\n(kJ/mol)",
        "drift of momentum\n(u nm/ps)",
    } <= labels


def test_rollouts_of_a_single_step_are_no_picture(inputs, tmp_path):
    """One step is what the figures of accuracy show."""
    for name in ("rollout", "physics"):
        pd.read_csv(inputs[name]).query("step == 1").to_csv(tmp_path / f"{name}.csv", index=False)
    short = inputs | {name: tmp_path / f"{name}.csv" for name in ("rollout", "physics")}
    for name in ("rollout", "rollout_physics"):
        assert figures.load(name).draw(short)[1].endswith(": 0 rows.")


def test_thirty_names_fit_below_the_physics(many):
    figure, _ = figures.load("rollout_physics").draw(many)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    names, page = figure.legends[0].get_window_extent(canvas.get_renderer()), figure.bbox
    assert page.x0 <= names.x0 and names.x1 <= page.x1 and page.y0 <= names.y0
    assert all(axis.get_window_extent().y0 > names.y1 for axis in figure.axes)


def test_the_floor_is_a_line_in_the_accuracy_that_says_what_it_is(drawn, inputs):
    names = {
        axis.get_title(loc="left"): {text.get_text(): text for text in axis.texts}
        for axis in drawn["accuracy"][0].axes
    }
    floors = pd.read_csv(inputs["floor"]).set_index("task")["floor"]
    assert names["chain_k1"]["floor"].get_position()[0] == pytest.approx(floors["chain_k1"])
    assert names["chain_k3"]["lower bound"].get_position()[0] == pytest.approx(floors["chain_k3"])


def test_a_floor_beyond_the_axis_is_given_as_a_number(inputs, tmp_path):
    table = pd.read_csv(inputs["floor"]).assign(floor=1e-30)
    table.to_csv(tmp_path / "floor.csv", index=False)
    figure, _ = figures.load("accuracy").draw(inputs | {"floor": tmp_path / "floor.csv"})
    assert all(any("1.00e-30" in text.get_text() for text in axis.texts) for axis in figure.axes)


def test_learning_curves_give_the_lowest_validation_error(drawn, inputs):
    table = pd.read_csv(inputs["history"])
    for task, rows in table.groupby("task"):
        best = rows.sort_values("validation_mse").iloc[0]
        assert (
            f"{task}: {best.method} at {three(best.validation_mse)} (epoch {best.epoch})"
            in drawn["learning_curves"][1]
        )


def test_cost_gives_the_time_of_the_most_accurate(drawn, metrics):
    runs = metrics[(metrics["task"] == "chain_k3") & (~metrics["model"].isin(style.BASELINES))]
    best = runs.groupby("method")["mse"].mean().idxmin()
    seconds = runs[runs["method"] == best]["train_seconds"].mean()
    assert f"{best} reaches" in drawn["cost"][1] and f"in {seconds:.1f} s" in drawn["cost"][1]


def test_history_gain_compares_shortest_and_longest(drawn, metrics):
    one, three_frames = (
        metrics[metrics["history"] == k].groupby("method")["mse"].mean().min() for k in (1, 3)
    )
    assert f"a factor of {one / three_frames:,.0f}" in drawn["history_gain"][1]


def test_alignment_gives_the_largest_gain(drawn):
    text = drawn["alignment_diagnostics"][1]
    assert (
        "2 of 6 alignments" in text
        and "(three_points and vector01)" in text
        and "1.3 %" in text
        and "is 11.0, of the alignment 'principal_axes'" in text
    )
    assert "2 of these on degenerate points too" in text


def test_prediction_examples_give_the_relative_error(drawn, inputs):
    with h5py.File(inputs["examples"]) as file:
        truth, newest, guess = (file[f"chain_k3/{name}"][()] for name in (TRUTH, NEWEST, "e3nn"))
    error = np.linalg.norm(guess - truth) / np.linalg.norm(truth - newest)
    assert f"e3nn {100 * error:.3g} %" in drawn["prediction_examples"][1]


def command(*words: object) -> subprocess.CompletedProcess:
    return called("figure.py", *words)


def test_the_command_writes_three_files_the_same_twice(inputs, tmp_path):
    files = ["--input", *(f"{key}={inputs[key]}" for key in figures.inputs("accuracy"))]
    for folder in ("one", "two"):
        done = command("accuracy", *files, "--folder", tmp_path / folder)
        assert done.returncode == 0, done.stderr
    made = ["accuracy.json", "accuracy.png", "accuracy.svg"]
    assert {p.name for p in (tmp_path / "one").iterdir()} == {
        *made,
        *(f".{name}.sha256" for name in made),
    }
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    words = json.loads((tmp_path / "one" / "accuracy.json").read_text())
    assert set(words) == {"caption", "finding", "title", "methods", "panels", "series"} and all(
        words.values()
    )
    summary = (
        pd.read_csv(inputs["summary"])
        .query("train_size == 'all'")
        .set_index(["task", "method"])["mse_mean"]
    )
    for one in words["series"]:
        known = summary[words["panels"][one["panel"]]["title"], one["method"]]
        assert len(one["points"]) > 1 or one["points"][0][2] == pytest.approx(known, rel=1e-5)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["acuracy"], "Did you mean 'accuracy'?"),
        (["accuracy"], "give --input summary=PATH"),
        (
            ["accuracy", *(f"--input={key}=/no/such.csv" for key in ("summary", "audit", "floor"))],
            "no such file: summary=/no/such.csv",
        ),
    ],
)
def test_the_command_says_what_is_wrong(words, expected, tmp_path):
    done = command(*words, "--folder", tmp_path)
    assert (
        done.returncode == 1
        and done.stderr.splitlines()[1].startswith("error: ")
        and expected in done.stderr
    )
    assert not list(tmp_path.iterdir())


def test_of_a_large_study_a_part_is_drawn_that_says_so(inputs, tmp_path):
    summary = pd.read_csv(inputs["summary"])
    more = [
        summary.assign(task=summary["task"] + f"_{n}", method=summary["method"] + f"_{n}")
        for n in range(20)
    ]
    large = pd.concat(more)
    (tmp_path / "study").mkdir()
    large.to_csv(tmp_path / "study/summary.csv", index=False)
    paths, words = part(inputs | {"summary": tmp_path / "study/summary.csv"}, tmp_path)
    drawn, n_tasks, n_methods = (
        pd.read_csv(paths["summary"]),
        large["task"].nunique(),
        large["method"].nunique(),
    )
    assert n_tasks > TASKS and words.startswith(
        f"Shown are {TASKS} of {n_tasks} tasks and {METHODS} of {n_methods}"
    )
    assert list(drawn["task"].unique()) == list(large["task"].unique()[:TASKS])
    best = large[large["task"].isin(drawn["task"])].groupby("task")["mse_mean"].min()
    pd.testing.assert_series_equal(drawn.groupby("task")["mse_mean"].min(), best)


def test_a_study_that_fits_a_page_is_drawn_whole(many, tmp_path):
    assert part(many, tmp_path) == (many, "")


def test_errors_are_compared_with_what_the_cheaper_method_spent():
    from equitraj.report.figures import compute

    rows = [
        {"task": "t", "method": m, "train_size": "all", "seed": 0, "epoch": e, "validation_mse": v}
        for m, errors in (("a", [4.0, 2.0, 1.0, 0.5]), ("b", [8.0, 9.0, 6.0, 3.0]))
        for e, v in enumerate(errors)
    ]
    costs = [("a", 8.0, 100.0), ("b", 4.0, 400.0)]
    metrics = [
        {"task": "t", "method": m, "train_size": "all", "seed": 0, "train_seconds": s, "flops": f}
        for m, s, f in costs
    ]
    table = compute.curves(pd.DataFrame(metrics), pd.DataFrame(rows))
    # after 4 s, a has done two epochs and b all four; after 100 operations a all four and b one
    assert compute.at_equal_budget(table, "t", ("a", "b"), "seconds") == 3.0 / 2.0
    assert compute.at_equal_budget(table, "t", ("a", "b"), "operations") == 8.0 / 0.5
    assert compute.at_equal_budget(table, "t", ("a", "none"), "seconds") is None

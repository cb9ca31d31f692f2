"""The tiny study: every promised file and column, nothing run twice, the same numbers again."""

import json
import os
import re

import h5py
import numpy as np
import pytest

from study import SMALL, TABLES, TINY, assert_same_results, snakemake, table

COLUMNS = {
    "metrics": "task method model alignment augmentation history train_size seed status "
    "n_parameters mse rmse "
    "mse_persistence mse_velocity skill skill_velocity r2 mse_rotated train_seconds "
    "compile_seconds frames_per_second "
    "flops last_fall peak_memory_mb device mse_median worst_share",
    "audit": "task method train_size seed weights dtype generator samples abs_mean abs_low "
    "abs_high abs_p95 abs_max "
    "out_mean out_low out_high out_p95 out_max rel_mean rel_low rel_high rel_p95 rel_max "
    "loss_total loss_twirled "
    "loss_variance loss_percent identity_error noise_floor verdict claim agrees",
    "probes": "task method train_size seed probe item x value low high floor verdict",
    "controls": "task method train_size seed control generator rel_mean noise_floor verdict "
    "expected",
    "rollout": "task method train_size seed step mse skill",
    "physics": "task method train_size seed quantity step predicted truth distance",
    "floor": "task floor low high kind states repetitions",
    "alignment": "task alignment jump_rate eigengap_p01 perturbation_gain far_share rotation_error "
    "reflection_error "
    "rotation_error_planar rotation_error_collinear rotation_error_symmetric "
    "rotation_error_coincident",
    "perturbation": "task alignment moved point gain",
    "eigengap": "task quantile gap",
    "isotropy": "task frames statistic p_value verdict",
    "worst": "task method train_size seed sample mse",
    "blocks": "task method train_size seed block samples mse mse_rotated",
    "routes": "task method against route train_size samples seeds mse mse_low mse_high mse_against "
    "ratio ratio_low "
    "ratio_high p p_holm mse_rotated mse_rotated_low mse_rotated_high mse_rotated_against "
    "ratio_rotated "
    "ratio_rotated_low ratio_rotated_high p_rotated p_rotated_holm comparisons",
    "data_factors": "task method against route measure sizes smallest largest seeds factor low "
    "high bound",
    "power_laws": "task method measure sizes smallest largest seeds exponent low high misses_by",
}
EUCLIDEAN = ("rotation", "inversion", "mirror", "translation", "euclidean")
EQUIVARIANT = ("tiny_egnn", "tiny_gate_points", "tiny_e3nn", "persistence", "autoregression")


def planned(folder, *arguments: str) -> set[str]:
    """Outputs of the training jobs of a dry run, as task/method."""
    out = snakemake(folder, "-n", *arguments).stdout
    return set(re.findall(r"(?:Training|Fitting) (\w+) on \w+", out))


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_the_promised_columns(tiny, name):
    assert list(table(tiny, name).columns) == COLUMNS[name].split()


def test_every_run_folder_is_complete(tiny):
    folder = tiny / "results/runs/tiny_k3/tiny_egnn/nall/seed1"
    promised = "model.safetensors run.json history.csv metrics.json predictions.h5 rollout.csv rollout.h5 physics.csv "
    promised = (promised + "audit.csv probes.csv controls.csv").split()
    records = [f".{name}.sha256" for name in promised]
    marks = [f".{step}.mark" for step in ("trained", "evaluated", "audited")]
    assert sorted(p.name for p in folder.iterdir()) == sorted([*promised, *records, *marks])
    with h5py.File(folder / "predictions.h5") as file:
        mse = np.mean((file["prediction"][()] - file["target"][()]) ** 2)
    assert json.loads((folder / "metrics.json").read_text())["mse"] == pytest.approx(mse, rel=1e-12)


def test_a_failed_method_is_a_row_with_its_reason_and_no_numbers(tiny):
    metrics = table(tiny, "metrics")
    failed = metrics[metrics.method == "tiny_diverging"]
    assert len(failed) == 4 and failed.status.str.startswith("failed: Diverged").all()
    assert failed.mse.isna().all() and failed.mse_persistence.notna().all()
    assert (metrics[metrics.method != "tiny_diverging"].status == "ok").all()
    assert "tiny_diverging" in (tiny / "reports/report.html").read_text()


def test_methods_that_need_more_history_are_left_out_of_the_task_that_lacks_it(tiny):
    metrics = table(tiny, "metrics")
    assert set(metrics[metrics.method == "autoregression"].task) == {"tiny_k3"}
    assert set(metrics[metrics.method == "persistence"].task) == {"tiny_k1", "tiny_k3"}


def test_equivariant_methods_err_alike_on_rotated_data_and_the_audit_says_why(tiny):
    metrics, audit = table(tiny, "metrics"), table(tiny, "audit")
    equivariant = metrics[metrics.method.isin(EQUIVARIANT)]
    np.testing.assert_allclose(
        equivariant.mse_rotated, equivariant.mse, rtol=1e-4
    )  # float32 predictions
    rows = audit[audit.method.isin(EQUIVARIANT) & audit.generator.isin(EUCLIDEAN)]
    assert (rows[rows.dtype == "float32"].rel_mean < 1e-5).all()
    assert (rows[rows.dtype == "float64"].rel_mean < 1e-12).all()
    assert set(rows[rows.method == "tiny_egnn"].weights) == {"initial", "trained"}
    mlp = audit[(audit.method == "tiny_mlp") & audit.generator.isin(["rotation", "mirror"])]
    assert (mlp.rel_mean > 1e-2).all() and (mlp.verdict == "broken").all()


def test_an_alignment_that_does_not_hold_what_it_claims_is_marked(tiny):
    audit = table(tiny, "audit")
    rows = audit[(audit.method == "tiny_mlp_principal_axes") & (audit.generator == "rotation")]
    assert (rows.claim == "exact").all() and (rows.agrees == "no").any()


def test_errors_in_blocks_are_those_of_the_metrics_and_failed_runs_have_none(tiny):
    metrics, blocks = table(tiny, "metrics"), table(tiny, "blocks")
    keys = ["task", "method", "train_size", "seed"]
    assert "tiny_diverging" not in set(blocks.method)
    for name in ("mse", "mse_rotated"):
        total = (blocks[name] * blocks["samples"]).groupby([blocks[key] for key in keys]).sum()
        mean = total / blocks.groupby(keys)["samples"].sum()
        whole = metrics[metrics.status == "ok"].set_index(keys)[name]
        np.testing.assert_allclose(mean.loc[whole.index], whole, rtol=1e-9)


def test_routes_are_ratios_of_typical_errors(tiny):
    """Geometric means over the seeds that both have."""
    routes, metrics = table(tiny, "routes"), table(tiny, "metrics")
    assert (
        set(routes.method) == {"tiny_mlp_principal_axes", "tiny_egnn"}
        and (routes.against == "tiny_mlp").all()
    )
    assert set(routes[routes.method == "tiny_egnn"].route) == {"built in"}
    typical = np.exp(
        np.log(metrics[metrics.status == "ok"].set_index(["task", "method"])["mse"])
        .groupby(level=[0, 1])
        .mean()
    )
    for row in routes.itertuples():
        assert row.mse == pytest.approx(typical[row.task, row.method], rel=1e-9)
        assert row.ratio == pytest.approx(typical[row.task, "tiny_mlp"] / row.mse, rel=1e-9)


def test_naming_what_a_method_is_compared_with_trains_nothing(tiny, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("methods: { tiny_e3nn: { against: tiny_mlp } }")
    out = snakemake(tiny, "-n", also=more).stdout
    assert "Comparing routes" in out and not re.findall(
        r"(?:Training|Fitting|Evaluating|Auditing) (\w+) on", out
    )


def test_only_the_largest_training_size_is_audited_where_that_is_asked(fresh, tmp_path):
    more = tmp_path / "more.yaml"
    sizes = "study: { tasks: [tiny_k3], methods: [persistence, tiny_mlp], train_sizes: [all, 50], seeds: [0] }\n"
    more.write_text(f"{sizes}audit: {{ sizes: largest }}")
    result = snakemake(fresh, "results/tables/audit.csv", also=more)
    assert result.returncode == 0, result.stdout[-3000:]
    assert (
        set(table(fresh, "audit").train_size) == set(table(fresh, "probes").train_size) == {"all"}
    )
    metrics = table(fresh, "metrics").set_index(["method", "train_size"])
    assert set(metrics.index) == {
        (m, size) for m in ("persistence", "tiny_mlp") for size in ("all", "50")
    }
    assert metrics.flops["tiny_mlp", "50"] == metrics.flops["tiny_mlp", "all"] > 0  # one budget
    assert metrics.mse["tiny_mlp", "50"] != metrics.mse["tiny_mlp", "all"]
    assert not list((fresh / "results/runs/tiny_k3/tiny_mlp/n50").rglob("audit.csv"))


def test_figures_and_report_are_there(tiny):
    figures = tiny / "results" / "figures"
    names = {p.stem for p in figures.glob("*.svg")}
    assert {"accuracy", "audit_matrix", "rollout", "rollout_physics"} <= names
    assert all((figures / f"{n}.png").stat().st_size > 5000 for n in names)
    html = (tiny / "reports/report.html").read_text()
    assert not re.search(r'(?:src|href)="https?://[^"]+\.(?:js|css|png|svg)', html)


def test_every_probe_of_the_audit_has_rows(tiny):
    probes = table(tiny, "probes")
    every = {
        "angle",
        "worst_rotation",
        "training",
        "rollout",
        "stabiliser",
        "continuity",
        "lie",
        "lie_layer",
    }
    assert set(probes[probes.method == "tiny_e3nn"].probe) == every
    assert np.isfinite(probes[probes.method == "tiny_e3nn"].value).all()


def test_the_film_shows_the_alignments_that_the_study_has_and_without_any_there_is_none(fresh):
    jobs = snakemake(fresh, "-n", "-p", "results/figures/film.gif").stdout
    assert (
        "principal_axes=results/aligned/tiny_k1/principal_axes.h5" in jobs
        and "vector01" not in jobs
    )
    without = snakemake(fresh, "-n", "-p", also=SMALL).stdout
    assert "report.py" in without and "film.py" not in without and "--film" not in without


def test_the_film_is_embedded_in_the_report(tiny):
    assert (tiny / "results/figures/film.gif").read_bytes()[:6] == b"GIF89a"
    assert "data:image/gif;base64," in (tiny / "reports/report.html").read_text()


def test_running_again_does_nothing(tiny):
    assert "Nothing to be done" in snakemake(tiny).stdout


def test_touching_every_file_reruns_nothing(tiny):
    for folder, _, names in os.walk(tiny):
        if ".snakemake" not in folder:
            for name in names:
                os.utime(os.path.join(folder, name))
    assert "Nothing to be done" in snakemake(tiny).stdout


def test_editing_a_model_retrains_its_runs_and_no_other(tiny):
    path = tiny / "workflow/scripts/equitraj/models/mlp.py"
    before = path.read_text()
    try:
        path.write_text(before + "\nEDITED = True\n")
        assert planned(tiny) == {"tiny_mlp", "tiny_mlp_principal_axes", "tiny_diverging"}
    finally:
        path.write_text(before)
    assert planned(tiny) == set()


def test_changing_an_option_retrains_that_method_only(tiny, tmp_path):
    changed = tmp_path / "changed.yaml"
    changed.write_text(
        TINY.read_text().replace(
            "tiny_egnn: { model: egnn, alignment: centre_of_mass, options: { width: 8",
            "tiny_egnn: { model: egnn, alignment: centre_of_mass, options: { width: 4",
        )
    )
    out = snakemake(tiny, "-n", configfile=changed).stdout
    assert set(re.findall(r"(?:Training|Fitting) (\w+) on \w+", out)) == {"tiny_egnn"}


def test_a_part_of_the_study_run_again_from_scratch_gives_identical_tables(tiny, fresh, tmp_path):
    part = tmp_path / "part.yaml"
    part.write_text("study: { tasks: [tiny_k3], methods: [tiny_mlp, tiny_e3nn] }")
    result = snakemake(fresh, *(f"results/tables/{name}.csv" for name in TABLES), also=part)
    assert result.returncode == 0, result.stdout[-3000:]
    assert_same_results(fresh, tiny)


def test_snakemakes_own_report_works(tiny):
    result = snakemake(tiny, "--report", "snakemake-report.zip")
    assert result.returncode == 0 and (tiny / "snakemake-report.zip").stat().st_size > 10_000, (
        result.stdout[-3000:]
    )


def test_a_run_file_that_is_gone_is_made_again(tiny, tmp_path):
    path = tiny / "results/runs/tiny_k3/persistence/nall/seed1/predictions.h5"
    path.rename(tmp_path / path.name)
    try:
        out = snakemake(tiny, "-n").stdout
        made = re.findall(r"(Fitting|Training|Evaluating|Auditing|Collecting) (.+)", out)
        assert {verb: words.split(" (")[0] for verb, words in made} == {
            "Evaluating": "persistence on tiny_k3",
            "Collecting": f"the tables of {len(table(tiny, 'metrics'))} runs",
        }
    finally:
        (tmp_path / path.name).rename(path)
    assert "Nothing to be done" in snakemake(tiny, "-n").stdout


def test_an_added_seed_is_trained(tiny, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("study: { methods: [persistence, tiny_mlp], seeds: [0, 1, 2] }")
    for target in ([], ["results/tables/metrics.csv"]):
        out = snakemake(tiny, "-n", *target, also=more).stdout
        assert set(re.findall(r"(?:Training|Fitting) (\w+) on", out)) == {"persistence", "tiny_mlp"}
        assert set(re.findall(r"Evaluating (\w+) on", out)) == {"persistence", "tiny_mlp"}

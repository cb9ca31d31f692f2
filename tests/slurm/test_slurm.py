"""The study on a real Slurm cluster: from the same Snakefile to the same numbers, through failures
too."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import cluster

from study import TABLES, assert_same_results

RECOVER = ("workflow/scripts/recover.py",)
TRAINED = "results/runs/tiny_k3/{}/nall/seed0/run.json"


def test_the_study_reaches_its_report_with_the_numbers_of_a_local_run(on_cluster, tiny):
    assert (on_cluster / "reports/report.html").stat().st_size > 100_000
    assert_same_results(on_cluster, tiny)


def test_gpu_jobs_go_to_the_gpu_partition_and_see_a_device_of_their_own(slurm, on_cluster):
    jobs = slurm.queue(on_cluster)
    on_gpus = [job for job in jobs if "gpu" in job["comment"]]
    assert len(on_gpus) == 2 and {job["partition"] for job in on_gpus} == {"gpu"}
    assert {job["partition"] for job in jobs if job not in on_gpus} == {"cpu"}
    a, b, mlp = (
        json.loads((on_cluster / TRAINED.format(m)).read_text())
        for m in ("tiny_egnn", "tiny_e3nn", "tiny_mlp")
    )
    seen = {a["visible_device"], b["visible_device"]}  # CUDA_VISIBLE_DEVICES as Slurm set it
    assert seen <= {"0", "1"} and mlp["visible_device"] is None
    at_once = a["started"] < b["ended"] and b["started"] < a["ended"]
    assert len(seen) == 2 or not at_once


def test_jobs_of_seconds_share_submissions(slurm, on_cluster):
    steps = int(
        re.search(r"(\d+) of \1 steps \(100%\) done", (on_cluster / "run.log").read_text())[1]
    )
    submissions = len(slurm.queue(on_cluster))
    assert 4 * submissions <= steps, (submissions, steps)


def test_a_job_that_runs_out_of_memory_succeeds_with_more(slurm, fresh):
    small = "simulate:mem_mb=160 * 10 ** (attempt - 1)"  # two snakemake processes alone take more than 160 MB
    status, text = slurm.run(fresh, "results/data/tiny/raw.h5", "--set-resources", small)
    assert status == 0, text[-4000:]
    first, second = slurm.queue(fresh)
    assert (first["memory"], second["memory"]) == ("160M", "1600M")
    assert (first["time"], second["time"]) == ("1:00:00", "2:00:00")
    assert (first["state"], second["state"]) == ("FAILED", "COMPLETED")
    (log,) = (fresh / ".snakemake/slurm_logs").rglob(f"{first['number']}.log")
    assert re.search(
        r"[Ee]xceeded (job )?memory limit", log.read_text()
    )  # of the job, or of a step of it


def test_more_gpus_than_there_are_is_refused_by_name(slurm, on_cluster):
    target = TRAINED.format("tiny_egnn")
    status, text = slurm.run(
        on_cluster, target, "--forcerun", target, "--set-resources", "train_jax_gpu:gpu=3"
    )
    assert status != 0
    assert (
        "Error in rule train_jax_gpu" in text
        and "Requested node configuration is not available" in text
    )


def forget(folder: Path, method: str) -> list[str]:
    """Delete the runs of a method and the tables of the study; the tables, which then have to be
    made again."""
    shutil.rmtree(folder / "results/runs/tiny_k3" / method, ignore_errors=True)
    shutil.rmtree(folder / "results/tables", ignore_errors=True)
    return [f"results/tables/{name}.csv" for name in TABLES]


def test_an_interrupt_leaves_no_job_behind(slurm, on_cluster):
    running = slurm.start(on_cluster, *forget(on_cluster, "tiny_e3nn"))
    assert cluster.wait(lambda: slurm.queue(on_cluster, "running"), 120)
    os.kill(running.pid, signal.SIGINT)
    assert running.wait(60) != 0
    assert cluster.wait(lambda: not slurm.queue(on_cluster, "pending,running,completing"), 30)


def test_recovery_refuses_while_snakemake_runs_and_after_a_kill_gives_the_tables_of_an_undisturbed_run(
    slurm, on_cluster, tiny
):
    tables = forget(on_cluster, "tiny_egnn")
    killed = slurm.start(on_cluster, *tables)
    assert cluster.wait(lambda: slurm.queue(on_cluster, "running"), 120)
    status, text = slurm.run(on_cluster, *tables, program=RECOVER)
    assert status != 0 and f"Snakemake still runs in {on_cluster}" in text
    assert slurm.queue(on_cluster, "running"), "refusing cancels nothing"
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert slurm.queue(on_cluster, "running"), "its jobs go on: there is something to recover from"
    status, text = slurm.run(on_cluster, *tables, program=RECOVER)
    assert status == 0 and re.search(r"cancelling \d+ jobs", text), text[-4000:]
    assert_same_results(on_cluster, tiny)

"""Trainings on a machine with two pretended devices: each job borrows one for itself; without any,
all use the CPU."""

import json
import os
from itertools import combinations

import pytest

from study import snakemake

JOBS = [
    (task, method) for task in ("tiny_k1", "tiny_k3") for method in ("tiny_egnn", "tiny_e3nn")
] + [("tiny_k1", "tiny_mlp")]


@pytest.fixture()
def two_devices(tmp_path, monkeypatch):
    """A driver that lists two devices. No framework finds CUDA behind them, so that the trainings
    run on the CPU."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '0, Pretended A'\necho '1, Pretended B'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def records(folder) -> list[dict]:
    return [json.loads(path.read_text()) for path in (folder / "results/runs").rglob("run.json")]


def test_four_gpu_jobs_never_see_the_same_device_at_the_same_time(fresh, tmp_path, two_devices):
    (tmp_path / "one_seed.yaml").write_text("study: { seeds: [0] }")
    runs = [f"results/runs/{task}/{method}/nall/seed0/run.json" for task, method in JOBS]
    result = snakemake(fresh, *runs, cores=4, also=tmp_path / "one_seed.yaml")
    assert result.returncode == 0, result.stdout[-4000:]
    of_gpu = [r for r in records(fresh) if r["method"]["model"] != "mlp"]
    assert len(of_gpu) == 4 and {r["visible_device"] for r in of_gpu} == {"0", "1"}
    pairs = [
        (a, b)
        for a, b in combinations(of_gpu, 2)
        if a["started"] < b["ended"] and b["started"] < a["ended"]
    ]
    assert pairs, "no two trainings overlapped: nothing was shown"
    assert all(a["visible_device"] != b["visible_device"] for a, b in pairs)
    assert all(r["visible_device"] is None for r in records(fresh) if r["method"]["model"] == "mlp")


def test_asking_for_cuda_where_there_is_none_fails_at_the_start(fresh, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    result = snakemake(fresh, "-n", "--config", "device=cuda")
    assert result.returncode != 0
    assert (
        "device: cuda is asked for, but there is none (CUDA_VISIBLE_DEVICES is ''" in result.stdout
    )
    assert not (fresh / "results").exists()


def test_where_torch_finds_no_cuda_the_run_that_asked_for_it_is_a_row_that_says_so(
    fresh, two_devices
):
    target = "results/runs/tiny_k1/tiny_e3nn/nall/seed0/run.json"
    result = snakemake(fresh, target, "--config", "device=cuda")
    assert result.returncode == 0, result.stdout[-4000:]
    (record,) = [r for r in records(fresh) if r["seed"] == 0]
    assert record["status"].startswith("failed: RuntimeError: device: cuda asked for, but torch")


def test_a_record_names_device_precision_and_threads(tiny):
    record = json.loads((tiny / "results/runs/tiny_k1/tiny_e3nn/nall/seed0/run.json").read_text())
    expected = {"device": "cpu", "visible_device": None, "precision": "float32", "threads": 1}
    assert {key: record[key] for key in expected} == expected

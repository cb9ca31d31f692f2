"""Snakemake killed on one machine: `recover.py` ends what it left running and goes on to the same
numbers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from safetensors.numpy import load_file

from study import checkout, command, environment

WEIGHTS = "results/runs/tiny_k3/tiny_e3nn/nall/seed1/model.safetensors"


def trainings(folder: Path) -> list[str]:
    """Processes that train in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder and "scripts/train.py" in (
                process / "cmdline"
            ).read_text():
                found.append(process.name)
        except OSError:
            continue
    return found


def test_after_a_kill_what_was_left_running_is_ended_and_the_same_weights_come_out(tiny, tmp_path):
    folder = checkout(tmp_path / "killed").resolve()
    call = command(WEIGHTS, "--cores", "2")
    running = subprocess.Popen(
        call, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not trainings(folder):
        assert running.poll() is None
        time.sleep(0.1)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    half = folder / "results/data/tiny/.lifted.h5.another-node.1.part"
    half.write_text("half")
    left = trainings(folder)
    assert left, "a killed Snakemake leaves its jobs running"
    queue = (
        tmp_path / "bin/squeue"
    )  # an empty queue, whatever clusters other tests have running at the time
    queue.parent.mkdir()
    queue.write_text("#!/bin/sh\n")
    queue.chmod(0o755)
    recover = [sys.executable, "workflow/scripts/recover.py", *call[3:]]
    variables = environment()
    variables["PATH"] = f"{queue.parent}:{variables['PATH']}"
    done = subprocess.run(recover, cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "a job left behind" in done.stderr and not trainings(folder) and not half.exists()
    ours, theirs = (load_file(place / WEIGHTS) for place in (folder, tiny))
    assert ours.keys() == theirs.keys() and all((ours[name] == theirs[name]).all() for name in ours)

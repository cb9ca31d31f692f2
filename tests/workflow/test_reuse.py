"""The workflow as a part of something larger: imported by another workflow, its results in a remote
storage."""

import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pandas as pd
import pytest
import yaml

from study import (
    REPOSITORY,
    SMALL,
    TABLES,
    TINY,
    assert_same_results,
    command,
    environment,
    merged,
    snakemake,
)

IMPORTING = """
import yaml

module equitraj:
    snakefile: {snakefile!r}
    config: yaml.safe_load(open("study.yaml"))

use rule * from equitraj as equitraj_*

rule best:
    default_target: True
    input: "ours/results/tables/summary.csv"
    output: "best.txt"
    shell: "sort -t, -k 1,1 {{input}} | head -1 > {{output}}"
"""


def test_another_workflow_imports_it_as_a_module(tmp_path):
    files = [REPOSITORY / "config.yaml", TINY, SMALL]
    own = {"study": {"methods": ["persistence", "autoregression"], "seeds": [0]}}
    own["pathvars"] = {
        name: f"ours/{name}" for name in ("results", "logs", "benchmarks", "reports")
    }
    study = merged(*(yaml.safe_load(path.read_text()) for path in files), own)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    (tmp_path / "Snakefile").write_text(IMPORTING.format(snakefile=str(REPOSITORY / "Snakefile")))
    call = command("--cores", "2")
    call = call[: call.index("--configfile")]
    done = subprocess.run(call, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert (tmp_path / "best.txt").stat().st_size
    summary = pd.read_csv(tmp_path / "ours/results/tables/summary.csv")
    assert set(summary.method) == {"persistence", "autoregression"}


def test_an_address_in_place_of_a_folder_is_refused_in_one_line(tmp_path):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(REPOSITORY))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/Snakefile"
        shutil.copy(REPOSITORY / "config.yaml", tmp_path / "study.yaml")
        (tmp_path / "Snakefile").write_text(IMPORTING.format(snakefile=address))
        call = [sys.executable, "-m", "snakemake", "-n", "--cores", "1"]
        done = subprocess.run(call, cwd=tmp_path, env=environment(), capture_output=True, text=True)
        server.shutdown()
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith(
        "equitraj runs from a folder; clone it, and name the Snakefile of the clone"
    )


@pytest.mark.skipif(
    shutil.which("rsync") is None, reason="the file system's storage plugin needs rsync"
)
def test_results_live_in_a_remote_storage(fresh, tmp_path, tiny):
    remote = tmp_path / "remote"
    remote.mkdir()
    study = tmp_path / "two.yaml"
    study.write_text(
        SMALL.read_text().replace(
            "[persistence, tiny_mlp, tiny_egnn, tiny_e3nn]", "[persistence, tiny_mlp]"
        )
    )
    storage = ["--default-storage-provider", "fs", "--default-storage-prefix", str(remote)]
    wanted = [f"results/tables/{name}.csv" for name in TABLES] + ["results/figures/accuracy.svg"]
    result = snakemake(fresh, *wanted, *storage, also=study)
    assert result.returncode == 0, result.stdout[-4000:]
    assert (remote / "results/figures/accuracy.svg").stat().st_size > 5_000
    assert not (fresh / "results/runs").exists() and not (remote / "workflow").exists()
    assert_same_results(remote, tiny)

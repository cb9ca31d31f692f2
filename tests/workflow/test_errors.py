"""Bad input is refused when the workflow is parsed, in one line without Snakemake's frames around it."""

import hashlib
import http.server
import subprocess
import threading

import numpy as np
import pytest
import yaml

from study import command, environment, snakemake

# One of each way that a configuration is found wrong; tests/unit/wrong_configurations.py lists them all.
CASES = {
    "{studdy: {}}": "configuration: the configuration: unknown key 'studdy'; allowed: ",
    "{methods: {mine: {model: mlp, training: {ema: 1.5}}}}": "configuration: methods.mine.training.ema: 1.5; expected ",
    "{study: {figures: []}}": "configuration: study.figures: []; expected at least 1",
    "{tasks: {tiny_k1: {split: {train: .inf}}}}": "configuration: tasks.tiny_k1.split.train: inf; expected a finite",
    "{methods: {1: {model: mlp}}}": "configuration: methods: the key 1 is not text; write it in quotes",
    "{study: {seeds: &all [*all]}}": "configuration: /",
    "{audit: {samples: 8}, audit: {samples: 9}}": "configuration: /",
}
SNAKEMAKE_S_OWN = ("Using workflow specific profile", "Config file config.yaml is extended")


@pytest.mark.parametrize("text", CASES)
def test_a_wrong_configuration_is_refused_in_one_line(fresh, tmp_path, text):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    call = [*command("--cores", "1"), str(path)]
    for arguments in (["-n"], []) if "ema" in text else (["-n"],):
        done = subprocess.run([*call, *arguments], cwd=fresh, env=environment(), capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if not line.startswith(SNAKEMAKE_S_OWN)]
        assert done.returncode == 1 and len(said) == 1 and said[0].startswith(CASES[text]), done.stderr
        assert "Traceback" not in done.stdout and "rror" not in done.stdout, done.stdout
    assert not (fresh / "results").exists()


def test_a_damaged_config_yaml_is_refused_by_its_line(fresh):
    (fresh / "config.yaml").write_text("device: auto\nsources:\n\tchain: {}\n")
    result = snakemake(fresh, "-n")
    assert result.returncode == 1
    assert "configuration: config.yaml, line 3, column 1: " in result.stdout.splitlines()[-1], result.stdout


@pytest.fixture()
def server(tmp_path):
    """A web server with `walk.npz`, 200 frames of 4 points in a plane."""
    folder = tmp_path / "www"
    folder.mkdir()
    walk = np.cumsum(np.random.default_rng(0).normal(size=(200, 4, 2)), axis=0)
    np.savez(folder / "walk.npz", arr=walk)
    handler = lambda *args: http.server.SimpleHTTPRequestHandler(*args, directory=folder)  # noqa: E731
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield (
            f"http://127.0.0.1:{httpd.server_port}/walk.npz",
            hashlib.sha256((folder / "walk.npz").read_bytes()).hexdigest(),
        )
        httpd.shutdown()


def download_study(path, url: str, sha256: str):
    source = {"kind": "download", "url": url, "sha256": sha256, "array": "arr", "lift": "zeros"}
    path.write_text(yaml.safe_dump({"sources": {"walk": source}}))
    return path


def test_a_download_with_the_right_checksum_becomes_a_trajectory(fresh, tmp_path, server):
    study = download_study(tmp_path / "study.yaml", *server)
    result = snakemake(fresh, "results/data/walk/lifted.h5", configfile=study)
    assert result.returncode == 0, result.stdout[-3000:]


def test_a_download_with_a_wrong_checksum_fails_and_leaves_nothing(fresh, tmp_path, server):
    url, found = server
    study = download_study(tmp_path / "study.yaml", url, "0" * 64)
    result = snakemake(fresh, "results/data/walk/lifted.h5", configfile=study)
    assert result.returncode != 0
    assert not [text for text in (url, "0" * 64, found, "mirror") if text not in result.stdout], result.stdout[-3000:]
    assert not list((fresh / "results" / "data").rglob("*.*"))

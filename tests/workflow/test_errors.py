"""Bad input is refused when the workflow is parsed, in one line without Snakemake's frames around
it."""

import hashlib
import http.server
import json
import sys
import threading

import numpy as np
import pytest
import yaml

from study import SMALL, snakemake

# One of each way that a configuration is found wrong; tests/unit/wrong_configurations.py lists them
# all.
CASES = {
    "{studdy: {}}": "configuration: the configuration: unknown key 'studdy'; allowed: ",
    "{methods: {mine: {model: mlp, training: {ema: 1.5}}}}": "configuration: "
    "methods.mine.training.ema: 1.5; expected ",
    "{study: {figures: []}}": "configuration: study.figures: []; expected at least 1",
    "{tasks: {tiny_k1: {split: {train: .inf}}}}": "configuration: tasks.tiny_k1.split.train: inf; "
    "expected a finite",
    "{methods: {1: {model: mlp}}}": "configuration: methods: the key 1 is not text; write it in "
    "quotes",
    "{study: {seeds: &all [*all]}}": "configuration: /",
    "{audit: {samples: 8}, audit: {samples: 9}}": "configuration: /",
}
SNAKEMAKE_S_OWN = ("Using workflow specific profile", "Config file config.yaml is extended")


@pytest.mark.parametrize("text", CASES)
def test_a_wrong_configuration_is_refused_in_one_line(fresh, tmp_path, text):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    for arguments in (["-n"], []) if "ema" in text else (["-n"],):
        done = snakemake(fresh, *arguments, also=path)
        said = [line for line in done.stdout.splitlines() if not line.startswith(SNAKEMAKE_S_OWN)]
        assert done.returncode == 1 and len(said) == 1 and said[0].startswith(CASES[text]), (
            done.stdout
        )
    assert not (fresh / "results").exists()


def test_a_damaged_config_yaml_is_refused_by_its_line(fresh):
    (fresh / "config.yaml").write_text("device: auto\nsources:\n\tchain: {}\n")
    result = snakemake(fresh, "-n")
    assert result.returncode == 1
    assert "configuration: config.yaml, line 3, column 1: " in result.stdout.splitlines()[-1], (
        result.stdout
    )


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
    assert not [text for text in (url, "0" * 64, found, "mirror") if text not in result.stdout], (
        result.stdout[-3000:]
    )
    assert not list((fresh / "results" / "data").rglob("*.*"))


def test_a_password_in_an_address_is_in_no_file_and_no_output(fresh, tmp_path, server):
    url, sha256 = server
    secret = "pa55w0rd"
    address = url.replace("http://", f"http://somebody:{secret}@") + f"?token={secret}"
    study = download_study(tmp_path / "study.yaml", address, sha256)
    mirror = f"mirror={address.split('/walk')[0]}/elsewhere/"  # where there is no such file
    targets = ("results/data/walk/lifted.h5", "results/config.json")
    result = snakemake(fresh, *targets, "-p", "--config", mirror, configfile=study)
    assert result.returncode == 0, result.stdout[-3000:]
    assert (
        secret not in result.stdout
        and "somebody" not in result.stdout
        and "***@127.0.0.1" in result.stdout
    )
    files = [path for path in fresh.rglob("*") if path.is_file() and path != study]
    assert len(files) > 100 and not [path for path in files if secret.encode() in path.read_bytes()]


def test_ten_thousand_methods_are_no_command_line(fresh, tmp_path):
    options = {"model": "mlp", "options": {"width": 16}, "training": {"epochs": 2}}
    methods = {f"method_{number}": options for number in range(10_000)}
    study = {"tasks": ["tiny_k3"], "methods": [*methods, "persistence"]}
    (tmp_path / "many.json").write_text(json.dumps({"methods": methods, "study": study}))
    result = snakemake(
        fresh, "results/config.json", "results/plan.json", also=tmp_path / "many.json"
    )
    assert result.returncode == 0, result.stdout[-3000:]
    plan = json.loads((fresh / "results/plan.json").read_text())
    assert plan["methods"] == {"tiny_k3": [*methods, "persistence"]}
    assert set(methods) <= set(json.loads((fresh / "results/config.json").read_text())["methods"])


def test_jobs_run_the_interpreter_that_runs_snakemake(fresh):
    """Without an activated environment `python` is another one, or none."""
    result = snakemake(fresh, "results/data/tiny/lifted.h5", also=SMALL, PATH="/usr/bin:/bin")
    assert result.returncode == 0, result.stdout[-3000:]
    log = (fresh / "results/logs/lift/tiny.log").read_text()
    assert log.startswith(f"# {sys.prefix} python ")


def test_targets_are_listed_with_a_sentence_each(fresh):
    listed = snakemake(fresh, "--list").stdout
    for target in ("trained", "audited", "tables", "figures", "report"):
        assert f"\n{target} (" in listed or listed.startswith(f"{target} ("), listed

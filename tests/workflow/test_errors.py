"""Bad input is refused when the workflow is parsed: the key, the value, what is allowed, the nearest match."""

import hashlib
import http.server
import threading

import numpy as np
import pytest
import yaml

from study import TINY, merged, snakemake

CASES = {
    "unknown key": ({"studdy": {}}, ["unknown key 'studdy'", "Did you mean 'study'?"]),
    "unknown key of a task": (
        {"tasks": {"tiny_k1": {"histroy": 2}}},
        ["tasks.tiny_k1: unknown key 'histroy'", "Did you mean 'history'?"],
    ),
    "unknown model": (
        {"methods": {"mine": {"model": "egn"}}},
        ["methods.mine.model: unknown name 'egn'", "allowed:", "persistence", "Did you mean 'egnn'?"],
    ),
    "unknown alignment": (
        {"methods": {"mine": {"model": "mlp", "alignment": "point_0"}}},
        ["methods.mine.alignment", "Did you mean 'point0'?"],
    ),
    "unknown file of an alignment": (
        {"alignments": {"mine": {"frames": "kabsch_men"}}},
        ["alignments.mine.frames: unknown name 'kabsch_men'", "Did you mean 'kabsch_mean'?"],
    ),
    "unknown option of an alignment": (
        {"alignments": {"mine": {"frames": "gram_schmidt", "options": {"point": [0, 1]}}}},
        ["alignments.mine.options: unknown name 'point'", "Did you mean 'points'?"],
    ),
    "alignment with the name of another": (
        {"alignments": {"point0": {"frames": "gram_schmidt"}}},
        ["alignments.point0: this is the name of a file in alignments/"],
    ),
    "learned frame of a closed form": (
        {"methods": {"mine": {"model": "autoregression", "alignment": "learned_frame"}}},
        ["methods.mine.alignment: 'learned_frame'", "choose a network or another alignment"],
    ),
    "negative penalty": (
        {"methods": {"mine": {"model": "mlp", "training": {"symmetry_penalty": -1.0}}}},
        ["methods.mine.training.symmetry_penalty: -1.0; expected float, at least 0"],
    ),
    "unknown figure": (
        {"study": {"figures": ["acuracy"]}},
        ["study.figures: unknown name 'acuracy'", "Did you mean 'accuracy'?"],
    ),
    "figure of a part that is off": (
        {"study": {"figures": ["chapter_loss"]}},
        ["study.figures: 'chapter_loss' shows the chapters; it needs study.chapter: true"],
    ),
    "unknown hyperparameter": (
        {"methods": {"mine": {"model": "mlp", "options": {"widht": 3}}}},
        ["methods.mine.options: unknown name 'widht'", "Did you mean 'width'?"],
    ),
    "unknown training option": (
        {"methods": {"mine": {"model": "mlp", "training": {"epoch": 3}}}},
        ["methods.mine.training", "Did you mean 'epochs'?"],
    ),
    "unknown residual": (
        {"methods": {"mine": {"model": "mlp", "training": {"residual": "velocty"}}}},
        ["methods.mine.training.residual: unknown value 'velocty'", "Did you mean 'velocity'?"],
    ),
    "text in place of a number": (
        {"methods": {"mine": {"model": "mlp", "training": {"learning_rate": "1e-3"}}}},
        ["methods.mine.training.learning_rate: '1e-3'", "expected float", "write 1.0e-3"],
    ),
    "no epochs": (
        {"methods": {"mine": {"model": "mlp", "training": {"epochs": 0}}}},
        ["methods.mine.training.epochs: 0; expected int, 1 to 1000000"],
    ),
    "more training samples than the split has": (
        {"study": {"train_sizes": [5000]}},
        ["study.train_sizes: 5000 samples, but the training split of tasks.tiny_k1 has 99"],
    ),
    "name that is no folder": ({"methods": {"a/b": {"model": "mlp"}}}, ["'a/b'", "letters, digits and underscores"]),
    "unknown method in the study": (
        {"study": {"methods": ["persistance"]}},
        ["study.methods: unknown name 'persistance'", "Did you mean 'persistence'?"],
    ),
    "unknown source of a task": (
        {"tasks": {"tiny_k1": {"source": "tinny"}}},
        ["tasks.tiny_k1.source: unknown name 'tinny'", "Did you mean 'tiny'?"],
    ),
    "unknown system": (
        {"sources": {"tiny": {"system": "bead_chan"}}},
        ["sources.tiny", "bead_chan", "bead_chain"],
    ),
    "split larger than the data": (
        {"tasks": {"tiny_k1": {"split": {"train": 150}}}},
        [
            "tasks.tiny_k1.split: train 150 + validation 30 + test 60 = 240 samples, but the data have 199",
            "reduce the sizes",
        ],
    ),
    "wrong type": ({"tasks": {"tiny_k1": {"history": "three"}}}, ["tasks.tiny_k1.history", "'three'", "past frames"]),
    "missing file": (
        {"sources": {"own": {"kind": "file", "path": "nowhere.npz"}}},
        ["sources.own.path: no file 'nowhere.npz'"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_configuration_is_refused_with_the_nearest_match(fresh, tmp_path, case):
    change, expected = CASES[case]
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(TINY.read_text()), change)))
    result = snakemake(fresh, "-n", configfile=path)
    assert result.returncode != 0
    assert not [text for text in expected if text not in result.stdout], result.stdout[-2000:]
    assert not list((fresh / "results").rglob("*.h5")) if (fresh / "results").exists() else True


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

"""`import equitraj`: the package on plain arrays, its examples, and what the audit says of
functions that misbehave."""

import doctest
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import equitraj
from equitraj.base.registry import LIBRARY
from equitraj.data.trajectory import write
from equitraj.frames.run import run as align
from equitraj.symmetry import function
from equitraj.training import run as training
from equitraj.training.method import Method

TASK = {"name": "k3", "source": "chain", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
HEAVY = {"jax", "torch", "pandas", "matplotlib", "MDAnalysis", "scipy", "h5py", "snakemake"}


@pytest.fixture(scope="module")
def run_folder(chain, tmp_path_factory) -> Path:
    """A trained closed form, with the trajectory it was trained on two folders up."""
    results = tmp_path_factory.mktemp("study")
    write(results / "lifted.h5", chain)
    align(
        results / "lifted.h5", TASK, "none", {"frames": "none", "options": {}}, results / "none.h5"
    )
    method = Method("autoregression", "autoregression")
    training.run(
        TASK, method, "all", [0], results / "lifted.h5", results / "none.h5", results / "runs"
    )
    return results / "runs/seed0"


def linear(position: np.ndarray) -> np.ndarray:
    return 2 * position[:, -1] - position[:, -2]


def test_importing_it_imports_nothing_heavy():
    code = "import sys, equitraj; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=LIBRARY.parent, capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.split())
    assert {"align", "audit", "load", "read"} <= set(dir(equitraj))


@pytest.mark.parametrize("name", sorted(path.stem for path in (LIBRARY / "api").glob("[a-z]*.py")))
def test_the_examples_of_the_docstrings_hold(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    result = doctest.testmod(import_module(f"equitraj.api.{name}"))
    assert result.attempted >= 2 and not result.failed


def test_a_loaded_run_predicts_and_rolls_out_plain_arrays(run_folder, chain):
    run = equitraj.load(run_folder)
    assert run.history == 3
    windows = np.stack([chain.position[i : i + 3] for i in range(90, 95)])
    (coefficient,) = (v for k, v in _weights(run_folder).items() if k == "trained/coefficient")
    expected = windows[:, -1] + np.einsum("k,bknc->bnc", coefficient, np.diff(windows, axis=1))
    np.testing.assert_allclose(
        run.predict(windows), expected, rtol=0, atol=1e-12
    )  # sums in another order
    np.testing.assert_allclose(run.predict(windows[0]), expected[0], rtol=0, atol=1e-12)
    rolled, position = run.rollout(windows[0], 4), windows[0]
    for step in range(4):
        prediction = run.predict(position)
        np.testing.assert_array_equal(rolled[step], prediction)
        position = np.concatenate([position[1:], prediction[None]])
    assert run.rollout(windows, 2).shape == (5, 2, 5, 3)


def _weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        (np.zeros((2, 5, 3)), "positions: shape (2, 5, 3); .* was trained on 3 frames of 5 points"),
        (np.zeros((3, 6, 3)), r"expected (3, 5, 3) or (samples, 3, 5, 3)"),
        (np.full((3, 5, 3), np.nan), "positions: 45 values are not finite"),
    ],
)
def test_arrays_that_do_not_fit_a_run_are_refused(run_folder, positions, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace(")", r"\)")):
        equitraj.load(run_folder).predict(positions)


def test_features_of_points_are_asked_for_where_a_run_was_trained_with_them(chain, tmp_path):
    charged = replace(chain, species=np.array([0, 1, 0, 1, 0]))
    write(tmp_path / "lifted.h5", charged)
    align(
        tmp_path / "lifted.h5",
        TASK,
        "none",
        {"frames": "none", "options": {}},
        tmp_path / "none.h5",
    )
    method = Method("mlp", "mlp", options={"width": 4}, training={"epochs": 1})
    training.run(
        TASK | {"inputs": ["species"]},
        method,
        "all",
        [0],
        tmp_path / "lifted.h5",
        tmp_path / "none.h5",
        tmp_path,
    )
    run, windows = (
        equitraj.load(tmp_path / "seed0"),
        np.stack([chain.position[:3], chain.position[1:4]]),
    )
    kinds = np.eye(2)[charged.species]
    from_one = run.predict(windows, scalar=kinds)
    np.testing.assert_array_equal(from_one, run.predict(windows, scalar=np.stack([kinds, kinds])))
    assert not np.array_equal(from_one, run.predict(windows, scalar=kinds[::-1] * 0))
    with pytest.raises(
        ValueError, match="scalar: .* was trained with 2 numbers of each point: give them"
    ):
        run.predict(windows)
    with pytest.raises(ValueError, match="scalar: 3 samples; positions has 2"):
        run.predict(windows, scalar=np.stack([kinds] * 3))


def test_features_are_refused_where_a_run_was_trained_without(run_folder, chain):
    with pytest.raises(ValueError, match="scalar: .* was trained without: leave it out"):
        equitraj.load(run_folder).predict(chain.position[:3], scalar=np.zeros((5, 2)))
    with pytest.raises(ValueError, match="steps: 0; expected int, at least 1"):
        equitraj.load(run_folder).rollout(chain.position[:3], 0)


def test_an_alignment_maps_back_and_is_that_of_the_workflow(chain):
    turned = equitraj.align(chain.position, "kabsch_reference", reference=chain.position[:50])
    back = np.einsum("tij,tni->tnj", turned.rotation, turned.position) + turned.origin[:, None]
    np.testing.assert_allclose(
        back, chain.position, rtol=0, atol=1e-12
    )  # rotations are orthogonal to rounding
    planar = equitraj.align(chain.position[..., :2], "point0")
    assert (
        np.abs(planar.position[:, 0]).max() == 0 and planar.position.shape == chain.position.shape
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("kabsch_referenc",),
            "unknown name 'kabsch_referenc'; .* Did you mean 'kabsch_reference'",
        ),
        (("frame_averaging",), "'frame_averaging' gives 4 frames for each geometry"),
        (("learned_frame",), "'learned_frame' is trained together with a model"),
    ],
)
def test_an_alignment_that_has_no_single_frame_is_refused(chain, arguments, said):
    with pytest.raises(ValueError, match=said):
        equitraj.align(chain.position, *arguments)
    with pytest.raises(
        ValueError, match=r"positions: float64 of shape \(120, 5\); expected numbers"
    ):
        equitraj.align(chain.position[..., 0], "point0")


def test_the_audit_of_a_function_prints_a_matrix_and_has_a_table_and_a_figure(chain):
    found = equitraj.audit(
        linear, chain.position, ["rotation", "translation"], history=2, elements=4
    )
    assert found.broken == [] and found.notes == ()
    printed = {line.split()[0]: line.split()[1:3] for line in str(found).splitlines()[1:]}
    assert printed["rotation"] == ["exact", "exact"] and printed["permutation"] == ["exact", "no"]
    assert list(found.table.columns)[:2] == ["dtype", "generator"] and len(found.table) == len(
        found.rows
    )
    labels = [label.get_text() for label in found.figure().axes[0].get_xticklabels()]
    assert "rotation" in labels and "E(3) combined" in labels


def test_a_function_that_changes_its_input_is_audited_on_copies_and_a_note_says_so(chain):
    def careless(position: np.ndarray) -> np.ndarray:
        position -= position[:, -1:].mean(2, keepdims=True)
        return position[:, -1]

    before = chain.position.copy()
    found = equitraj.audit(careless, chain.position, elements=2)
    assert found.notes == ("careless changes its input in place; it was given copies",)
    assert "note: careless changes" in str(found)
    np.testing.assert_array_equal(chain.position, before)


def _noisy(position: np.ndarray) -> np.ndarray:
    return position[:, -1] + np.random.normal(size=position[:, -1].shape)


def _missing(position: np.ndarray) -> np.ndarray:
    return np.where(position[:, -1] > 0, np.nan, position[:, -1])


def _slow(position: np.ndarray) -> np.ndarray:
    function.time.now += 0.05
    return position[:, -1]


def _raising(position: np.ndarray) -> np.ndarray:
    raise KeyError("weights")


@pytest.fixture
def clock(monkeypatch):
    """A clock that only `_slow` moves on."""
    stopped = SimpleNamespace(now=0.0, perf_counter=lambda: stopped.now)
    monkeypatch.setattr(function, "time", stopped)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (
            _noisy,
            ValueError,
            "_noisy: two calls with the same input differ by .* fix its random seed",
        ),
        (
            _missing,
            ValueError,
            r"_missing: returned \d+ values that are not finite, the first at sample 0, point",
        ),
        (
            _slow,
            ValueError,
            r"_slow: 0\.05 s for a call, about \d+ s for the audit; the limit is 1 s",
        ),
        (_raising, KeyError, "weights"),
        (
            lambda x: x,
            ValueError,
            r"<lambda>: returned shape \(64, 1, 5, 3\), expected \(64, 5, 3\)",
        ),
        (
            lambda x: x[:, -1].astype(str),
            ValueError,
            "<lambda>: returned values of type <U.*, expected real numbers",
        ),
    ],
)
def test_a_function_that_cannot_be_audited_is_told(chain, clock, given, error, said):
    with pytest.raises(error, match=said):
        equitraj.audit(given, chain.position, time_limit=1)


def test_an_unknown_claim_is_refused(chain):
    with pytest.raises(
        ValueError, match="claims: unknown generator 'rotations'; .* Did you mean 'rotation'"
    ):
        equitraj.audit(linear, chain.position, ["rotations"], history=2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"history": 0}, "history: 0; expected int, at least 1"),
        ({"lag": 0}, "lag: 0; expected int, at least 1"),
        ({"samples": 0}, "samples: 0; expected int, at least 1"),
        ({"elements": 2.5}, "elements: 2.5; expected int"),
        (
            {"precision": "float16"},
            "precision: unknown value 'float16'; allowed: .* Did you mean 'float",
        ),
        ({"history": 120}, "positions: 120 frames; at least 121 of one episode are needed"),
    ],
)
def test_options_of_an_audit_that_make_no_sense_are_refused(chain, options, said):
    with pytest.raises(ValueError, match=said):
        equitraj.audit(linear, chain.position, **options)


def test_one_claim_needs_no_list(chain):
    claimed = equitraj.audit(linear, chain.position, "rotation", history=2, elements=2).table
    assert set(claimed[claimed["claim"] == "exact"]["generator"]) == {"rotation", "rotation_z"}


@pytest.mark.parametrize("options", [{"weights": "trianed"}, {"precision": "float16"}])
def test_weights_and_precisions_that_there_are_not_are_refused(run_folder, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: unknown value .* Did you mean"):
        equitraj.load(run_folder, **options)


def test_a_slow_function_is_announced(chain, clock, monkeypatch):
    monkeypatch.setattr(function, "SLOW", 0.5)
    with pytest.warns(
        UserWarning, match="_slow: 0.05 s for a call, about .* fewer elements or samples take less"
    ):
        equitraj.audit(_slow, chain.position, elements=2)


def test_a_trajectory_that_the_workflow_wrote_is_read(run_folder, chain):
    found = equitraj.read(str(run_folder.parents[1] / "lifted.h5"))
    np.testing.assert_array_equal(found.position, chain.position)

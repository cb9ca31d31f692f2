"""The audit of any Python function from the command line, with no workflow."""

import csv
import subprocess

import numpy as np
import pytest

from called import called

FUNCTIONS = """
import numpy as np


def springs(position):
    newest = position[:, -1]
    apart = newest - newest.mean(1, keepdims=True)
    return 2 * newest - position[:, -2] - 0.1 * apart * (apart**2).sum(-1, keepdims=True)


def windy(position):
    return springs(position) + np.array([0.3, 0, 0])


def upright(position):
    return springs(position) + np.array([0, 0, 0.3])


def flat(position):
    return position[:, -1].reshape(len(position), -1)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory with functions and a trajectory."""
    folder, rng = tmp_path_factory.mktemp("alone"), np.random.default_rng(0)
    (folder / "mine.py").write_text(FUNCTIONS)
    np.savez(
        folder / "walk.npz",
        positions=rng.normal(size=(5, 3)) + np.cumsum(rng.normal(size=(90, 5, 3)) * 0.1, 0),
    )
    return folder


def audit(folder, function: str, *arguments: str) -> subprocess.CompletedProcess:
    words = [
        "--predictor",
        f"mine:{function}",
        "--data",
        "walk.npz",
        "--history",
        "2",
        "--samples",
        "16",
    ]
    return called("audit.py", *words, "--elements", "8", *arguments, folder=folder)


def test_a_function_that_has_what_it_claims_passes_and_its_matrix_is_printed(folder):
    claims = ["rotation", "reflection", "translation", "permutation"]
    result = audit(folder, "springs", "--claims", *claims, "--output", "matrix.csv")
    assert result.returncode == 0, result.stderr
    printed = {line.split()[0]: line.split()[1:3] for line in result.stdout.splitlines()[1:]}
    assert printed["euclidean"] == ["exact", "exact"] and printed["scaling"] == ["broken", "no"]
    with (folder / "matrix.csv").open() as file:
        rows = {row["generator"]: row for row in csv.DictReader(file)}
    assert (
        rows["rotation"]["samples"] == str(16 * 8)
        and float(rows["rotation"]["identity_error"]) < 1e-6
    )
    assert {row["agrees"] for row in rows.values()} == {"yes"}


def test_a_claim_that_does_not_hold_is_named_and_the_command_fails(folder):
    result = audit(folder, "windy", "--claims", "rotation", "translation")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "claimed and not found exact: rotation, rotation_z"


def test_an_axis_can_be_all_that_is_claimed(folder):
    assert (
        audit(folder, "upright", "--claims", "rotation_z", "translation", "permutation").returncode
        == 0
    )
    refuted = audit(folder, "upright", "--claims", "rotation")
    assert (
        refuted.returncode == 1
        and refuted.stderr.splitlines()[-1] == "claimed and not found exact: rotation"
    )


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("spring", "no function 'spring' in"),
        ("flat", "returned shape (16, 15), expected (16, 5, 3) (samples, points, 3)"),
    ],
)
def test_a_function_that_cannot_be_audited_is_named_with_what_was_expected(folder, function, said):
    result = audit(folder, function)
    assert result.returncode == 1 and said in result.stderr and "Traceback" not in result.stderr


def test_a_history_longer_than_the_data_is_refused(folder):
    result = audit(folder, "springs", "--history", "200")
    assert (
        result.returncode == 1
        and "walk.npz: 90 frames; at least 201 of one episode are needed" in result.stderr
    )

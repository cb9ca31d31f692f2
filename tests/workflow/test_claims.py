"""A method that does not have a symmetry it claims is marked, and a strict study fails on it."""

import csv
import subprocess
import sys

import pytest

from study import REPOSITORY, environment, snakemake, table

STRICT = "audit: { strict: true }\n"

# One irrep of the chapter's network with the wrong parity: displacements declared as pseudovectors.
BROKEN_MODEL = '''"""Broken on purpose."""
from dataclasses import replace
from equitraj.models import e3nn_network
from equitraj.models.e3nn_network import Hyperparameters, claims  # noqa: F401
from e3nn import o3

FRAMEWORK = "torch"


def build(hyperparameters, shape):
    made = e3nn_network.build(replace(hyperparameters, lmax=1), shape)
    arguments = dict(
        irreps_in=o3.Irreps(f"{shape.n_displacements}x1e"), irreps_hidden=o3.Irreps("4x0e + 4x0o + 4x1e + 4x1o"),
        irreps_out="1x1o", irreps_node_attr=None, irreps_edge_attr=made.irreps_edge_attr, layers=2,
        max_radius=made.max_radius, number_of_basis=10, radial_layers=1, radial_neurons=16,
        num_neighbors=shape.n_points - 1, num_nodes=shape.n_points, reduce_output=False,
    )
    return e3nn_network.GraphNetwork(**arguments)
'''

# Principal axes with a reflection folded in: the third axis is not the cross product of the others.
BROKEN_ALIGNMENT = '''"""Broken on purpose."""
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equitraj.frames.alignments import principal_axes_signed
from equitraj.frames import Frames


@dataclass(frozen=True)
class Alignment(principal_axes_signed.Alignment):
    """None."""

    rotation: ClassVar[str] = "exact"

    def frames(self, position, reference=None, rng=None):
        """The third axis points up, whatever the others do."""
        frames = super().frames(position, reference, rng)
        rotation = frames.rotation.copy()
        rotation[..., 2, :] *= np.where(rotation[..., 2, 2] < 0, -1, 1)[..., None]
        return Frames(rotation, frames.origin, frames.weight)
'''

# The networks predict the whole displacement: beside constant velocity their part of it, and so
# their error, is small.
STUDY = """
methods:
  broken_e3nn:
    model: broken_e3nn
    alignment: centre_of_mass
    training: { epochs: 4, batch_size: 16, residual: last }
  broken_frame: { model: mlp, alignment: folded, training: { epochs: 40, batch_size: 16, residual: last } }
study: { tasks: [tiny_k3], methods: [broken_e3nn, broken_frame], seeds: [0] }
audit: { samples: 16, elements: 8 }
"""


def check(folder) -> subprocess.CompletedProcess:
    script = REPOSITORY / "workflow/scripts/check_claims.py"
    files = ["--audit", "results/tables/audit.csv", "--output", "results/tables/claims.txt"]
    call = [sys.executable, script, *files]
    return subprocess.run(call, cwd=folder, env=environment(), capture_output=True, text=True)


def test_a_wrong_parity_and_a_folded_reflection_are_broken_and_fail_a_strict_study(fresh):
    library = fresh / "workflow/scripts/equitraj"
    (library / "models/broken_e3nn.py").write_text(BROKEN_MODEL)
    (library / "frames/alignments/folded.py").write_text(BROKEN_ALIGNMENT)
    (fresh / "broken.yaml").write_text(STUDY)
    result = snakemake(fresh, "results/tables/audit.csv", also=fresh / "broken.yaml")
    assert result.returncode == 0, result.stdout[-4000:]
    audit = table(fresh, "audit").query("weights == 'trained' and dtype == 'float64'")
    found = {(row.method, row.generator): (row.verdict, row.agrees) for row in audit.itertuples()}
    assert found["broken_e3nn", "rotation"] == ("exact", "yes")
    assert found["broken_e3nn", "inversion"] == found["broken_e3nn", "mirror"] == ("broken", "no")
    assert found["broken_frame", "rotation"] == ("broken", "no")
    assert found["broken_frame", "translation"] == ("exact", "yes")
    failed = check(fresh)
    assert failed.returncode == 1
    assert "tiny_k3 broken_e3nn: inversion, mirror, euclidean" in failed.stderr
    assert "tiny_k3 broken_frame: rotation" in failed.stderr
    assert not (fresh / "results/tables/claims.txt").exists()


@pytest.mark.parametrize(
    "kept", [["tiny_egnn", "tiny_e3nn", "tiny_mlp"], ["tiny_mlp_principal_axes"]]
)
def test_the_check_passes_where_all_claims_hold_and_only_there(tiny, tmp_path, kept):
    with (tiny / "results/tables/audit.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] in kept]
    (tmp_path / "results/tables").mkdir(parents=True)
    with (tmp_path / "results/tables/audit.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    result = check(tmp_path)
    if "tiny_mlp_principal_axes" in kept:  # nothing fixes the signs of its axes
        assert result.returncode == 1 and "tiny_mlp_principal_axes" in result.stderr
    else:
        assert result.returncode == 0, result.stderr
        assert "claims hold" in (tmp_path / "results/tables/claims.txt").read_text()


def test_a_strict_study_asks_for_the_check_and_another_does_not(tiny, tmp_path):
    (tmp_path / "strict.yaml").write_text(STRICT)
    assert "check_claims" in snakemake(tiny, "--dry-run", also=tmp_path / "strict.yaml").stdout
    assert "check_claims" not in snakemake(tiny, "--dry-run").stdout


def test_the_controls_of_every_audit_are_written_down_and_went_right(tiny):
    controls = table(tiny, "controls")
    audited = set(table(tiny, "metrics").query("status == 'ok'")["method"])
    assert set(controls["method"]) == audited
    some = controls["expected"].eq("not exact")
    right = (controls["verdict"] == controls["expected"]).where(
        ~some, controls["verdict"] != "exact"
    )
    assert right.all() and set(controls["expected"]) == {"exact", "broken", "not exact"}


def test_the_two_terms_of_the_loss_add_up_for_every_method(tiny):
    rows = table(tiny, "audit").query("dtype == 'float64'").dropna(subset="loss_total")
    assert rows["identity_error"].max() < 1e-6
    total = rows["loss_twirled"] + rows["loss_variance"]
    assert ((total - rows["loss_total"]).abs() <= 1e-6 * rows["loss_total"]).all()

"""The audit: group actions against closed forms, verdicts on functions of known symmetry, controls
that must fail."""

import numpy as np
import pytest

from equitraj import symmetry
from equitraj.data.tasks import Sample
from equitraj.symmetry import actions, controls
from equitraj.symmetry.measure import interval, measure
from equitraj.symmetry.reversal import time_reversal

SYMMETRIES = ("rotation", "reflection", "translation", "permutation")
CLAIMS = dict.fromkeys(SYMMETRIES, "exact")
TRANSLATIONS = {"translation", "translation_0.1", "translation_1", "translation_10"}


def sample(seed: int = 0, n_samples: int = 16, n_points: int = 6) -> Sample:
    rng = np.random.default_rng(seed)
    position = rng.normal(size=(n_samples, 2, n_points, 3))
    position[:, 1] = position[:, 0] + 0.1 * rng.normal(size=(n_samples, n_points, 3))
    target = position[:, 1] + 0.1 * rng.normal(size=(n_samples, n_points, 3))
    edges = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    return Sample(position, target, edges=edges)


def equivariant(s: Sample) -> np.ndarray:
    """Attraction to the bonded neighbours, and inertia."""
    x = s.position[:, -1]
    force = np.zeros_like(x)
    np.add.at(force, (slice(None), s.edges[0]), x[:, s.edges[1]] - x[:, s.edges[0]])
    return x + (x - s.position[:, 0]) + 0.1 * force


def at_float32(predict):
    return lambda s, **draw: s.position[:, -1] + (predict(s, **draw) - s.position[:, -1]).astype(
        np.float32
    )


def audit(predict, claims=CLAIMS, s=None, n_elements=6) -> dict[str, dict]:
    """The float64 rows by generator."""
    load = {"float32": at_float32(predict), "float64": predict}.__getitem__
    rows = symmetry.audit(load, s or sample(), claims, {"float64": n_elements, "float32": 2})
    return {r["generator"]: r for r in rows if r["dtype"] == "float64"}


def test_an_equivariant_function_is_exact_under_every_generator_it_claims():
    rows = audit(equivariant)
    assert {r["verdict"] for r in rows.values() if r["claim"] == "exact"} == {"exact"}
    assert {name for name, r in rows.items() if r["claim"] == "no"} == {"scaling", "time_reversal"}
    assert {r["agrees"] for r in rows.values()} == {"yes"}


ROTATIONS = {"rotation", "mirror", "euclidean"}


@pytest.mark.parametrize(
    ("broken", "caught"),
    [
        (
            lambda s: equivariant(s) * [1, 1, 0.9],
            ROTATIONS | TRANSLATIONS,
        ),  # and not rotations about that axis
        (
            lambda s: equivariant(s) + np.array([0.05, 0, 0]),
            ROTATIONS | {"rotation_z", "inversion"},
        ),
        (
            lambda s: equivariant(s) + 0.05 * np.arange(6)[:, None],
            ROTATIONS | {"rotation_z", "inversion", "permutation"},
        ),
        (
            lambda s: equivariant(s)
            + 0.05 * np.cross(*(s.position[:, k, [1]] - s.position[:, k, [0]] for k in (0, 1))),
            {"inversion", "mirror", "euclidean", "permutation"},
        ),
    ],
    ids=["scaled axis", "constant wind", "per-point shift", "pseudovector"],
)
def test_what_breaks_a_symmetry_is_caught_and_only_where_it_breaks(broken, caught):
    rows = {name: row for name, row in audit(broken).items() if row["claim"] == "exact"}
    assert {name for name, row in rows.items() if row["verdict"] != "exact"} == caught
    assert {name for name, row in rows.items() if row["agrees"] == "no"} == caught


@pytest.mark.parametrize("level", ["no", "learned"])
def test_what_is_not_claimed_to_be_exact_cannot_be_refuted(level):
    rows = audit(lambda s: equivariant(s) + 0.05, dict.fromkeys(SYMMETRIES, level))
    assert {row["agrees"] for row in rows.values()} == {"yes"}
    assert rows["rotation"]["verdict"] == "broken"


def noisy(noise):
    """A predictor with random draws of its own, `noise(rng, sample)` added to an equivariant one."""

    def predict(s: Sample, draw: int = 0) -> np.ndarray:
        return equivariant(s) + 0.05 * noise(np.random.default_rng(draw), s)

    return predict


def test_a_claim_in_expectation_is_tested_over_the_draws():
    """Isotropic noise is equivariant in expectation; noise about a fixed direction is not. Neither
    is exact."""
    claims = CLAIMS | {"rotation": "in expectation"}
    isotropic = noisy(lambda rng, s: rng.normal(size=s.position[:, -1].shape))
    windy = noisy(lambda rng, s: rng.normal(size=s.position[:, -1].shape) + [1.0, 0, 0])
    assert audit(isotropic, claims, n_elements=32)["rotation"]["agrees"] == "yes"
    assert audit(isotropic, claims, n_elements=32)["rotation"]["verdict"] == "broken"
    assert audit(windy, claims, n_elements=32)["rotation"]["agrees"] == "no"
    assert audit(windy, claims)["translation"]["verdict"] == "exact"  # for each draw


@pytest.mark.parametrize("generator", actions.GENERATORS)
def test_undo_inverts_apply(generator):
    s = sample()
    for g in actions.draw(generator, 3, 6, 1.0, np.random.default_rng(1)):
        np.testing.assert_allclose(
            g.undo(g.apply(s).target), s.target, atol=1e-13
        )  # roundings of numbers up to 10
        np.testing.assert_allclose(g.matrix @ g.matrix.T, np.eye(3), atol=1e-15)


def test_velocities_turn_and_scale_but_do_not_shift():
    s = sample()
    moving = Sample(s.position, s.target, velocity=s.position[:, 1] - s.position[:, 0])
    for generator in actions.GENERATORS:
        (g,) = actions.draw(generator, 1, 6, 1.0, np.random.default_rng(1))
        moved = g.apply(moving)
        np.testing.assert_allclose(
            moved.velocity, moved.position[:, 1] - moved.position[:, 0], atol=1e-14
        )


def test_permutation_renames_bonds_with_points():
    s = sample()
    (g,) = actions.draw("permutation", 1, 6, 1.0, np.random.default_rng(2))
    moved = g.apply(s)

    def length(q):
        newest = q.position[0, -1]
        return np.sort(np.linalg.norm(newest[q.edges[0]] - newest[q.edges[1]], axis=-1))

    np.testing.assert_allclose(length(moved), length(s))


def test_time_reversal_is_exact_for_leapfrog_and_broken_by_friction():
    """Stoermer's rule x'' = F(x) is its own inverse; a step without memory goes on instead of back."""
    assert audit(equivariant)["time_reversal"]["verdict"] == "exact"

    def forgetful(s):
        newest = s.position[:, -1]
        return newest - 0.1 * (newest - newest.mean(1, keepdims=True))

    row = audit(forgetful)["time_reversal"]
    assert row["verdict"] == "broken" and row["loss_percent"] is None


def test_time_reversal_turns_velocities_around():
    """A method that goes by the given velocity returns when that is reversed with the frames."""
    s = sample()
    moving = Sample(s.position, s.target, velocity=s.position[:, 1] - s.position[:, 0])
    assert (
        audit(lambda q: q.position[:, -1] + q.velocity, s=moving)["time_reversal"]["verdict"]
        == "exact"
    )
    alone = Sample(s.position[:, 1:], s.target, velocity=moving.velocity)
    assert (
        audit(lambda q: q.position[:, -1] + q.velocity, s=alone)["time_reversal"]["verdict"]
        == "exact"
    )


def test_time_reversal_turns_velocities_of_many_frames_around_in_the_datas_own_units():
    """A reversed velocity is that of the way, so that x + 0.7 t v comes back by 0.7 of its way."""
    rng, lag, share = np.random.default_rng(0), 3, 0.7
    s = Sample(rng.normal(size=(4, 1, 5, 3)), velocity=rng.normal(size=(4, 5, 3)), step=0.25)
    predict = lambda q: q.position[:, -1] + share * lag * q.step * q.velocity  # noqa: E731
    found = time_reversal(predict, s, predict(s), lag)
    way = np.linalg.norm(share * lag * 0.25 * s.velocity, axis=(1, 2))
    expected = (1 - share) * way / np.maximum(way, np.sqrt(np.mean(way**2)))
    np.testing.assert_allclose(
        found.relative[0], expected, rtol=1e-12
    )  # roundings of numbers of order one


def test_scaling_is_exact_for_a_linear_function_only():
    assert audit(equivariant)["scaling"]["verdict"] == "exact"
    assert (
        audit(lambda s: s.position[:, -1] + 0.1 * np.sin(s.position[:, -1]))["scaling"]["verdict"]
        == "broken"
    )


def test_the_loss_splits_into_that_of_the_mean_and_the_variance_over_the_group():
    """E|g^-1 f(gx) - y|^2 = |twirled - y|^2 + variance, each side from its definition, to 1e-12."""
    s = sample()
    predict = lambda q: np.tanh(q.position[:, -1]) * [1, 1, 0.5]  # noqa: E731
    elements = actions.draw("rotation", 7, 6, 1.0, np.random.default_rng(3))
    loss = measure(predict, s, predict(s), elements).loss()
    turned = np.stack([g.undo(predict(g.apply(s))) for g in elements])
    assert loss["loss_total"] == pytest.approx(np.mean((turned - s.target) ** 2), rel=1e-12)
    assert loss["loss_twirled"] == pytest.approx(
        np.mean((turned.mean(0) - s.target) ** 2), rel=1e-12
    )
    assert loss["loss_variance"] == pytest.approx(turned.var(0).mean(), rel=1e-12)
    assert loss["loss_percent"] == pytest.approx(
        100 * turned.var(0).mean() / loss["loss_total"], rel=1e-12
    )
    assert loss["identity_error"] < 1e-12


def test_the_interval_of_the_mean_covers_it_as_often_as_it_says():
    """Of independent numbers about 1, in 95 % of 200 tables to within four standard errors of that
    share."""
    rng, covered = np.random.default_rng(0), 0
    for i in range(200):
        low, high = interval(1 + rng.normal(size=(1, 64)), seed=i)
        covered += low < 1 < high
    assert covered / 200 > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 200)


def test_the_controls_pass_on_ordinary_samples_and_say_so():
    rows = controls.run(sample())
    assert {r["expected"] for r in rows} == {"exact", "broken", "not exact"}
    assert {r["generator"] for r in rows if r["expected"] == "exact"} >= {
        "rotation",
        "inversion",
        "permutation",
    }


def test_a_control_that_goes_wrong_is_an_error(monkeypatch):
    """Here the audit itself is broken: it forgets to transform the input."""
    monkeypatch.setattr(actions.Element, "apply", lambda self, s: s)
    with pytest.raises(
        ValueError,
        match="the audit's controls went wrong: springs under rotation: broken, not exact",
    ):
        controls.run(sample())


def test_haar_rotations_average_to_zero():
    rng = np.random.default_rng(4)
    mean = np.mean([actions.haar(rng) for _ in range(2000)], axis=0)
    assert np.abs(mean).max() < 5 / np.sqrt(3 * 2000)  # each entry has variance 1/3

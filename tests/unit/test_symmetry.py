"""The audit: group actions against closed forms, verdicts on functions of known symmetry, controls that must fail."""

import numpy as np
import pytest

from equitraj import symmetry
from equitraj.tasks import Sample

CLAIMS = dict.fromkeys(symmetry.ACTIONS, True)


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
    return lambda s: s.position[:, -1] + (predict(s) - s.position[:, -1]).astype(np.float32)


def verdicts(predict, claims=CLAIMS) -> dict[str, tuple[str, str]]:
    load = {"float32": at_float32(predict), "float64": predict}.__getitem__
    rows = symmetry.audit(load, sample(), claims, n_elements=6, seed=0)
    return {r["generator"]: (r["verdict"], r["agrees"]) for r in rows if r["dtype"] == "float64"}


def test_an_equivariant_function_is_exact_under_every_generator():
    assert set(verdicts(equivariant).values()) == {("exact", "yes")}


@pytest.mark.parametrize(
    ("broken", "caught"),
    [
        (lambda s: equivariant(s) * [1, 1, 0.9], {"rotation", "reflection", "translation"}),
        (lambda s: equivariant(s) + np.array([0.05, 0, 0]), {"rotation", "reflection"}),
        (lambda s: equivariant(s) + 0.05 * np.arange(6)[:, None], {"rotation", "reflection", "permutation"}),
        (
            lambda s: equivariant(s)
            + 0.05 * np.cross(*(s.position[:, k, [1]] - s.position[:, k, [0]] for k in (0, 1))),
            {"reflection", "permutation"},
        ),
    ],
    ids=["scaled axis", "constant wind", "per-point shift", "pseudovector"],
)
def test_negative_controls_are_caught_and_only_where_they_break(broken, caught):
    found = {generator for generator, (result, agrees) in verdicts(broken).items() if result != "exact"}
    assert found == caught
    assert {g for g, (_, agrees) in verdicts(broken).items() if agrees == "no"} == caught


def test_a_claim_that_is_not_made_cannot_be_broken():
    claims = dict.fromkeys(symmetry.ACTIONS, False)
    assert {agrees for _, agrees in verdicts(lambda s: equivariant(s) + 0.05, claims).values()} == {"yes"}


@pytest.mark.parametrize("generator", symmetry.ACTIONS)
def test_undo_inverts_apply(generator):
    s, rng = sample(), np.random.default_rng(1)
    g = symmetry.ACTIONS[generator](rng, 6, 1.0)
    np.testing.assert_allclose(g.undo(g.apply(s).target), s.target, atol=1e-13)  # a few roundings of numbers up to 10
    np.testing.assert_allclose(np.abs(np.linalg.det(g.matrix)), 1)


def test_permutation_renames_bonds_with_points():
    s = sample()
    g = symmetry.permutation(np.random.default_rng(2), 6, 1.0)
    moved = g.apply(s)
    length = lambda q: np.sort(np.linalg.norm(q.position[0, -1, q.edges[0]] - q.position[0, -1, q.edges[1]], axis=-1))  # noqa: E731
    np.testing.assert_allclose(length(moved), length(s))


def test_loss_splits_into_the_mean_prediction_and_the_scatter_over_the_group():
    s, rng = sample(), np.random.default_rng(3)
    predict = lambda q: q.position[:, -1] * [1, 1, 0.5]  # noqa: E731
    elements = [symmetry.rotation(rng, 6, 1.0) for _ in range(5)]
    m = symmetry.measure(predict, s, predict(s), elements)
    turned = np.stack([g.undo(predict(g.apply(s))) for g in elements])
    bias = np.mean((turned.mean(0) - s.target) ** 2)
    total = np.mean((turned - s.target) ** 2)
    assert m.loss_percent == pytest.approx(100 * (total - bias) / total, rel=1e-10)


def test_haar_rotations_average_to_zero():
    rng = np.random.default_rng(4)
    mean = np.mean([symmetry.rotation(rng, 1, 1.0).matrix for _ in range(2000)], axis=0)
    assert np.abs(mean).max() < 5 / np.sqrt(3 * 2000)  # each entry has variance 1/3

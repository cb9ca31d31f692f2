"""The potential of distances against loops in NumPy; its output has no curl, and that of other
models has."""

import numpy as np
import pytest
from drawn import apply, drawn

from equitraj.data.features import Shape, Statistics
from equitraj.models import egnn, invariant_distance
from equitraj.models._pairs import AllPairs, HalfPairs
from equitraj.models.invariant_distance import SOFT
from equitraj.training.jax import named_arrays

EXTENT, STEP = 1.3, 1e-5


def network(n_points: int, n_scalars: int = 2, model=invariant_distance, **options):
    statistics = Statistics("none", (), 1.0, 1.0, (0.0, 0.0, 0.0), 1.0, EXTENT)
    return drawn(model, Shape(n_points, 0, n_scalars, statistics), **{"width": 8} | options)


def inputs(n_points: int, n_scalars: int = 2, batch: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    bonded = np.eye(n_points, k=1) + np.eye(n_points, k=-1)
    found = {
        "position": rng.normal(size=(batch, n_points, 3)),
        "adjacency": np.tile(bonded, (batch, 1, 1)),
    }
    found["displacement"] = np.zeros((batch, 0, n_points, 3))
    return found | {"scalar": rng.normal(size=(batch, n_points, n_scalars))}


def energy(network, position: np.ndarray, scalar: np.ndarray, adjacency: np.ndarray) -> float:
    """The potential of one sample, in the units of the output times those of the positions, with
    loops over points."""
    w, n = named_arrays(network), len(position)
    silu = lambda x: x / (1 + np.exp(-x))  # noqa: E731
    layer = lambda name, x, i=...: w[f"{name}.weight"][i] @ x + w[f"{name}.bias"][i]  # noqa: E731
    centres = np.linspace(0, 1, network.basis)
    h = [layer("embed", np.concatenate([[1.0], s])) for s in scalar]
    for k in range(len(w["layers.value.weight"])):
        change = []
        for i in range(n):
            message = np.zeros_like(h[i])
            for j in set(range(n)) - {i}:
                r = np.sqrt(((position[i] - position[j]) ** 2).sum() / EXTENT**2 + SOFT**2)
                gauss = np.exp(-0.5 * ((np.exp(-r) - centres) * (network.basis - 1)) ** 2)
                basis = np.concatenate([gauss, [adjacency[i, j]]])
                message += (w["layers.filter.weight"][k] @ basis) * (
                    w["layers.value.weight"][k] @ h[j]
                )
            inner = silu(layer("layers.update.layers[0]", message / max(1, n - 1), k))
            change.append(layer("layers.update.layers[1]", inner, k))
        h = [a + b for a, b in zip(h, change, strict=True)]
    return EXTENT * sum(layer("energy.layers[1]", silu(layer("energy.layers[0]", x)))[0] for x in h)


@pytest.mark.parametrize(
    ("n_points", "options"), [(5, {}), (6, {"layers": 3, "basis": 7}), (2, {"layers": 1})]
)
def test_the_output_is_minus_the_gradient_of_the_equations(n_points, options):
    """Central differences in float64: their error is some hundred times the step squared."""
    net, given = network(n_points, **options), inputs(n_points, batch=1)
    position, scalar, adjacency = (given[k][0] for k in ("position", "scalar", "adjacency"))
    slope = np.empty_like(position)
    for at in np.ndindex(position.shape):
        change = np.zeros_like(position)
        change[at] = STEP
        slope[at] = energy(net, position + change, scalar, adjacency) - energy(
            net, position - change, scalar, adjacency
        )
    force = np.asarray(apply(net, given))[0]
    np.testing.assert_allclose(force, -slope / (2 * STEP), rtol=0, atol=1e-6 * np.abs(force).max())
    np.testing.assert_allclose(
        force.sum(0), 0, atol=1e-12 * np.abs(force).max()
    )  # momentum is kept
    np.testing.assert_allclose(
        np.cross(position, force).sum(0), 0, atol=1e-12 * np.abs(force).max()
    )


def jacobian(net, given: dict[str, np.ndarray]) -> np.ndarray:
    """(3 N, 3 N) derivatives of the output by the positions of one sample, by central differences."""
    size, n_points = given["position"].size, given["position"].shape[1]
    position = np.repeat(given["position"], 2 * size, 0).reshape(2, size, size)
    position += STEP * np.stack([np.eye(size), -np.eye(size)])
    many = {k: np.repeat(v, 2 * size, 0) for k, v in given.items()} | {
        "position": position.reshape(-1, n_points, 3)
    }
    plus, minus = np.asarray(apply(net, many)).reshape(2, size, size)
    return (plus - minus).T / (2 * STEP)


def curl(matrix: np.ndarray) -> float:
    """The antisymmetric part of a Jacobian, relative to the whole."""
    return float(np.linalg.norm(matrix - matrix.T) / np.linalg.norm(matrix))


def test_the_output_has_no_curl_and_that_of_egnn_has():
    given = inputs(5, batch=1)
    assert curl(jacobian(network(5), given)) < 1e-7  # what central differences leave
    assert curl(jacobian(network(5, model=egnn), given)) > 1e-2


def test_masses_make_forces_accelerations():
    net, given, mass = network(5), inputs(5, batch=1), np.array([[1.0, 12.0, 14.0, 16.0, 1.0]])
    plain, heavy = (np.asarray(apply(net, given | more)) for more in ({}, {"mass": mass}))
    np.testing.assert_allclose(heavy * mass[..., None] / mass.mean(), plain, rtol=1e-12)
    accelerated = jacobian(net, given | {"mass": mass})
    assert curl(accelerated) > 1e-2 and curl(accelerated * np.repeat(mass[0], 3)[:, None]) < 1e-7


def rolled(force, first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Frames (steps + 2, N, 3): each the one before, its displacement, and a force at it."""
    frames = [first, second]
    for _ in range(steps):
        frames.append(2 * frames[-1] - frames[-2] + force(frames[-1]))
    return np.stack(frames)


def test_a_rollout_on_constant_velocity_keeps_energy_and_runs_backwards():
    """Stoermer and Verlet's scheme under the potential; a force that turns points about their
    centre heats them up."""
    net, given, small = network(4), inputs(4, batch=1), 1e-3
    start, scalar, adjacency = (given[k][0] for k in ("position", "scalar", "adjacency"))
    force = lambda x: small * np.asarray(apply(net, given | {"position": x[None]}))[0]  # noqa: E731
    whirl = lambda x: force(x) + 0.2 * small * np.cross([0, 0, 1], x - x.mean(0))  # noqa: E731

    def gained(force) -> np.ndarray:
        """Energy gained, relative to the largest kinetic energy, at some frames."""
        frames, at = rolled(force, start, start, 1000), np.arange(100, 1000, 100)
        kinetic = np.square(frames[2:] - frames[:-2]).sum((1, 2)) / 8
        potential = small * np.array([energy(net, frames[i], scalar, adjacency) for i in (1, *at)])
        return (kinetic[at - 1] + potential[1:] - potential[0]) / kinetic.max()

    assert np.abs(gained(force)).max() < 0.02
    assert np.abs(gained(whirl)).max() > 0.1
    there = rolled(force, start, start, 500)
    back = rolled(force, there[-1], there[-2], 500)
    np.testing.assert_allclose(back[-1], start, atol=1e-8)


def test_it_does_not_look_at_displacements_and_is_smooth_where_points_meet():
    net, given = network(5), inputs(5)
    moving = given | {"displacement": np.ones((2, 3, 5, 3))}
    np.testing.assert_array_equal(apply(net, moving), apply(net, given))
    given["position"][:, 1] = given["position"][:, 0]
    assert np.isfinite(apply(net, given)).all()


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_half_of_the_pairs_are_all_of_them(n):
    """Sums over pairs that depend on neither order, by rows of half the pairs and of all."""
    point = np.random.default_rng(0).normal(size=(3, n, 4))
    half, whole = HalfPairs(), AllPairs()
    pair = lambda pairs: pairs.receivers(point) * pairs.senders(point)  # noqa: E731
    shared = pair(half) * HalfPairs.share(n)[..., None]
    found = half.sum(shared) + half.sum_senders(shared)
    np.testing.assert_allclose(found, whole.sum(pair(whole)), atol=1e-12)
    sender, receiver = HalfPairs.index(n)
    np.testing.assert_array_equal(half.senders(point), point[:, sender])
    np.testing.assert_array_equal(
        half.receivers(point) + 0 * half.senders(point), point[:, receiver]
    )

"""The equivariant integrator: forces against gradients, what it keeps, its way back, and a law that
it finds."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import apply

from equitraj.data.features import Shape, Statistics
from equitraj.models import _forces, integrator
from equitraj.models._steps import advanced, scanned
from equitraj.models.integrator import Hyperparameters
from equitraj.training.jax import named_arrays, with_arrays

STATISTICS = Statistics("last", (0.0,), 0.5, 0.1, (0.0, 0.0, 0.0), 1.0, 2.0)
CHAIN = tuple((i, i + 1) for i in range(4))
SHAPE = Shape(5, 1, 0, STATISTICS, bonds=CHAIN)


def drawn(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def in_float64(tree):
    return with_arrays(tree, named_arrays(tree), "float64")


def built(shape: Shape, seed: int = 0, **options) -> integrator.Network:
    build = eqx.filter_jit(lambda key: integrator.build(Hyperparameters(**options), shape, key))
    return in_float64(build(jax.random.key(seed)))


applied = eqx.filter_jit(
    lambda forces, position, features: forces(position, forces.embedded(features))
)
accelerated = eqx.filter_jit(
    lambda network, *given: network.acceleration(*given)
)  # one program for all operations


def network(shape: Shape = SHAPE, **options) -> integrator.Network:
    """One whose forces are not small."""
    found = built(shape, **options)
    return eqx.tree_at(lambda n: n.bend, found, jnp.full(shape.n_displacements + 1, 3.0))


def inputs(seed: int = 0, batch: int = 4, shape: Shape = SHAPE) -> dict[str, jax.Array]:
    adjacency = np.zeros((batch, shape.n_points, shape.n_points))
    for a, b in shape.bonds:
        adjacency[:, a, b] = adjacency[:, b, a] = 1
    past = drawn(seed + 1, batch, shape.n_displacements, shape.n_points, 3)
    found = {
        "position": 2 * drawn(seed, batch, shape.n_points, 3),
        "displacement": past,
        "adjacency": adjacency,
    }
    return {k: jnp.asarray(v) for k, v in found.items()}


def test_angles_are_all_pairs_of_bonds_that_share_a_point():
    assert _forces.angles(CHAIN) == ((0, 1, 2), (1, 2, 3), (2, 3, 4))
    assert _forces.angles(((0, 1), (0, 2), (0, 3))) == ((1, 0, 2), (1, 0, 3), (2, 0, 3))
    assert _forces.angles(()) == ()


def test_forces_of_angles_are_minus_the_torque_times_the_gradient_of_the_angle():
    forces = in_float64(_forces.AngleForces(((0, 1, 2),), 0, 8, jax.random.key(1)))
    position = drawn(2, 3, 3, 1)
    embedded = jnp.zeros((0, 3, 1))

    def angle(x: jax.Array) -> jax.Array:
        a, b = x[0, :, 0] - x[1, :, 0], x[2, :, 0] - x[1, :, 0]
        return jnp.arccos(a @ b / jnp.sqrt(a @ a * (b @ b)))

    found, gradient = applied(forces, position, embedded), jax.jit(jax.grad(angle))(position)
    torque = -(found * gradient).sum() / (gradient**2).sum()
    assert abs(torque) > 1e-3
    np.testing.assert_allclose(
        found, -torque * gradient, rtol=1e-4, atol=1e-7
    )  # lengths are softened by 1e-6


def test_a_straight_angle_has_a_finite_force():
    forces = in_float64(_forces.AngleForces(((0, 1, 2),), 0, 8, jax.random.key(1)))
    straight = jnp.asarray([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])[..., None]
    run = jax.jit(jax.value_and_grad(lambda x: applied(forces, x, jnp.zeros((0, 3, 1))).sum()))
    assert all(np.isfinite(found).all() for found in run(straight))


@pytest.mark.parametrize("options", [{}, {"layers": 2}, {"angles": True}])
def test_momentum_and_angular_momentum_are_kept_by_every_force(options):
    """Forces add up to nothing, and so do their torques, whatever the weights."""
    made, position = network(**options), drawn(3, 5, 3, 2)
    frozen = {"pair": made.pairs.embedded(drawn(4, 1, 10, 2))}
    frozen |= {"angle": made.angles.embedded(jnp.zeros((0, 5, 2)))} if made.angles else {}
    force = accelerated(made, position, frozen)
    assert jnp.abs(force).max() > 1e-3
    np.testing.assert_allclose(force.sum(0), 0, atol=1e-14)
    np.testing.assert_allclose(jnp.cross(position, force, axis=1).sum(0), 0, atol=1e-13)


def test_without_forces_points_move_straight_on():
    made = network(replace(SHAPE, lag=3))
    still = eqx.tree_at(
        lambda n: (n.pairs.force.weight, n.pairs.force.bias), made, replace_fn=jnp.zeros_like
    )
    given = inputs()
    np.testing.assert_allclose(
        apply(still, given), 3 * 0.1 * given["displacement"][:, -1], rtol=1e-12
    )


def test_accelerations_are_cut_off_in_the_datas_own_units_of_length_and_time():
    """A constant acceleration a moves a point at rest by a t^2 (n + 1) / 2 n in n steps, t that of
    three frames."""
    shape, limit, steps = replace(SHAPE, lag=3, time_step=0.25), 0.2, 4
    made = built(shape, axis_limit=limit, steps=steps)
    strong = eqx.tree_at(
        lambda n: n.pairs.force.bias, made, replace_fn=lambda bias: 0 * bias + 40.0
    )
    given = inputs()
    at_rest = given | {"displacement": 0 * given["displacement"]}
    moved = limit * (3 * 0.25) ** 2 * (steps + 1) / (2 * steps)
    np.testing.assert_allclose(
        jnp.abs(apply(strong, at_rest)), moved, rtol=1e-12
    )  # roundings of four steps


def test_steps_are_those_of_symplectic_euler():
    """A plain loop over one sample."""
    made, given = network(steps=7, angles=True), inputs(batch=1)
    prepared = {k: jnp.moveaxis(v, 0, -1) for k, v in made.prepare(given).items()}
    frozen = {
        "pair": made.pairs.embedded(prepared["pair"]),
        "angle": made.angles.embedded(prepared["point"]),
    }
    x, past = prepared["start"], prepared["past"][0]
    v = past + 0.3 * accelerated(made, x, frozen) + 0.3 * accelerated(made, x - past, frozen)
    for _ in range(7):
        v = v + accelerated(made, x, frozen) / 7
        x = x + v / 7
    found = apply(made, given)
    np.testing.assert_allclose(found[0], 2.0 * (x - prepared["start"])[..., 0], rtol=1e-10)
    by_parts = eqx.filter_jit(lambda network, inputs: network.apply(network.prepare(inputs)))
    np.testing.assert_allclose(by_parts(made, given), found, rtol=1e-12)


def test_gradients_that_do_not_grow_are_exact():
    """A contraction, against reverse-mode differentiation of the whole loop."""
    step = lambda w, s: (s[0] + 0.1 * s[1], s[1] - 0.1 * jnp.tanh(w["k"] * s[0]) - 0.3 * s[1])  # noqa: E731
    start, weights = (drawn(5, 2, 3, 6), drawn(6, 2, 3, 6)), {"k": jnp.asarray(0.7)}
    loss = lambda run: lambda w, s: (run(step, 40, w, s)[0] ** 2).sum()  # noqa: E731
    limited = loss(lambda step, steps, *states: advanced(step, steps, 1e6, *states))
    both = [jax.grad(each, (0, 1))(weights, start) for each in (limited, loss(scanned))]
    for found, exact in zip(*both, strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), found, exact)


def test_gradients_that_would_explode_are_held_for_each_sample():
    step = lambda w, s: (w["k"] * s[0],)  # noqa: E731
    k = jnp.asarray([1.0, 1.5])  # of two samples: the second grows by 1.5 to the power of 60
    start = (jnp.ones((1, 2)),)
    run = lambda s: advanced(step, 60, 3.0, {"k": k}, s)[0].sum()  # noqa: E731
    found = jax.grad(run)(start)[0]
    np.testing.assert_allclose(found, [[1.0, 3.0]], rtol=1e-12)


def test_angles_without_bonds_are_refused():
    with pytest.raises(ValueError, match="no two bonds of the data share a point"):
        integrator.build(Hyperparameters(angles=True), replace(SHAPE, bonds=()), jax.random.key(0))
    assert not integrator.claims(Hyperparameters(angles=True))["permutation"]


def test_it_finds_an_inverse_square_law():
    """Two bodies that repel each other: the force that it learns, between the distances of the
    data."""
    import optax

    rng, shape = (
        np.random.default_rng(0),
        Shape(2, 1, 0, replace(STATISTICS, extent=1.0, residual_scale=1.0)),
    )
    radius = rng.uniform(0.7, 2.0, 64)
    position = np.zeros((64, 2, 3))
    position[:, 0, 0] = radius
    given = {
        "position": position,
        "displacement": np.zeros((64, 1, 2, 3)),
        "adjacency": np.zeros((64, 2, 2)),
    }
    given = {k: jnp.asarray(v) for k, v in given.items()}
    x, v = radius.copy(), np.zeros(64)
    for _ in range(2000):  # the distance r of the two: r'' = 2 / r^2, for the time 0.5
        v += 0.5 / 2000 * 2 / x**2
        x += 0.5 / 2000 * v
    target = np.zeros((64, 2, 3))
    target[:, 0, 0], target[:, 1, 0] = (x - radius) / 2, -(x - radius) / 2
    made = built(shape, seed=1, width=16, steps=20)
    made = eqx.tree_at(lambda n: n.strength, made, 1.0)
    weights, static = eqx.partition(made, eqx.is_array)
    optimise = optax.adam(optax.cosine_decay_schedule(2e-2, 600))
    at_rest = lambda w: eqx.tree_at(lambda n: n.bend, eqx.combine(w, static), jnp.zeros(2))  # noqa: E731
    loss = lambda w: jnp.mean((at_rest(w)(given) - target) ** 2)  # noqa: E731

    @jax.jit
    def fit(state: tuple, _: None) -> tuple:
        found, gradient = jax.value_and_grad(loss)(state[0])
        change, moments = optimise.update(gradient, state[1])
        return (optax.apply_updates(state[0], change), moments), found

    (weights, _), history = jax.lax.scan(fit, (weights, optimise.init(weights)), length=600)
    trained = eqx.combine(weights, static)
    assert history[-1] < 1e-3 * history[0]
    for r in (0.8, 1.2, 1.8):
        at = jnp.zeros((2, 3, 1)).at[0, 0, 0].set(r)
        force = trained.acceleration(at, {"pair": trained.pairs.embedded(jnp.zeros((1, 1, 1)))})[
            0, 0, 0
        ]
        # lengths and times are those of the network: extent 1, and 1 for the time 0.5 of the data
        assert force * 4 == pytest.approx(1 / r**2, rel=0.1)

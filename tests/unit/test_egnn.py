"""EGNN on prepared columns agrees with its equations written out, on all pairs and on lists of
neighbours."""

import egnn_reference
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import apply, drawn

from equitraj.data.features import Shape, Statistics
from equitraj.models import egnn
from equitraj.training.jax import named_arrays

EXTENT = 1.7


def network(
    n_points: int, n_past: int, n_scalars: int = 0, dtype: str = "float64", **options
) -> egnn.Network:
    statistics = Statistics("none", (), 1.0, 1.0, (0.0, 0.0, 0.0), 1.0, EXTENT)
    return drawn(egnn, Shape(n_points, n_past, n_scalars, statistics), dtype, **options)


def dense(
    n_points: int, n_past: int, n_scalars: int = 0, batch: int = 3, dtype: str = "float64"
) -> dict:
    rng = np.random.default_rng(0)
    bonded = np.eye(n_points, k=1) + np.eye(n_points, k=-1)
    inputs = {
        "position": rng.normal(size=(batch, n_points, 3)),
        "displacement": rng.normal(size=(batch, n_past, n_points, 3)),
        "adjacency": np.broadcast_to(bonded, (batch, n_points, n_points)),
    }
    if n_scalars:
        inputs["scalar"] = rng.normal(size=(batch, n_points, n_scalars))
    return {k: v.astype(dtype) for k, v in inputs.items()}


def listed(inputs: dict, radius: float, box: np.ndarray | None = None, spare: int = 3) -> dict:
    """Neighbours within a radius in place of `adjacency`, the lists filled up; in a periodic box of
    these lengths."""
    position, n_points = inputs["position"], inputs["position"].shape[1]
    images = (
        np.zeros((1, 3))
        if box is None
        else box * np.stack(np.meshgrid(*3 * [[-1, 0, 1]]), -1).reshape(-1, 3)
    )
    vector = (
        position[:, :, None, None] - position[:, None, :, None] - images
    )  # receiver, sender, image
    near = np.linalg.norm(vector, axis=-1) < radius
    near &= ~(np.eye(n_points, dtype=bool)[..., None] & (images == 0).all(-1))
    size = near.sum((1, 2, 3)).max() + spare
    lists = {"senders": [], "receivers": [], "shift": [], "bonded": []}
    for one, found in zip(inputs["adjacency"], near, strict=True):
        receiver, sender, image = np.nonzero(found)
        fill = size - len(sender)
        lists["senders"].append(np.pad(sender, (0, fill), constant_values=n_points))
        lists["receivers"].append(np.pad(receiver, (0, fill), constant_values=n_points))
        lists["shift"].append(np.pad(images[image], ((0, fill), (0, 0))))
        lists["bonded"].append(np.pad(one[receiver, sender], (0, fill)))
    arrays = {k: np.stack(v) for k, v in lists.items()}
    index = {k: arrays[k].astype(np.int32) for k in ("senders", "receivers")}
    others = {k: arrays[k].astype(position.dtype) for k in ("shift", "bonded")}
    return {k: v for k, v in inputs.items() if k != "adjacency"} | index | others


def loss(arrays: egnn.Network, output, inputs: dict) -> tuple[jax.Array, jax.Array]:
    found = output(arrays, inputs)
    return jnp.sum(jnp.sin(found)), found  # each output has a weight of its own


gradient = jax.jit(jax.value_and_grad(loss, has_aux=True), static_argnums=1)


@pytest.mark.parametrize(
    ("past", "options"),
    [(0, {}), (2, {"layers": 1}), (2, {"layers": 3, "identity": True}), (1, {"max_radius": 1.5})],
)
def test_outputs_and_gradients_are_those_of_the_equations(past, options):
    """In float64: sums of a hundred terms of order one in another order differ by 1e-14."""
    net, inputs = network(6, past, 2, width=8, **options), dense(6, past, 2)
    ((_, found), fast), ((_, expected), reference) = (
        gradient(net_arrays(net), output_of(net, output), inputs)
        for output in (lambda n, i: n(i), egnn_reference.output)
    )
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    for a, b in zip(jax.tree.leaves(fast), jax.tree.leaves(reference), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * max(1, np.abs(b).max()))


def net_arrays(net: egnn.Network):
    return eqx.filter(net, eqx.is_array)


def output_of(net: egnn.Network, output):
    rest = eqx.filter(net, eqx.is_array, inverse=True)
    return lambda arrays, inputs: output(eqx.combine(arrays, rest), inputs)


def test_the_weights_keep_their_names():
    """Those of runs of earlier versions; no constant of the data is among them."""
    linear = {"edge", "message", "pair_weight", "point_weight", "receiver", "sender"}
    weights = {f"layers.{name}.weight" for name in linear} | {"embed.weight", "embed.bias"}
    weights |= {f"layers.{name}.bias" for name in linear - {"edge", "sender", "pair_weight"}}
    weights |= {f"layers.update.layers[{i}].{kind}" for i in (0, 1) for kind in ("weight", "bias")}
    assert set(named_arrays(network(5, 2))) == weights


@pytest.mark.parametrize("past", [0, 2])
def test_lists_of_all_neighbours_agree_with_all_pairs(past):
    net, inputs = network(6, past, 1, width=8, max_radius=50.0), dense(6, past, 1)
    expected = apply(net, inputs)
    found = apply(net, listed(inputs, 50.0))
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-12 * np.abs(expected).max()
    )  # sums in another order


def test_points_beyond_the_cutoff_are_not_missed():
    """All pairs with the cutoff's factor, and lists of those that are near: the same in float64."""
    net, inputs = network(40, 1, width=8, max_radius=1.5), dense(40, 1)
    lists = listed(inputs, 1.5)
    assert 1.5 < lists["senders"].shape[1] / 40 < 30
    expected = apply(net, inputs)
    np.testing.assert_allclose(
        apply(net, lists), expected, rtol=0, atol=1e-12 * np.abs(expected).max()
    )


def test_the_output_is_continuous_when_a_pair_leaves():
    net, inputs = network(3, 1, width=8, max_radius=1.5), dense(3, 1, batch=2)
    inputs["position"][:] = [[0, 0, 0], [1, 0, 0], [0, 1.5, 0]]
    inputs["position"][:, 2, 1] += [-1e-6, 1e-6]
    inputs["displacement"][1] = inputs["displacement"][0]
    lists = listed(inputs, 1.5)
    assert (lists["senders"] < 3).sum(1).tolist() == [
        4,
        2,
    ]  # 0 and 2 have parted; 1 and 2 are far apart
    inside, outside = apply(net, lists)
    assert (
        np.abs(inside - outside).max() < 1e-9
    )  # the factor is the square of 1 - r^2/R^2: 1e-11 there


def test_a_periodic_box_moves_like_two_of_them_side_by_side():
    box, inputs = np.array([2.0, 2.0, 2.0]), dense(40, 1, batch=2)
    inputs["position"] %= box
    inputs["adjacency"] = np.zeros((2, 40, 40))
    double = {
        "position": np.concatenate([inputs["position"], inputs["position"] + [2.0, 0, 0]], 1),
        "displacement": np.concatenate(2 * [inputs["displacement"]], 2),
        "adjacency": np.zeros((2, 80, 80)),
    }
    one, two = (network(n, 1, width=8, max_radius=0.9) for n in (40, 80))
    expected, found = (
        apply(one, listed(inputs, 0.9, box)),
        apply(two, listed(double, 0.9, box * [2, 1, 1])),
    )
    tolerance = {
        "rtol": 0,
        "atol": 1e-12 * np.abs(expected).max(),
    }  # float64: positions up to 4, sums in another order
    np.testing.assert_allclose(found[:, :40], expected, **tolerance)
    np.testing.assert_allclose(found[:, 40:], expected, **tolerance)


def test_memory_is_linear_in_the_number_of_edges():
    """A step's arrays, as the compiler plans them, for 4,096 points with 30 neighbours each, and
    for half of both."""

    def planned(n_points: int) -> int:
        net, rng = network(n_points, 2, dtype="float32", max_radius=1.0), np.random.default_rng(0)
        inputs = dense(n_points, 2, batch=1, dtype="float32")
        del inputs["adjacency"]
        edges = {
            k: rng.integers(0, n_points, (1, 30 * n_points), np.int32)
            for k in ("senders", "receivers")
        }
        inputs |= edges | {
            "shift": np.zeros((1, 30 * n_points, 3), np.float32),
            "bonded": np.zeros((1, 30 * n_points), np.float32),
        }
        lowered = gradient.lower(net_arrays(net), output_of(net, lambda n, i: n(i)), inputs)
        return lowered.compile().memory_analysis().temp_size_in_bytes

    half, whole = planned(2048), planned(4096)
    assert whole < 1e9 and 1.8 < whole / half < 2.2

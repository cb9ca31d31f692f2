"""Attention on columns against its equations written out, point by point, and what breaks its
symmetry."""

import numpy as np
import pytest
from drawn import apply, drawn

from equitraj.data.features import Shape, Statistics
from equitraj.models import attention
from equitraj.training.jax import named_arrays

MEAN, SCALE, EXTENT = (0.3, -0.2, 0.1), 1.7, 1.3


def network(n_points: int, n_past: int, n_scalars: int, **options) -> attention.Network:
    statistics = Statistics("none", (), 1.0, 1.0, MEAN, SCALE, EXTENT)
    return drawn(attention, Shape(n_points, n_past, n_scalars, statistics), **options)


def inputs(n_points: int, n_past: int, n_scalars: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    bonded = np.eye(n_points, k=1) + np.eye(n_points, k=-1)
    found = {"position": rng.normal(size=(3, n_points, 3)), "adjacency": np.tile(bonded, (3, 1, 1))}
    found["displacement"] = rng.normal(size=(3, n_past, n_points, 3))
    return found | ({"scalar": rng.normal(size=(3, n_points, n_scalars))} if n_scalars else {})


def reference(network: attention.Network, one: dict[str, np.ndarray]) -> np.ndarray:
    """(N, 3) of one sample, with loops over points and heads."""
    w, heads = named_arrays(network), network.blocks.pair.weight.shape[1]
    layer = lambda name, x, i=...: w[f"{name}.weight"][i] @ x + w[f"{name}.bias"][i]  # noqa: E731
    norm = lambda x: (x - x.mean()) / np.sqrt(x.var() + 1e-5)  # noqa: E731
    tokens = []
    for i, x in enumerate(one["position"]):
        parts = [
            (x - MEAN) / SCALE,
            one["displacement"][:, i].ravel(),
            one.get("scalar", np.empty((99, 0)))[i],
        ]
        tokens.append(layer("embed", np.concatenate(parts)))
    centres, spacing = np.linspace(0, 1, network.basis), 1 / max(1, network.basis - 1)
    near = np.exp(-np.linalg.norm(one["position"][:, None] - one["position"], axis=-1) / EXTENT)[
        ..., None
    ]
    pair = np.concatenate(
        [one["adjacency"][..., None], np.exp(-(((near - centres) / spacing) ** 2) / 2)], -1
    )
    for block in range(len(w["blocks.pair.weight"])):
        three = [
            layer("blocks.query_key_value", norm(h), block).reshape(3, heads, -1) for h in tokens
        ]
        moved = []
        for i, (query, _, _) in enumerate(three):
            joined = []
            for head in range(heads):
                score = [query[head] @ key[head] / np.sqrt(len(query[head])) for _, key, _ in three]
                weight = np.exp(score + pair[i] @ w["blocks.pair.weight"][block, head])
                joined.append(
                    sum(a * value[head] for a, (_, _, value) in zip(weight, three, strict=True))
                    / weight.sum()
                )
            moved.append(tokens[i] + layer("blocks.joined", np.concatenate(joined), block))
        hidden = [layer("blocks.hidden", norm(h), block) for h in moved]
        tokens = [
            h + layer("blocks.out", z / (1 + np.exp(-z)), block)
            for h, z in zip(moved, hidden, strict=True)
        ]
    return np.stack([layer("output", norm(h)) for h in tokens])


PLAIN = {"width": 7, "heads": 3, "layers": 3, "basis": 0}
CASES = [(6, 2, 2, {"width": 8, "heads": 2}), (5, 0, 0, PLAIN), (1, 1, 1, {})]


@pytest.mark.parametrize(("n_points", "n_past", "n_scalars", "options"), CASES)
def test_outputs_are_those_of_the_equations(n_points, n_past, n_scalars, options):
    net, given = (
        network(n_points, n_past, n_scalars, **options),
        inputs(n_points, n_past, n_scalars),
    )
    found = np.asarray(apply(net, given))
    expected = np.stack([reference(net, {k: v[b] for k, v in given.items()}) for b in range(3)])
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-12
    )  # float64: sums in another order
    if n_points > 1:  # the bonds count
        unbonded = {k: v[0] for k, v in (given | {"adjacency": 0 * given["adjacency"]}).items()}
        assert np.abs(reference(net, unbonded) - found[0]).max() > 1e-3


def test_points_may_be_renamed_with_their_bonds_and_features_but_not_without():
    net, given, order = network(6, 2, 2), inputs(6, 2, 2), np.array([2, 0, 5, 1, 3, 4])
    renamed = {
        "position": given["position"][:, order],
        "displacement": given["displacement"][:, :, order],
    }
    renamed |= {
        "scalar": given["scalar"][:, order],
        "adjacency": given["adjacency"][:, order][:, :, order],
    }
    expected = np.asarray(apply(net, given))[:, order]
    np.testing.assert_allclose(apply(net, renamed), expected, rtol=0, atol=1e-12)
    for kept in ("adjacency", "scalar", "displacement"):
        assert np.abs(apply(net, renamed | {kept: given[kept]}) - expected).max() > 1e-2


def test_translations_are_left_to_the_alignment():
    net, given = network(6, 2, 2), inputs(6, 2, 2)
    assert (
        np.abs(apply(net, given | {"position": given["position"] + 1.0}) - apply(net, given)).max()
        > 1e-2
    )

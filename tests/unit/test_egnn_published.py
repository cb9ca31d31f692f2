"""The published EGNN, on columns, against its equations written out in loops over points."""

from dataclasses import asdict

import numpy as np
from drawn import apply, drawn

from equitraj.data.features import Shape, Statistics
from equitraj.models import egnn_published
from equitraj.training.jax import named_arrays

SHAPE = Shape(
    4, 1, 1, Statistics("last", (0.0,), 0.5, 0.3, (0.0, 0.0, 0.0), 1.0, 2.0), time_step=0.1
)


def perceptron(weights: dict, name: str, x: np.ndarray, ends: bool = False) -> np.ndarray:
    silu = lambda z: z / (1 + np.exp(-z))  # noqa: E731
    first, second = f"layers.{name}.first", f"layers.{name}.second"
    hidden = silu(weights[f"{first}.weight"] @ x + weights[f"{first}.bias"])
    found = weights[f"{second}.weight"] @ hidden + weights.get(f"{second}.bias", 0)
    return silu(found) if ends else found


def reference(
    weights: dict, x: np.ndarray, v: np.ndarray, charge: np.ndarray, layers: int
) -> np.ndarray:
    """Eqs. 3, 6 and 7 of Satorras et al. with the authors' choices, (N, 3) of one sample."""
    n, start = len(x), x
    h = [weights["embed.weight"] @ [np.linalg.norm(v[i])] + weights["embed.bias"] for i in range(n)]
    at_start = np.square(x[:, None] - x).sum(-1)
    for layer in range(layers):
        now = {k: w[layer] if k.startswith("layers") else w for k, w in weights.items()}
        sums, moved = [np.zeros_like(h[0]) for _ in range(n)], x.copy()
        for i in range(n):
            for j in (j for j in range(n) if j != i):
                squared, edge = (
                    np.square(x[i] - x[j]).sum(),
                    [0.0, at_start[i, j], charge[i] * charge[j]],
                )
                m = perceptron(
                    now, "message", np.concatenate([h[i], h[j], [squared], edge]), ends=True
                )
                moved[i] += np.clip((x[i] - x[j]) * perceptron(now, "push", m), -100, 100) / (n - 1)
                sums[i] += m
            moved[i] += perceptron(now, "speed", h[i]) * v[i]
        h = [h[i] + perceptron(now, "update", np.concatenate([h[i], sums[i]])) for i in range(n)]
        x = moved
    return x - start


def test_columns_are_the_published_equations():
    rng = np.random.default_rng(0)
    options = egnn_published.Hyperparameters(width=8, layers=3)
    network = drawn(egnn_published, SHAPE, **asdict(options))
    weights = named_arrays(network)
    x, past, charge = (
        rng.normal(size=(3, 4, 3)),
        rng.normal(size=(3, 1, 4, 3)),
        rng.choice([-1.0, 1], size=(3, 4, 1)),
    )
    inputs = {
        "position": x,
        "displacement": past,
        "scalar": charge,
        "adjacency": np.zeros((3, 4, 4)),
    }
    found = apply(network, inputs)
    for i in range(3):
        # velocities in the data's units: displacement_scale over time_step
        expected = reference(weights, x[i], 3 * past[i, 0], charge[i, :, 0], 3)
        np.testing.assert_allclose(found[i], expected, rtol=1e-9, atol=1e-11)


def test_sizes_are_those_of_the_published_network():
    """Linear layers of the authors' `EGNN_vel` with 64 features, 4 layers, and one edge feature
    more: a bond."""
    built = drawn(egnn_published, SHAPE)
    per_layer = (2 * 64 + 1 + 2 + 1) * 64 + 64 + 64 * 64 + 64  # messages
    per_layer += 64 * 64 + 64 + 64 + (64 * 64 + 64 + 64 + 1) + (128 * 64 + 64 + 64 * 64 + 64)
    assert sum(w.size for w in named_arrays(built).values()) == 64 + 64 + 4 * per_layer

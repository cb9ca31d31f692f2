"""Points of all kinds, two models, and the equivariance error of what an alignment makes of them."""

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.frames import load_alignment

BATCH, HISTORY, POINTS = 16, 2, 6


def cloud(seed: int, shape: tuple = (8, 5, 3)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def haar(rng: np.random.Generator, count: int) -> np.ndarray:
    return Rotation.random(count, rng=rng).as_matrix()


def symmetric_shapes() -> np.ndarray:
    """A hexagon, a staggered prism, a pyramid on five points, an octahedron: C6, D3, C5 and equal
    spread all round."""

    def ring(n: int, z: float, turn: float = 0.0) -> list:
        return [[np.cos(a), np.sin(a), z] for a in turn + 2 * np.pi * np.arange(n) / n]

    octahedron = np.concatenate([np.eye(3), -np.eye(3)])
    shapes = [
        ring(6, 0),
        ring(3, 0.7) + ring(3, -0.7, np.pi / 3),
        [*ring(5, 0), [0, 0, 1.3]],
        octahedron,
    ]
    return np.array(shapes)


def points_of(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Points (B, N, 3) of a kind, away from the origin and turned at random."""
    points = rng.normal(size=(BATCH, POINTS, 3))
    if kind == "planar":
        points[..., 2] = 0
    elif kind == "collinear":
        points[..., 1:] = 0
    elif kind == "coincident":
        points[:] = points[:, :1]
    elif kind == "repeated point":
        points[:, 1] = points[:, 0]
    elif kind == "symmetric":
        points = np.tile(symmetric_shapes(), (BATCH // 4, 1, 1)) * rng.uniform(
            0.5, 2, (BATCH, 1, 1)
        )
    return points @ haar(rng, BATCH) + rng.normal(size=(BATCH, 1, 3))


KINDS = ["random", "planar", "collinear", "coincident", "repeated point", "symmetric"]


def history_of(kind: str, seed: int) -> np.ndarray:
    """(B, K, N, 3): the newest frame of a kind, the older one a little off."""
    rng = np.random.default_rng(seed)
    newest = points_of(kind, rng)
    return np.stack([newest + 0.1 * rng.normal(size=newest.shape), newest], 1)


def fitted(name: str, options: dict) -> tuple:
    """An alignment and its reference from training data."""
    alignment = load_alignment(name, options)
    return alignment, alignment.fit(cloud(100, (20, POINTS, 3)))


def plain_model(inside: np.ndarray) -> np.ndarray:
    """A nonlinear function of all coordinates without any symmetry: (S, K, N, 3) to (S, N, 3)."""
    weight = np.random.default_rng(7).normal(size=(inside[0].size, inside[0, 0].size)) / 3
    return np.tanh(inside.reshape(len(inside), -1) @ weight + 0.3).reshape(len(inside), -1, 3)


def symmetric_model(inside: np.ndarray) -> np.ndarray:
    """The same for every point: each sees itself and a mean over all."""
    own, mean, out = np.random.default_rng(8).normal(size=(3, 3 * HISTORY, 3 * HISTORY))
    feature = np.moveaxis(inside, 1, 2).reshape(len(inside), inside.shape[2], -1)
    return (
        np.tanh(feature @ own + np.tanh(feature @ mean + 0.2).mean(1, keepdims=True) + 0.1)
        @ out[:, :3]
    )


def predict(alignment, reference, history, model=plain_model, rng=None) -> np.ndarray:
    frames = alignment.frames(history, reference, rng)
    return frames.back(model(frames.into(history)))


def equivariance_error(alignment, reference, history, generator: str, seed: int = 0) -> np.ndarray:
    """(B,) largest coordinate of f(g x) - g f(x) for one random element per sample."""
    rng = np.random.default_rng(seed)
    if generator == "permutation":
        order = rng.permutation(POINTS)
        model = symmetric_model
        moved, expected = (
            history[:, :, order],
            predict(alignment, reference, history, model)[:, order],
        )
    else:
        model = plain_model
        matrix = np.broadcast_to(np.eye(3), (len(history), 3, 3))
        if generator != "translation":
            matrix = haar(rng, len(history)) * (-1 if generator == "reflection" else 1)
        shift = 10.0 * rng.normal(size=(len(history), 1, 3)) if generator == "translation" else 0.0
        turn = matrix.swapaxes(1, 2)
        moved = history @ turn[:, None] + (shift[:, None] if generator == "translation" else 0)
        expected = predict(alignment, reference, history) @ turn + shift
    return np.abs(predict(alignment, reference, moved, model) - expected).max((1, 2))


def level(alignment, generator: str) -> str:
    return (
        ("exact" if alignment.permutation else "no")
        if generator == "permutation"
        else getattr(alignment, generator)
    )

"""Probes of a trained method beyond its generators: rows of `probe, item, x, value, low, high,
floor, verdict`.

They cost little: 16 samples spread over the test split, in float64. What a value means stands in
docs/symmetry.md.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import VECTORS, Sample
from equitraj.frames.axes import extent
from equitraj.prediction.evaluation import fed_back
from equitraj.symmetry.actions import Element, direction, draw
from equitraj.symmetry.measure import Measurement, Predict, displacement_norm, interval, measure
from equitraj.symmetry.verdict import noise_floor, verdict

COLUMNS = "probe item x value low high floor verdict".split()
ANGLES = (1, 5, 15, 30, 45, 60, 90, 120, 150, 180)  # degrees
N_AXES = 6
EVALUATIONS = 60  # of the objective, by the search for the worst rotation
GAPS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
NUDGE = 1e-7  # of the extent: far above rounding, far below the smallest gap


def probe_row(probe: str, item: str, x: float | None, value: float, **others: object) -> dict:
    """One row, with what it lacks empty."""
    return dict.fromkeys(COLUMNS) | {"probe": probe, "item": item, "x": x, "value": value} | others


def about_origin(matrix: np.ndarray, sample: Sample) -> list[Element]:
    """The rotation matrix (3, 3) about the origin, as an element for these samples."""
    return [Element(np.arange(sample.position.shape[2]), matrix)]


def angles(predict: Predict, sample: Sample, seed: int = 0) -> list[dict]:
    """Mean relative error under rotations by a given angle about random axes, with its interval."""
    rng, prediction, rows = np.random.default_rng(seed), predict(sample), []
    axes = np.stack([direction(rng) for _ in range(N_AXES)])
    for angle in ANGLES:
        matrices = Rotation.from_rotvec(np.radians(angle) * axes).as_matrix()
        elements = [e for matrix in matrices for e in about_origin(matrix, sample)]
        relative = np.stack(measure(predict, sample, prediction, elements).relative)
        low, high = interval(relative)
        rows.append(
            probe_row("angle", "rotation", angle, float(relative.mean()), low=low, high=high)
        )
    return rows


def worst_rotation(predict: Predict, sample: Sample, n_random: int, seed: int = 0) -> list[dict]:
    """The largest mean relative error over SO(3), searched from the worst of random rotations,
    beside their p95.

    The search is Nelder and Mead's (1965) on the rotation vector, because a frame that flips has no
    gradient. It finds a local maximum that no random rotation reached, which is a lower bound of
    the largest.
    """
    prediction, n_points = predict(sample), sample.position.shape[2]
    elements = draw("rotation", n_random, n_points, 1.0, np.random.default_rng(seed))
    found = np.stack(measure(predict, sample, prediction, elements).relative).mean(1)

    def objective(vector: np.ndarray) -> float:
        turned = about_origin(Rotation.from_rotvec(vector).as_matrix(), sample)
        return -float(measure(predict, sample, prediction, turned).relative[0].mean())

    start = Rotation.from_matrix(elements[int(found.argmax())].matrix).as_rotvec()
    simplex = start + np.concatenate([np.zeros((1, 3)), 0.3 * np.eye(3)])
    options = {"maxfev": EVALUATIONS, "initial_simplex": simplex}
    best = minimize(objective, start, method="Nelder-Mead", options=options)
    return [
        probe_row("worst_rotation", "random p95", None, float(np.quantile(found, 0.95))),
        probe_row("worst_rotation", "worst", None, max(-float(best.fun), float(found.max()))),
    ]


def rollout(
    predict: Predict,
    sample: Sample,
    lag: int,
    steps: tuple[int, ...] = (1, 2, 5, 10, 20),
    seed: int = 0,
) -> list[dict]:
    """Rotation error after feeding predictions back, relative to how far the rollout has come from
    its start."""
    elements = draw("rotation", 2, sample.position.shape[2], 1.0, np.random.default_rng(seed))
    starts, rows = [sample, *(g.apply(sample) for g in elements)], []
    rollouts = [fed_back(predict, start, lag, max(steps)) for start in starts]
    for step, (here, *turned) in enumerate(zip(*rollouts, strict=True), 1):
        if step in steps:
            error = np.stack(
                [g.undo(position) - here for g, position in zip(elements, turned, strict=True)]
            )
            travelled = np.linalg.norm(here - sample.position[:, -1], axis=(1, 2))
            relative = np.linalg.norm(error, axis=(2, 3)) / np.maximum(
                travelled, np.finfo(float).tiny
            )
            if not np.isfinite(relative).all() or not travelled.all():
                break
            low, high = interval(relative)
            rows.append(
                probe_row("rollout", "rotation", step, float(relative.mean()), low=low, high=high)
            )
    return rows


def stabilisers(predict: Predict, sample: Sample, forward: float, seed: int = 0) -> list[dict]:
    """Symmetric input must give symmetric output (Curie's principle): a planar one, and
    C_n-symmetric ones.

    The value is |s f(x) - f(x)| / 2 relative to the motion, for an element s with s x = x: the
    mirror in the plane; the turn by 360 / n degrees, which renames points. n runs over the divisors
    of the number of points up to 4.
    """
    rng, n_points = np.random.default_rng(seed), sample.position.shape[2]
    normal = direction(rng)
    flat = Element(np.arange(n_points), np.eye(3) - 2 * np.outer(normal, normal))
    planar = _symmetrised(sample, [Element(np.arange(n_points)), flat])
    rows = [_stabiliser("planar", predict, planar, flat, forward)]
    for n in (n for n in (2, 3, 4) if n_points % n == 0 and n_points > n):
        order = np.arange(n_points).reshape(
            n, -1
        )  # point i of each of the n parts is turned into that of the next
        turn = Rotation.from_rotvec(2 * np.pi / n * normal).as_matrix()
        generator = Element(np.roll(order, 1, axis=0).reshape(-1), turn)
        rows.append(_stabiliser(f"C{n}", predict, _cyclic(sample, turn, n), generator, forward))
    return rows


def _symmetrised(sample: Sample, group: list[Element]) -> Sample:
    """Positions averaged over a finite group: the projection on its fixed points."""
    images = [g.apply(sample) for g in group]
    mean = {
        k: np.mean([getattr(s, k) for s in images], axis=0)
        for k in VECTORS
        if getattr(sample, k) is not None
    }
    return replace(
        sample, **mean, target=None, box=None
    )  # a box has not the symmetry of its points


def _cyclic(sample: Sample, turn: np.ndarray, n: int) -> Sample:
    """The first part of the points and its n - 1 turned copies, without bonds; features are copied
    too."""
    part = sample.position.shape[2] // n
    matrices = np.stack([np.linalg.matrix_power(turn, k) for k in range(n)])
    made = {}
    for name in (name for name in VECTORS if getattr(sample, name) is not None):
        copies = np.einsum("pij,...mj->...pmi", matrices, getattr(sample, name)[..., :part, :])
        made[name] = copies.reshape(*copies.shape[:-3], -1, 3)
    if sample.scalar is not None:
        made["scalar"] = np.tile(sample.scalar[:, :part], (1, n, 1))
    if sample.mass is not None:
        made["mass"] = np.tile(sample.mass[:, :part], (1, n))
    return replace(sample, **made, target=None, edges=None, box=None)


def _stabiliser(
    name: str, predict: Predict, sample: Sample, element: Element, forward: float
) -> dict:
    prediction = predict(sample)
    moved = element.matrix @ prediction[:, element.order].swapaxes(1, 2)
    norm = displacement_norm(prediction, sample)
    error = float(
        np.mean(np.linalg.norm(moved.swapaxes(1, 2) - prediction, axis=(1, 2)) / 2 / norm)
    )
    floor = noise_floor(forward, norm, np.linalg.norm(prediction, axis=(1, 2)), "float64")
    return probe_row("stabiliser", name, None, error, floor=floor, verdict=verdict(error, floor))


def continuity(predict: Predict, sample: Sample, seed: int = 0) -> list[dict]:
    """How far a tiny shift of the points moves the prediction, |f(x + d) - f(x)| / |d|, near a
    degenerate frame.

    All frames of a sample are stretched along the principal axes of the newest, so that its two
    leading second moments have the ratio 1 + gap. A frame that follows the principal axes turns by
    about |d| / gap.
    """
    position = sample.position - sample.position[:, -1:].mean(2, keepdims=True)
    newest = position[:, -1]
    values, axes = np.linalg.eigh(newest.swapaxes(1, 2) @ newest)
    rng, size, rows = np.random.default_rng(seed), NUDGE * extent(newest), []
    step = rng.normal(size=newest.shape)
    step *= size / np.linalg.norm(step, axis=(1, 2), keepdims=True)
    for gap in GAPS:
        stretch = np.ones_like(values)
        stretch[:, 1] = np.sqrt(
            values[:, 2] / (1 + gap) / np.maximum(values[:, 1], np.finfo(float).tiny)
        )
        matrix = (axes * stretch[:, None]) @ axes.swapaxes(1, 2)
        near = replace(
            sample, position=np.einsum("bij,bknj->bkni", matrix, position), target=None, box=None
        )
        change = predict(replace(near, position=near.position + step[:, None])) - predict(near)
        gain = np.linalg.norm(change, axis=(1, 2)) / size
        low, high = interval(gain[None])
        rows.append(
            probe_row(
                "continuity", "shift of all frames", gap, float(gain.mean()), low=low, high=high
            )
        )
    return rows


def training(
    load: Callable[[str], Predict], epochs: list[int], sample: Sample, seed: int = 0
) -> list[dict]:
    """Mean relative rotation error of the weights kept on the way, `load("epochN")`, and before and
    after."""
    elements = draw("rotation", 4, sample.position.shape[2], 1.0, np.random.default_rng(seed))
    rows = []
    for epoch, weights in [(0, "initial"), *((n, f"epoch{n}") for n in epochs)]:
        predict = load(weights)
        found: Measurement = measure(predict, sample, predict(sample), elements)
        low, high = interval(np.stack(found.relative))
        row = probe_row(
            "training", "rotation", epoch, float(np.mean(found.relative)), low=low, high=high
        )
        rows.append(row)
    return rows

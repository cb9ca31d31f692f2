"""Probes of a trained method beyond the audit's generators: the rows of probes.csv.

They are cheap: 16 samples spread over the test split, in float64. docs/symmetry.md explains the
values.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import Sample
from equitraj.frames.axes import extent
from equitraj.prediction.evaluation import fed_back
from equitraj.symmetry.actions import (
    Element,
    about_origin,
    direction,
    draw,
    reflection,
    vectors,
)
from equitraj.symmetry.measure import (
    TINY,
    Predict,
    displacement_norm,
    frobenius,
    interval,
    measure,
)
from equitraj.symmetry.verdict import noise_floor, verdict

COLUMNS = "probe item x value low high floor verdict".split()
ANGLES = (1, 5, 15, 30, 45, 60, 90, 120, 150, 180)  # degrees
N_AXES = 6
EVALUATIONS = 60  # of the objective, by the search for the worst rotation
GAPS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
NUDGE = 1e-7  # of the extent: far above rounding, far below the smallest gap


def probe_row(probe: str, item: str, x: float | None, value: float, **others: object) -> dict:
    """Return one row; columns without a value are empty."""
    row = dict.fromkeys(COLUMNS) | others
    return row | {"probe": probe, "item": item, "x": x, "value": value}


def _mean_row(probe: str, item: str, x: float, values: np.ndarray) -> dict:
    """Return the row of the mean of values (G, B), with its interval."""
    low, high = interval(values)
    mean = float(values.mean())
    return probe_row(probe, item, x, mean, low=low, high=high)


def _relative(
    predict: Predict, sample: Sample, prediction: np.ndarray, elements: list[Element]
) -> np.ndarray:
    """Return the errors (G, B) relative to the predicted displacement."""
    measurement = measure(predict, sample, prediction, elements)
    return np.stack(measurement.relative)


def _rotations(sample: Sample, count: int, seed: int) -> list[Element]:
    n_points = sample.position.shape[2]
    rng = np.random.default_rng(seed)
    return draw("rotation", count, n_points, 1.0, rng)


def angles(predict: Predict, sample: Sample, seed: int = 0) -> list[dict]:
    """Measure the mean relative error under rotations by each angle about random axes."""
    rng = np.random.default_rng(seed)
    prediction = predict(sample)
    axes = np.stack([direction(rng) for _ in range(N_AXES)])
    n_points = sample.position.shape[2]
    rows = []
    for angle in ANGLES:
        turn = Rotation.from_rotvec(np.radians(angle) * axes)
        elements = [about_origin(matrix, n_points) for matrix in turn.as_matrix()]
        relative = _relative(predict, sample, prediction, elements)
        rows.append(_mean_row("angle", "rotation", angle, relative))
    return rows


def worst_rotation(predict: Predict, sample: Sample, n_random: int, seed: int = 0) -> list[dict]:
    """Search SO(3) for the largest mean relative error, from the worst of random rotations.

    The 95th percentile of the random rotations is returned for comparison. The search is the method
    of Nelder and Mead (1965) on the rotation vector, because a reference frame that flips has no
    gradient. It finds a local maximum that no random rotation reached: a lower bound of the largest
    error.
    """
    prediction = predict(sample)
    n_points = sample.position.shape[2]
    elements = _rotations(sample, n_random, seed)
    errors = _relative(predict, sample, prediction, elements).mean(1)

    def objective(vector: np.ndarray) -> float:
        turn = Rotation.from_rotvec(vector)
        element = about_origin(turn.as_matrix(), n_points)
        relative = _relative(predict, sample, prediction, [element])
        return -float(relative[0].mean())

    worst_drawn = elements[int(errors.argmax())]
    start = Rotation.from_matrix(worst_drawn.matrix).as_rotvec()
    offsets = np.concatenate([np.zeros((1, 3)), 0.3 * np.eye(3)])
    options = {"maxfev": EVALUATIONS, "initial_simplex": start + offsets}
    best = minimize(objective, start, method="Nelder-Mead", options=options)
    p95 = float(np.quantile(errors, 0.95))
    worst = max(-float(best.fun), float(errors.max()))
    return [
        probe_row("worst_rotation", "random p95", None, p95),
        probe_row("worst_rotation", "worst", None, worst),
    ]


def rollout(
    predict: Predict,
    sample: Sample,
    lag: int,
    steps: tuple[int, ...] = (1, 2, 5, 10, 20),
    seed: int = 0,
) -> list[dict]:
    """Measure the rotation error of fed-back predictions, relative to the distance travelled."""
    elements = _rotations(sample, 2, seed)
    starts = [sample, *(g.apply(sample) for g in elements)]
    rollouts = [fed_back(predict, start, lag, max(steps)) for start in starts]
    rows = []
    for step, (plain, *turned) in enumerate(zip(*rollouts, strict=True), 1):
        if step not in steps:
            continue
        undone = [g.undo(position) for g, position in zip(elements, turned, strict=True)]
        error = np.linalg.norm(np.stack(undone) - plain, axis=(2, 3))
        travelled = frobenius(plain - sample.newest)
        relative = error / np.maximum(travelled, TINY)
        if not np.isfinite(relative).all() or not travelled.all():
            break
        rows.append(_mean_row("rollout", "rotation", step, relative))
    return rows


def stabilisers(predict: Predict, sample: Sample, forward: float, seed: int = 0) -> list[dict]:
    """Check that planar and C_n-symmetric input gives symmetric output (Curie's principle).

    The value is |s f(x) - f(x)| / 2 relative to the motion, for an element s with s x = x: the
    mirror in the plane, or the rotation by 360 / n degrees, which permutes points. n runs over the
    divisors of the number of points up to 4.
    """
    rng = np.random.default_rng(seed)
    n_points = sample.position.shape[2]
    normal = direction(rng)
    mirror = about_origin(reflection(normal), n_points)
    identity = Element(mirror.order)
    planar = _symmetrised(sample, [identity, mirror])
    rows = [_stabiliser("planar", predict, planar, mirror, forward)]
    for n in (2, 3, 4):
        if n_points % n or n_points == n:
            continue
        # point i of a part is turned into point i of the next part
        parts = mirror.order.reshape(n, -1)
        turn = Rotation.from_rotvec(2 * np.pi / n * normal).as_matrix()
        order = np.roll(parts, 1, axis=0).reshape(-1)
        cyclic = _cyclic(sample, turn, n)
        rows.append(_stabiliser(f"C{n}", predict, cyclic, Element(order, turn), forward))
    return rows


def _symmetrised(sample: Sample, group: list[Element]) -> Sample:
    """Average positions over a finite group: the projection on its fixed points."""
    images = [vectors(g.apply(sample)) for g in group]
    mean = {}
    for name in images[0]:
        values = [image[name] for image in images]
        mean[name] = np.mean(values, axis=0)
    # a box does not have the symmetry of its points
    return replace(sample, **mean, target=None, box=None)


def _cyclic(sample: Sample, turn: np.ndarray, n: int) -> Sample:
    """Return the first part of the points and its n - 1 rotated copies, with copied features.

    The sample has no bonds and no box.
    """
    size = sample.position.shape[2] // n
    matrices = np.stack([np.linalg.matrix_power(turn, k) for k in range(n)])
    arrays = {}
    for name, value in vectors(sample).items():
        copies = np.einsum("pij,...mj->...pmi", matrices, value[..., :size, :])
        arrays[name] = copies.reshape(*copies.shape[:-3], -1, 3)
    if sample.scalar is not None:
        part = sample.scalar[:, :size]
        arrays["scalar"] = np.tile(part, (1, n, 1))
    if sample.mass is not None:
        part = sample.mass[:, :size]
        arrays["mass"] = np.tile(part, (1, n))
    return replace(sample, **arrays, target=None, edges=None, box=None)


def _stabiliser(
    name: str, predict: Predict, sample: Sample, element: Element, forward: float
) -> dict:
    prediction = predict(sample)
    permuted = prediction[:, element.order]
    moved = element.matrix @ permuted.swapaxes(1, 2)
    norm = displacement_norm(prediction, sample)
    difference = frobenius(moved.swapaxes(1, 2) - prediction)
    error = float(np.mean(difference / 2 / norm))
    magnitude = frobenius(prediction)
    floor = noise_floor(forward, norm, magnitude, "float64")
    return probe_row("stabiliser", name, None, error, floor=floor, verdict=verdict(error, floor))


def continuity(predict: Predict, sample: Sample, seed: int = 0) -> list[dict]:
    """Measure the gain |f(x + d) - f(x)| / |d| of a tiny shift d near a degenerate reference frame.

    All frames of a sample are stretched along the principal axes of the newest, so that its two
    leading second moments have the ratio 1 + gap. A reference frame that follows the principal axes
    turns by about |d| / gap.
    """
    position = sample.position - sample.position[:, -1:].mean(2, keepdims=True)
    newest = position[:, -1]
    values, axes = np.linalg.eigh(newest.swapaxes(1, 2) @ newest)
    rng = np.random.default_rng(seed)
    size = NUDGE * extent(newest)
    step = rng.normal(size=newest.shape)
    step *= size / frobenius(step)[:, None, None]
    rows = []
    for gap in GAPS:
        stretch = np.ones_like(values)
        wanted = values[:, 2] / (1 + gap)
        stretch[:, 1] = np.sqrt(wanted / np.maximum(values[:, 1], TINY))
        matrix = (axes * stretch[:, None]) @ axes.swapaxes(1, 2)
        stretched = np.einsum("bij,bknj->bkni", matrix, position)
        near = replace(sample, position=stretched, target=None, box=None)
        shifted = replace(near, position=stretched + step[:, None])
        change = predict(shifted) - predict(near)
        gain = frobenius(change) / size
        rows.append(_mean_row("continuity", "shift of all frames", gap, gain[None]))
    return rows


def training(
    load: Callable[[str], Predict], epochs: list[int], sample: Sample, seed: int = 0
) -> list[dict]:
    """Measure the mean relative rotation error of initial weights and snapshots, `load(name)`."""
    elements = _rotations(sample, 4, seed)
    snapshots = {0: "initial"} | {epoch: f"epoch{epoch}" for epoch in epochs}
    rows = []
    for epoch, weights in snapshots.items():
        predict = load(weights)
        prediction = predict(sample)
        relative = _relative(predict, sample, prediction, elements)
        row = _mean_row("training", "rotation", epoch, relative)
        rows.append(row)
    return rows

"""The Lie derivative of a predictor: its response to an infinitesimal motion.

L_X f(x) = d/dt exp(-tX) f(exp(tX) x) at t = 0 is zero for every x if and only if f is equivariant
under the one-parameter group of X (Gruver, Finzi, Goldblum and Wilson, ICLR 2023, eq. 3). It is
computed for the six X of rigid motion, and for each layer of a network that declares how its
features transform, without a draw from the group.

With g = exp(tX) and f(x) = o + sum_f w_f R_f^T m(R_f (x - o)), reference frames R, o, w of x:

    g^-1 f(gx) = o' + sum_f w'_f R'_f^T m(R'_f (x - o'))

with R' = R(gx) g, o' = g^-1 o(gx) and w' = w(gx): only the reference frames move. NumPy computes
them, and central differences their derivatives. An equivariant reference frame has R' and o' at
rest, so that there is no truncation error. The network m is differentiated by forward mode; its
inputs and the extrapolation are linear. A jump has no derivative: axes that change sign or order
within the stencil are followed along their branch, and a sample whose reference frame jumps
otherwise is left out (NaN). The audit under finite rotations finds jumps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.base.registry import model_spec
from equitraj.data import features
from equitraj.data.features import Shape
from equitraj.data.tasks import Sample
from equitraj.frames import UNDETERMINED, Frames
from equitraj.frames.axes import extent
from equitraj.prediction import predictor
from equitraj.symmetry.actions import vectors
from equitraj.symmetry.measure import displacement_norm, frobenius, interval
from equitraj.symmetry.verdict import EPSILON, verdict
from equitraj.training.method import Method

KINDS = ("rotation", "translation")
NAMES = tuple(f"{kind}_{axis}" for kind in KINDS for axis in "xyz")
# Radians, or units of the points' extent. Fourth-order central differences: their truncation error
# is STEP^4 / 30 = 3e-14 of a rotation, their rounding error 2^-52 / STEP = 2e-13 of the positions.
STEP = 1e-3
STENCIL = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
JUMP = 0.1  # a reference frame that turns by this much between two points of the stencil jumps
ROUNDING = EPSILON["float64"] / STEP
REST = 16 * ROUNDING  # a reference frame that moves by less is at rest
LAYER_ROUNDING = 16 * EPSILON["float64"]  # of a layer's features and their derivatives
AFFINE = 1e-6  # relative tolerance: far above rounding, far below any curvature
OMEGA = np.array(
    [
        [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
        [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
        [[0, -1, 0], [1, 0, 0], [0] * 3],
    ]
)


@dataclass(frozen=True)
class Motion:
    """Time derivatives of the pulled-back reference frames R', o', w' for G generators.

    Attributes: rotation (G, B, F, 3, 3); origin (G, B, 3); weight (G, B, F); NaN where a reference
    frame jumps.
    """

    rotation: np.ndarray
    origin: np.ndarray
    weight: np.ndarray


def derivatives(
    method: Method,
    shape: Shape,
    arrays: dict[str, np.ndarray],
    reference: np.ndarray | None,
    sample: Sample,
) -> dict[str, np.ndarray]:
    """Return L_X f for the six generators in `NAMES`, each (B, N, 3), float64.

    They are in the data's unit, per radian about the axes through the world's origin, and per shift
    by the points' extent (root mean square distance from their mean), so that rotations and
    translations are comparable. `arrays` are the weights, `reference` is what the alignment was
    fitted to. Alignments that draw reference frames draw the same ones throughout.
    """

    def frames(position: np.ndarray) -> Frames:
        rng = np.random.default_rng(0)
        return method.aligner.frames(position, reference, rng)

    position = sample.position
    still = frames(position)
    motion = frame_motion(frames, still, position, extent(sample.newest))
    inside = replace(still.into_sample(sample), target=None)
    steps = _steps(sample, inside, still, motion)
    value, change = _linearised(method, shape, arrays, inside, steps)
    batch = still.weight.shape
    value = value.reshape(*batch, *value.shape[1:])
    change = change.reshape(len(steps), *batch, *change.shape[2:])
    result = np.einsum("gbf,bfij,bfni->gbnj", motion.weight, still.rotation, value)
    result += np.einsum("bf,gbfij,bfni->gbnj", still.weight, motion.rotation, value)
    result += np.einsum("bf,bfij,gbfni->gbnj", still.weight, still.rotation, change)
    moved = result + motion.origin[:, :, None]
    return dict(zip(NAMES, moved, strict=True))


def _steps(sample: Sample, inside: Sample, still: Frames, motion: Motion) -> list[Sample]:
    """Return the derivatives of the sample `inside` the reference frames, one per generator."""
    relative = sample.position - still.origin[:, None, None]
    tangent = np.einsum("gbfij,bknj->gbfkni", motion.rotation, relative)
    shift = np.einsum("bfij,gbj->gbfi", still.rotation, motion.origin)
    tangent -= shift[..., None, None, :]
    moved = {"position": tangent}
    for name in ("velocity", "box"):  # like differences of positions: an origin does not move them
        value = getattr(sample, name)
        if value is not None:
            moved[name] = np.einsum("gbfij,bnj->gbfni", motion.rotation, value)
    n_generators = len(tangent)
    for name, value in moved.items():
        shape = getattr(inside, name).shape
        moved[name] = np.nan_to_num(value).reshape(n_generators, *shape)
    return [
        replace(inside, **{name: value[g] for name, value in moved.items()})
        for g in range(n_generators)
    ]


def elements(time: float, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return exp(tX) of the six generators: matrices (6, 3, 3) and shifts (6, 3).

    Translations are in multiples of `unit`.
    """
    turns = Rotation.from_rotvec(time * np.eye(3)).as_matrix()
    identities = np.tile(np.eye(3), (3, 1, 1))
    shifts = time * unit * np.eye(6, 3, -3)
    return np.concatenate([turns, identities]), shifts


def frame_motion(
    frames: Callable[[np.ndarray], Frames], still: Frames, position: np.ndarray, unit: float
) -> Motion:
    """Return how the pulled-back reference frames of histories (B, K, N, 3) move.

    `still` are the reference frames at rest; they move along the six generators.
    """
    parts = (still.rotation, still.origin, still.weight)
    total = [np.zeros((6, *part.shape)) for part in parts]
    for step, coefficient in STENCIL.items():
        pairs = zip(*elements(step * STEP, unit), strict=True)
        pulled = [_pulled_back(frames, still, position, *pair) for pair in pairs]
        for part, values in zip(total, zip(*pulled, strict=True), strict=True):
            part += coefficient / STEP * np.stack(values)
    rotation, origin, weight = total
    tangent = _tangent(still.rotation, rotation)
    farthest = np.abs(position).max((1, 2, 3))
    size = unit + farthest[:, None]
    return Motion(_settled(tangent, 1.0), _settled(origin, size), _settled(weight, 1.0))


def _settled(change: np.ndarray, size: np.ndarray | float) -> np.ndarray:
    """Set changes to zero that are rounding for a quantity of this size."""
    largest = REST * size
    is_at_rest = np.abs(change) < largest
    return np.where(is_at_rest, 0.0, change)


def _pulled_back(
    frames: Callable[[np.ndarray], Frames],
    still: Frames,
    position: np.ndarray,
    matrix: np.ndarray,
    shift: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return R(gx) g, g^-1 o(gx) and w(gx) for g = (matrix, shift); R is NaN where it jumped."""
    moved = frames(position @ matrix.T + shift)
    origin = (moved.origin - shift) @ matrix
    rotation = moved.rotation @ matrix
    near = _near(rotation, still.rotation)
    if near.all():
        return rotation, origin, moved.weight
    # averaged reference frames may come in another order, as when an eigensolver returns another
    # sign
    difference = rotation[:, None] - still.rotation[:, :, None]
    distance = np.square(difference).sum((-2, -1))
    same_order = np.arange(distance.shape[1])
    is_in_order = near.all(1, keepdims=True)
    order = np.where(is_in_order, same_order, distance.argmin(2))
    rotation = np.take_along_axis(rotation, order[..., None, None], axis=1)
    weight = np.take_along_axis(moved.weight, order, axis=1)
    # the branch permutes and reverses axes
    branch = np.rint(still.rotation @ rotation.swapaxes(-1, -2))
    rotation = branch @ rotation
    near = _near(rotation, still.rotation)
    return np.where(near[..., None, None], rotation, np.nan), origin, weight


def _near(rotation: np.ndarray, still: np.ndarray) -> np.ndarray:
    distance = np.abs(rotation - still)
    largest = distance.max((-2, -1))
    return largest < JUMP


def _tangent(rotation: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Project `change` (G, B, F, 3, 3) on the tangents of the orthogonal matrices.

    Where `rotation` (B, F, 3, 3) is not orthogonal, `change` is returned unchanged.
    """
    transpose = rotation.swapaxes(-1, -2)
    turn = transpose @ change
    skew = turn - turn.swapaxes(-1, -2)
    deviation = rotation @ transpose - np.eye(3)
    largest = np.abs(deviation).max((-2, -1))
    orthogonal = largest < 1e-6
    return np.where(orthogonal[..., None, None], rotation @ skew / 2, change)


def _linearised(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], sample: Sample, steps: list[Sample]
) -> tuple[np.ndarray, np.ndarray]:
    """Return m (B, N, 3) at a sample in the model's reference frame, and its derivatives.

    The derivatives (G, B, N, 3) are along G tangents.
    """
    if method.closed_form:
        return _affine(method, shape, arrays, sample, steps)
    statistics = shape.statistics
    framework, network = _network(method, shape, arrays)
    inputs = features.network_inputs(sample, statistics, "float64", method.cutoff(shape))
    moves = [_moves(step) for step in steps]
    moves[0] = True  # at least one, for the value
    moving = [step for step, does_move in zip(steps, moves, strict=True) if does_move]
    along = [features.tangent(inputs, sample, step, statistics) for step in moving]
    tangents = {name: np.stack([one[name] for one in along]) for name in along[0]}
    (value, _), (derivative, _) = framework.linearised(network, inputs, tangents, method.layers)
    change = np.zeros((len(steps), *value.shape))
    change[moves] = derivative
    pairs = zip(steps, change, strict=True)
    moved = [features.prediction(step, output, statistics) for step, output in pairs]
    return features.prediction(sample, value, statistics), np.stack(moved)


def _moves(step: Sample) -> bool:
    arrays = vectors(step).values()
    return any(array.any() for array in arrays)


def _affine(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], sample: Sample, steps: list[Sample]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same for a closed form that is affine in positions.

    The difference of two evaluations is then exact up to rounding. The derivatives of another
    closed form are NaN, because nothing about it can be differentiated.
    """
    apply = predictor.forward(method, shape, arrays, "float64")
    inputs = vectors(sample)
    # Any, because mypy checks ** against every field of a sample
    zero: dict[str, Any] = {name: np.zeros_like(array) for name, array in inputs.items()}
    base = apply(replace(sample, **zero))
    value = apply(sample)
    change = np.stack([apply(step) - base for step in steps])
    moved = {name: array + getattr(steps[0], name) for name, array in inputs.items()}
    expected = value + change[0]
    tolerance = AFFINE * np.abs(value).max()
    if np.allclose(apply(replace(sample, **moved)), expected, rtol=AFFINE, atol=tolerance):
        return value, change
    return value, np.full_like(change, np.nan)


def _network(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray]
) -> tuple[ModuleType, object]:
    """Return the derivatives module of the model's framework, and the network in float64."""
    spec = model_spec(method.model)
    name = f"equitraj.symmetry.lie.{spec.framework}"
    framework = import_module(name)
    network = framework.network(method, shape, arrays)
    return framework, network


def relative(
    derivative: dict[str, np.ndarray], prediction: np.ndarray, sample: Sample
) -> dict[str, np.ndarray]:
    """Return the root mean square (B,) over the three axes of |L_X f|, for both kinds.

    It is relative to the predicted displacement.
    """
    norm = displacement_norm(prediction, sample)
    squared = {name: np.square(value).sum((1, 2)) for name, value in derivative.items()}
    errors = {}
    for kind in KINDS:
        axes = [squared[f"{kind}_{axis}"] for axis in "xyz"]
        errors[kind] = np.sqrt(np.mean(axes, axis=0)) / norm
    return errors


def layer_errors(
    method: Method,
    shape: Shape,
    arrays: dict[str, np.ndarray],
    reference: np.ndarray | None,
    sample: Sample,
) -> dict[str, np.ndarray]:
    """Return for each layer the root mean square (B,) of |dh/dt - X_h h| relative to |h|.

    The mean is over the three rotations. Both norms are taken over the features of one degree, and
    the worst degree counts: large scalars then hide no broken vector. The network is the one in the
    model's reference frame (the first one, where there are several), rotated about its origin. A
    model file offers its layers by `layers(network, inputs)`, for torch `layers(network, graph)`:
    the output, and the features of each layer by name and by degree l, (B, N, C, 2 l + 1) or (B *
    N, C, 2 l + 1), in the basis of e3nn's irreps. A model without that function, or in a learned
    reference frame, has none.
    """
    if method.layers is None:
        return {}
    rng = np.random.default_rng(0)
    frames = method.aligner.frames(sample.position, reference, rng)
    first = Frames(frames.rotation[:, :1], frames.origin, frames.weight[:, :1])
    inside = first.into_sample(sample)
    cutoff = method.cutoff(shape)
    inputs = features.network_inputs(inside, shape.statistics, "float64", cutoff)
    framework, network = _network(method, shape, arrays)
    return network_layer_errors(framework, network, method.layers, inputs)


def network_layer_errors(
    framework: ModuleType, network: object, layers: Callable, inputs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return `layer_errors` of a network at the arrays of `features.network_inputs`."""
    # the inputs that a motion of the points changes, all linear in the positions
    moving = [name for name in features.TURNED if name in inputs]
    turned = {name: _turned(inputs[name]) for name in moving}
    (_, values), (_, changes) = framework.linearised(network, inputs, turned, layers)
    errors = {}
    for name, value in values.items():
        errors[name] = _layer_error(framework, value, changes[name])
    return errors


def _turned(vector: np.ndarray, generators: np.ndarray = OMEGA) -> np.ndarray:
    """Return the derivatives (G, ...) of features (...) along G generators."""
    return np.einsum("gij,...j->g...i", generators, vector)


def _layer_error(
    framework: ModuleType, value: dict[int, np.ndarray], change: dict[int, np.ndarray]
) -> np.ndarray:
    """Return the error (B,) of the worst degree of a layer.

    `value` has the features (B, N, C, 2 l + 1) by degree, and `change` their derivatives (3, B, N,
    C, 2 l + 1).
    """
    errors = []
    sizes = []
    for degree, h in value.items():
        expected = _turned(h, _generators(framework, degree))
        difference = np.square(change[degree] - expected)
        error = difference.sum((2, 3, 4)).mean(0)
        size = np.square(h).sum((1, 2, 3))
        errors.append(error)
        sizes.append(size)
    present = np.array(sizes) > UNDETERMINED**2 * np.sum(sizes, axis=0)
    ratio = np.divide(errors, sizes, out=np.zeros_like(sizes), where=present)
    return np.sqrt(ratio).max(0)


def _generators(framework: ModuleType, degree: int) -> np.ndarray:
    if degree == 0:
        return np.zeros((3, 1, 1))
    if degree == 1:
        return OMEGA
    return framework.generators(degree)


def rows(
    method: Method,
    shape: Shape,
    arrays: dict[str, np.ndarray],
    reference: np.ndarray | None,
    sample: Sample,
) -> list[dict]:
    """Return rows of probes.csv: `lie` for both kinds, `lie_layer` for each layer of the model.

    The value is the mean over samples, with its 95 % interval; samples whose reference frame jumps
    are left out.
    """
    derivative = derivatives(method, shape, arrays, reference, sample)
    forward = predictor.forward(method, shape, arrays, "float64")
    prediction = predictor.Predictor(method.aligner, forward, reference).predict(sample)
    length = frobenius(sample.newest)
    norm = displacement_norm(prediction, sample)
    magnification = float(np.mean(length / norm))
    floor = ROUNDING * max(1.0, magnification)
    errors = relative(derivative, prediction, sample)
    rows = [_row("lie", kind, 0, error, floor) for kind, error in errors.items()]
    # relative positions of points that are far from the origin lose digits
    farthest = np.abs(sample.position).max()
    floor = LAYER_ROUNDING * max(1.0, float(farthest / extent(sample.newest)))
    layers = layer_errors(method, shape, arrays, reference, sample)
    for number, (name, error) in enumerate(layers.items(), 1):
        rows.append(_row("lie_layer", name, number, error, floor))
    return rows


def _row(probe: str, item: str, x: int, value: np.ndarray, floor: float) -> dict:
    value = value[np.isfinite(value)]
    mean = low = high = np.nan
    if len(value):
        mean = float(value.mean())
        low, high = interval(value[None])
    return {
        "probe": probe,
        "item": item,
        "x": x,
        "value": mean,
        "low": low,
        "high": high,
        "floor": floor,
        "verdict": verdict(mean, floor),
    }

"""The Lie derivative of a predictor, by forward-mode differentiation: how it answers to an
infinitely small motion.

L_X f(x) = d/dt exp(-tX) f(exp(tX) x) at t = 0 is zero for every x exactly where f is equivariant to
the one-parameter group of X (Gruver, Finzi, Goldblum and Wilson, ICLR 2023, eq. 3). For the six X
of rigid motion, and for each layer of a network that says how its features turn, it needs no draw
from the group.

With g = exp(tX) and f(x) = o + sum_f w_f R_f^T m(R_f (x - o)), frames R, o, w of x, one finds

    g^-1 f(gx) = o' + sum_f w'_f R'_f^T m(R'_f (x - o'))    with R' = R(gx) g, o' = g^-1 o(gx), w' =
    w(gx):

only the frames move. They come from NumPy and are differentiated by central differences; an
equivariant frame has R' and o' at rest, so that there is nothing to truncate. The network m is
differentiated by forward mode, its inputs and the extrapolation are linear. A jump is no
derivative: axes that change sign or place within the stencil are followed along their branch, a
sample whose frame jumps otherwise is left out (NaN), and what finds jumps is the audit under finite
rotations.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj import symmetry
from equitraj.base.registry import model_spec
from equitraj.data import features
from equitraj.data.features import Shape
from equitraj.data.tasks import VECTORS, Sample
from equitraj.frames import UNDETERMINED, Frames
from equitraj.prediction import predictor
from equitraj.symmetry.measure import interval
from equitraj.symmetry.verdict import EPSILON
from equitraj.training.method import Method

NAMES = tuple(f"{kind}_{axis}" for kind in ("rotation", "translation") for axis in "xyz")
# Radians, or units of the points' extent. Fourth-order central differences: truncated at STEP^4 /
# 30 = 3e-14 of a turn, rounded at 2^-52 / STEP = 2e-13 of the positions.
STEP = 1e-3
STENCIL = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
JUMP = 0.1  # a frame that turns by this much between two points of the stencil jumps
ROUNDING = EPSILON["float64"] / STEP
REST = 16 * ROUNDING  # a frame that moves by less is at rest
LAYER_ROUNDING = 16 * EPSILON["float64"]  # of a layer's features and their derivatives
AFFINE = 1e-6  # relative: far above rounding, far below what bends
OMEGA = np.array(
    [
        [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
        [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
        [[0, -1, 0], [1, 0, 0], [0] * 3],
    ]
)


@dataclass(frozen=True)
class Motion:
    """Time derivatives of the pulled-back frames R', o', w' for G generators.

    Attributes: rotation (G, B, F, 3, 3); origin (G, B, 3); weight (G, B, F); NaN where a frame
    jumps.
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
    """L_X f for the six generators in `NAMES`, each (B, N, 3), float64.

    In the data's units, per radian about the axes through the world's origin, and per shift by the
    points' extent (root mean square distance from their mean), so that rotations and translations
    compare. `arrays` are the weights, `reference` what the alignment was fitted to. Alignments that
    draw frames draw the same ones throughout.
    """
    frames = lambda position: method.aligner.frames(position, reference, np.random.default_rng(0))  # noqa: E731
    still = frames(sample.position)
    motion = frame_motion(frames, still, sample.position, symmetry.extent(sample.position[:, -1]))
    relative = sample.position - still.origin[:, None, None]
    tangent = np.einsum("gbfij,bknj->gbfkni", motion.rotation, relative)
    tangent -= np.einsum("bfij,gbj->gbfi", still.rotation, motion.origin)[..., None, None, :]
    n_generators, batch, count = tangent.shape[:3]
    inside = replace(still.into_sample(sample), target=None)
    moved = {"position": tangent.reshape(n_generators, *inside.position.shape)}
    for name in (
        "velocity",
        "box",
    ):  # turned like differences of positions: an origin does not move them
        if (value := getattr(sample, name)) is not None:
            turned = np.einsum("gbfij,bnj->gbfni", motion.rotation, value)
            moved[name] = turned.reshape(n_generators, *getattr(inside, name).shape)
    steps = [
        replace(inside, **{k: np.nan_to_num(v[g]) for k, v in moved.items()})
        for g in range(n_generators)
    ]
    value, change = _linearised(method, shape, arrays, inside, steps)
    value = value.reshape(batch, count, *value.shape[1:])
    change = change.reshape(n_generators, batch, count, *change.shape[2:])
    result = np.einsum("gbf,bfij,bfni->gbnj", motion.weight, still.rotation, value)
    result += np.einsum("bf,gbfij,bfni->gbnj", still.weight, motion.rotation, value)
    result += np.einsum("bf,bfij,gbfni->gbnj", still.weight, still.rotation, change)
    return dict(zip(NAMES, result + motion.origin[:, :, None], strict=True))


def elements(time: float, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """exp(tX) of the six generators: matrices (6, 3, 3) and shifts (6, 3), translations in units of
    `unit`."""
    turns = Rotation.from_rotvec(time * np.eye(3)).as_matrix()
    return np.concatenate([turns, np.tile(np.eye(3), (3, 1, 1))]), time * unit * np.eye(6, 3, -3)


def frame_motion(
    frames: Callable[[np.ndarray], Frames], still: Frames, position: np.ndarray, unit: float
) -> Motion:
    """How the pulled-back frames of histories (B, K, N, 3), `still` at rest, move along the six
    generators."""
    total = [np.zeros((6, *part.shape)) for part in (still.rotation, still.origin, still.weight)]
    for step, coefficient in STENCIL.items():
        pulled = [
            _pulled_back(frames, still, position, *element)
            for element in zip(*elements(step * STEP, unit), strict=True)
        ]
        for part, values in zip(total, zip(*pulled, strict=True), strict=True):
            part += coefficient / STEP * np.stack(values)
    rotation, origin, weight = total
    unit = unit + np.abs(position).max((1, 2, 3))[:, None]
    settle = lambda change, size: np.where(np.abs(change) < REST * size, 0.0, change)  # noqa: E731
    rotation = settle(_tangent(still.rotation, rotation), 1.0)
    return Motion(rotation, settle(origin, unit), settle(weight, 1.0))


def _pulled_back(
    frames: Callable[[np.ndarray], Frames],
    still: Frames,
    position: np.ndarray,
    matrix: np.ndarray,
    shift: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R(gx) g, g^-1 o(gx) and w(gx) for g = (matrix, shift); R is NaN where it jumped."""
    moved = frames(position @ matrix.T + shift)
    rotation, weight = moved.rotation @ matrix, moved.weight
    if not (near := _near(rotation, still.rotation)).all():
        # averaged frames may come in another order, as when an eigensolver returns another sign
        distance = np.square(rotation[:, None] - still.rotation[:, :, None]).sum((-2, -1))
        order = np.where(near.all(1)[:, None], np.arange(distance.shape[1]), distance.argmin(2))
        rotation = np.take_along_axis(rotation, order[..., None, None], axis=1)
        weight = np.take_along_axis(weight, order, axis=1)
        branch = np.rint(
            still.rotation @ rotation.swapaxes(-1, -2)
        )  # axes renamed and turned round
        rotation = branch @ rotation
        rotation = np.where(_near(rotation, still.rotation)[..., None, None], rotation, np.nan)
    return rotation, (moved.origin - shift) @ matrix, weight


def _near(rotation: np.ndarray, still: np.ndarray) -> np.ndarray:
    return np.abs(rotation - still).max((-2, -1)) < JUMP


def _tangent(rotation: np.ndarray, change: np.ndarray) -> np.ndarray:
    """`change` (G, B, F, 3, 3) made tangent to the orthogonal matrices, where `rotation` (B, F, 3,
    3) is one."""
    turn = rotation.swapaxes(-1, -2) @ change
    gram = rotation @ rotation.swapaxes(-1, -2)
    orthogonal = (np.abs(gram - np.eye(3)).max((-2, -1)) < 1e-6)[..., None, None]
    return np.where(orthogonal, rotation @ (turn - turn.swapaxes(-1, -2)) / 2, change)


def _linearised(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], sample: Sample, steps: list[Sample]
) -> tuple[np.ndarray, np.ndarray]:
    """m (B, N, 3) at a sample in the model's frame, and m's derivatives (G, B, N, 3) along G
    tangents."""
    if method.closed_form:
        return _affine(method, shape, arrays, sample, steps)
    framework, network = _network(method, shape, arrays)
    inputs = features.network_inputs(sample, shape.statistics, "float64", method.cutoff(shape))
    moves = [i == 0 or _moves(step) for i, step in enumerate(steps)]  # one at least, for the value
    chosen = [step for step, does in zip(steps, moves, strict=True) if does]
    along = [features.tangent(inputs, sample, step, shape.statistics) for step in chosen]
    tangents = {k: np.stack([one[k] for one in along]) for k in along[0]}
    (value, _), (along, _) = framework.linearised(network, inputs, tangents, method.layers)
    change = np.zeros((len(steps), *value.shape))
    change[moves] = along
    moved = [
        features.prediction(one, c, shape.statistics) for one, c in zip(steps, change, strict=True)
    ]
    return features.prediction(sample, value, shape.statistics), np.stack(moved)


def _moves(step: Sample) -> bool:
    return bool(step.position.any() or (step.velocity is not None and step.velocity.any()))


def _moving(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inputs that a motion of the points changes; all of them are linear in the positions."""
    return {k: inputs[k] for k in features.TURNED if k in inputs}


def _affine(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], sample: Sample, steps: list[Sample]
) -> tuple[np.ndarray, np.ndarray]:
    """Closed forms that are affine in positions: the difference of two evaluations is exact to
    rounding.

    Others, of which nothing is known that could be differentiated, get no derivative but NaN.
    """
    apply, names = predictor.forward(method, shape, arrays, "float64"), _vectors(sample)
    base, value = (
        apply(replace(sample, **{k: np.zeros_like(getattr(sample, k)) for k in names})),
        apply(sample),
    )
    change = np.stack([apply(one) - base for one in steps])
    there = apply(replace(sample, **{k: getattr(sample, k) + getattr(steps[0], k) for k in names}))
    affine = np.allclose(there, value + change[0], rtol=AFFINE, atol=AFFINE * np.abs(value).max())
    return value, change if affine else np.full_like(change, np.nan)


def _vectors(sample: Sample) -> list[str]:
    return [name for name in VECTORS if getattr(sample, name) is not None]


def _network(method: Method, shape: Shape, arrays: dict[str, np.ndarray]) -> tuple:
    """The differentiation of the model's framework, and its network with these weights in float64."""
    framework = import_module(f"equitraj.symmetry.lie.{model_spec(method.model).framework}")
    return framework, framework.network(method, shape, arrays)


def relative(
    derivative: dict[str, np.ndarray], prediction: np.ndarray, sample: Sample
) -> dict[str, np.ndarray]:
    """(B,) root mean square over the three axes of |L_X f|, relative to the predicted displacement,
    for both kinds."""
    norm = symmetry.displacement_norm(prediction, sample)
    squared = {name: np.square(value).sum((1, 2)) for name, value in derivative.items()}
    kinds = ("rotation", "translation")
    return {
        kind: np.sqrt(np.mean([squared[f"{kind}_{axis}"] for axis in "xyz"], axis=0)) / norm
        for kind in kinds
    }


def layer_errors(
    method: Method,
    shape: Shape,
    arrays: dict[str, np.ndarray],
    reference: np.ndarray | None,
    sample: Sample,
) -> dict[str, np.ndarray]:
    """For each layer (B,) root mean square over the three rotations of |dh/dt - X_h h| relative to
    |h|.

    Both are taken over the features of one degree, and the worst degree counts: large scalars hide
    no broken vector. Of the network in the model's frame, turned about the origin of that frame
    (the first frame, where there are several). A model file offers it by `layers(network, inputs)`,
    for torch `layers(network, graph)`: the output, and the features of each layer by name and by
    degree l, (B, N, C, 2 l + 1) or (B * N, C, 2 l + 1), in the basis of e3nn's irreps. A model
    without that function, or in a learned frame, has none.
    """
    if method.layers is None:
        return {}
    frames = method.aligner.frames(sample.position, reference, np.random.default_rng(0))
    first = Frames(frames.rotation[:, :1], frames.origin, frames.weight[:, :1])
    inputs = features.network_inputs(
        first.into_sample(sample), shape.statistics, "float64", method.cutoff(shape)
    )
    framework, network = _network(method, shape, arrays)
    return network_layer_errors(framework, network, method.layers, inputs)


def network_layer_errors(
    framework: ModuleType, network: object, layers: Callable, inputs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """`layer_errors` of a network at the arrays of `features.network_inputs`."""
    turned = {k: np.einsum("gij,...j->g...i", OMEGA, v) for k, v in _moving(inputs).items()}
    (_, value), (_, change) = framework.linearised(network, inputs, turned, layers)
    return {name: _layer_error(framework, value[name], change[name]) for name in value}


def _layer_error(
    framework: ModuleType, value: dict[int, np.ndarray], change: dict[int, np.ndarray]
) -> np.ndarray:
    """(B,) from features (B, N, C, 2 l + 1) and their derivatives (3, B, N, C, 2 l + 1): of the
    worst degree."""
    error, size = [], []
    for degree, h in value.items():
        generators = (
            (np.zeros((3, 1, 1)), OMEGA)[degree] if degree < 2 else framework.generators(degree)
        )
        expected = np.einsum("gij,...j->g...i", generators, h)
        error.append(np.square(change[degree] - expected).sum((2, 3, 4)).mean(0))
        size.append(np.square(h).sum((1, 2, 3)))
    present = np.array(size) > UNDETERMINED**2 * np.sum(size, axis=0)
    return np.sqrt(np.divide(error, size, out=np.zeros_like(size), where=present)).max(0)


def rows(
    method: Method,
    shape: Shape,
    arrays: dict[str, np.ndarray],
    reference: np.ndarray | None,
    sample: Sample,
) -> list[dict]:
    """Rows of probes.csv: `lie` for rotation and translation, `lie_layer` for each layer that a
    model shows.

    The value is the mean over samples, with its 95 % interval; samples whose frame jumps are left
    out.
    """
    derivative = derivatives(method, shape, arrays, reference, sample)
    prediction = predictor.Predictor(
        method.aligner, predictor.forward(method, shape, arrays, "float64"), reference
    ).predict(sample)
    norm = symmetry.displacement_norm(prediction, sample)
    length = np.linalg.norm(sample.position[:, -1], axis=(1, 2))
    floor = ROUNDING * max(1.0, float(np.mean(length / norm)))
    found = relative(derivative, prediction, sample)
    rows = [_row("lie", kind, 0, value, floor) for kind, value in found.items()]
    # relative positions of points that are far from the origin lose digits
    floor = LAYER_ROUNDING * max(
        1.0, float(np.abs(sample.position).max() / symmetry.extent(sample.position[:, -1]))
    )
    layers = layer_errors(method, shape, arrays, reference, sample)
    return rows + [
        _row("lie_layer", name, i, value, floor)
        for i, (name, value) in enumerate(layers.items(), 1)
    ]


def _row(probe: str, item: str, x: int, value: np.ndarray, floor: float) -> dict:
    value = value[np.isfinite(value)]
    mean = float(value.mean()) if len(value) else np.nan
    low, high = interval(value[None]) if len(value) else (np.nan, np.nan)
    row = {
        "probe": probe,
        "item": item,
        "x": x,
        "value": mean,
        "low": low,
        "high": high,
        "floor": floor,
    }
    return row | {"verdict": symmetry.verdict(mean, floor)}

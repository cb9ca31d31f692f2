"""Predictors: `predict(sample) -> (B, N, 3)`, NumPy float64 in and out, loaded from a run folder.

Evaluation, rollouts and audit use only this interface, so that every framework gets the same test.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from equitraj.base.files import checked
from equitraj.base.registry import model_spec
from equitraj.data import features
from equitraj.data.features import Shape, Statistics
from equitraj.data.tasks import Sample
from equitraj.frames import Base
from equitraj.training.method import Method
from equitraj.training.record import read_record
from equitraj.training.state import state_of

# Samples in a call; smaller batches are padded to it, so that a network is compiled once.
CHUNK = 64
# Frameworks that compile nothing for a shape: larger calls are faster while they fit the caches.
CHUNKS = {"torch": 128}
# Samples with more pairs of points than this have fewer samples in a call, which bounds its memory.
CALL_PAIRS = 2**20
NEIGHBOURS = 64  # the expected number of neighbours of a point within a cutoff
Network = Any  # an equinox or torch module; neither framework is imported before it is needed
Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], np.ndarray]


def samples_in_call(n_points: int, dense: bool, most: int = CHUNK) -> int:
    """Return the number of samples in a call: at most `most`, and about `CALL_PAIRS` pairs.

    They are all pairs of points for a dense network, else the pairs within a cutoff.
    """
    neighbours = n_points if dense else NEIGHBOURS
    pairs = n_points * neighbours  # of one sample
    count = CALL_PAIRS // pairs
    return int(np.clip(count, 1, most))


class Predictor:
    """A trained method.

    `forward` maps a sample in the model's reference frame to predicted positions (B, N, 3) in that
    reference frame. An alignment that draws its reference frames draws the same ones in every call,
    and others for another `draw`.
    """

    def __init__(
        self,
        aligner: Base,
        forward: Callable[[Sample], np.ndarray],
        reference: np.ndarray | None = None,
        chunk: int = CHUNK,
    ) -> None:
        self.aligner = aligner
        self.forward = forward
        self.reference = reference
        self.chunk = chunk

    def predict(self, sample: Sample, draw: int | np.random.Generator = 0) -> np.ndarray:
        """Predict world positions (B, N, 3), float64, `lag` frames after each newest frame.

        Parts of a test that share one generator as `draw` get the same reference frames as the
        whole test in one call.
        """
        rng = np.random.default_rng(draw)
        n_samples = len(sample)
        predictions = []
        for start in range(0, n_samples, self.chunk):
            stop = start + self.chunk
            part = sample.take(slice(start, stop))
            prediction = self._predict(part, rng)
            predictions.append(prediction)
        return np.concatenate(predictions)

    def _predict(self, sample: Sample, rng: np.random.Generator) -> np.ndarray:
        frames = self.aligner.frames(sample.position, self.reference, rng)
        inside = frames.into_sample(sample)
        prediction = self.forward(inside)
        return frames.back(prediction)


def read_run(
    folder: str | Path, weights: str = "trained"
) -> tuple[Method, Shape, dict[str, np.ndarray], np.ndarray | None]:
    """Return method, shape, weights by name and reference of a run.

    `weights` is `initial`, `trained`, or `epochN` for a snapshot.

    Raises:
        ValueError: the run failed, so that it has no trained weights.
    """
    record = read_record(folder)
    arrays = load_file(checked(Path(folder) / "model.safetensors"))
    status = record["status"]
    if weights == "trained" and status != "ok":
        raise ValueError(f"{folder}: no trained weights; the run ended with: {status}")
    prefix = weights + "/"
    chosen = {k.split("/", 1)[1]: v for k, v in arrays.items() if k.startswith(prefix)}
    method = Method(**record["method"])
    shape = shape_from(record["shape"])
    return method, shape, chosen, arrays.get("reference")


def load(folder: str | Path, weights: str = "trained", dtype: str = "float32") -> Predictor:
    """Load the predictor of a run folder, computing in `dtype`; `weights` as in `read_run`."""
    method, shape, arrays, reference = read_run(folder, weights)
    framework = model_spec(method.model).framework
    most = CHUNKS.get(framework, CHUNK)
    is_dense = method.cutoff(shape) is None
    chunk = samples_in_call(shape.n_points, is_dense, most)
    predict = forward(method, shape, arrays, dtype)
    return Predictor(method.aligner, predict, reference, chunk)


def shape_from(record: dict) -> Shape:
    """Return the Shape that `dataclasses.asdict` wrote into a run's record."""
    fields = dict(record)
    statistics = record["statistics"]
    fields["statistics"] = Statistics.from_json(statistics)
    bonds = record.get("bonds", ())
    fields["bonds"] = tuple(map(tuple, bonds))
    return Shape(**fields)


def forward(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str
) -> Callable[[Sample], np.ndarray]:
    """Return the map from a sample to predicted positions, both in the model's reference frame."""
    if method.closed_form:
        return _closed_form(method, shape, arrays, dtype)
    framework = model_spec(method.model).framework
    compute = {"jax": _jax, "torch": _torch}[framework]
    run = compute(method, shape, arrays, dtype)
    cutoff = method.cutoff(shape)
    statistics = shape.statistics

    def predict(sample: Sample) -> np.ndarray:
        inputs = features.network_inputs(sample, statistics, dtype, cutoff)
        output = run(inputs)
        return features.prediction(sample, output, statistics)

    return predict


def _closed_form(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str
) -> Callable[[Sample], np.ndarray]:
    state = state_of(arrays, dtype)

    def predict(sample: Sample) -> np.ndarray:
        newest = sample.newest
        view = features.view(sample, shape.lag, dtype)
        output = method.module.apply(state, view)
        displacement = np.asarray(output, np.float64)
        features.check_output(displacement.shape, newest.shape)
        return newest + displacement

    return predict


def _built(method: Method) -> str:
    """Return what determines a method's network, as JSON: the key of the cached structures."""
    values = asdict(method) | {"training": {}}
    return json.dumps(values)


def _method(built: str) -> Method:
    values = json.loads(built)
    return Method(**values)


def training_loop(framework: str) -> ModuleType:
    """Import the training loop of a framework: models of another framework do not depend on it."""
    return import_module(f"equitraj.training.{framework}")


@cache
def _jax_structure(built: str, shape: Shape) -> Network:
    """Return the network's structure without weights.

    A draw of weights that are replaced at once would cost a compilation for each shape.
    """
    import equinox as eqx
    import jax

    method = _method(built)
    key = jax.random.key(0)
    return eqx.filter_eval_shape(lambda key: method.build(shape, key), key)


def jax_network(method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str) -> Network:
    """Return the method's JAX network with these weights in `dtype`."""
    loop = training_loop("jax")  # first, because it configures JAX
    built = _built(method)
    structure = _jax_structure(built, shape)
    return loop.with_arrays(structure, arrays, dtype)


@cache
def _jax_apply() -> Callable:
    import equinox as eqx

    return eqx.filter_jit(lambda network, inputs: network(inputs))


def _jax(method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str) -> Run:
    weighted = jax_network(method, shape, arrays, dtype)
    loop = training_loop("jax")
    # as arguments the constants of the data leave one program for runs of all training sizes
    network = loop.with_constants(weighted, dtype)

    def run(inputs: Arrays) -> np.ndarray:
        n_samples, n_points = inputs["position"].shape[:2]
        padding = -n_samples % samples_in_call(n_points, "adjacency" in inputs)
        padded = {name: _padded(array, padding) for name, array in inputs.items()}
        outputs = _jax_apply()(network, padded)
        return np.asarray(outputs)[:n_samples]

    return run


def _padded(array: np.ndarray, padding: int) -> np.ndarray:
    """Append copies of the last row to an array."""
    copies = np.repeat(array[-1:], padding, axis=0)
    return np.concatenate([array, copies])


@cache
def _torch_structure(built: str, shape: Shape, dtype: str) -> Network:
    import torch

    # constants such as Clebsch-Gordan coefficients in full precision
    torch.set_default_dtype(getattr(torch, dtype))
    method = _method(built)
    return method.build(shape)


def torch_network(method: Method, shape: Shape, dtype: str) -> Network:
    """Return the method's torch network, which all predictors of its structure share."""
    built = _built(method)
    return _torch_structure(built, shape, dtype)


def _torch(method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str) -> Run:
    import torch

    loop = training_loop("torch")
    network = torch_network(method, shape, dtype)

    @torch.no_grad()
    def run(inputs: Arrays) -> np.ndarray:
        torch.set_default_dtype(getattr(torch, dtype))
        # predictors of one structure share it: a copy for each would take half a second
        loop.set_arrays(network, arrays)
        outputs = loop.outputs(network, inputs)
        return outputs.numpy().reshape(inputs["position"].shape)

    return run

"""Predictors: `predict(sample) -> (B, N, 3)`, NumPy float64 in and out, loaded from a run folder.

Evaluation, rollout and audit know nothing else, so that every framework gets the identical test.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

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

CHUNK = 64  # samples in a call, smaller batches padded to it, so that a network is compiled once
CHUNKS = {
    "torch": 128
}  # where nothing is compiled for a shape: larger calls are faster, until they leave the caches
CALL_PAIRS = (
    2**20
)  # fewer samples in a call where they have more pairs of points than this, to bound its memory
NEIGHBOURS = 64  # that a point is expected to have within a cutoff


def samples_in_call(n_points: int, dense: bool, most: int = CHUNK) -> int:
    """Samples in a call, `most` or as few as hold about `CALL_PAIRS` pairs: all of them, or those
    within a cutoff."""
    return int(np.clip(CALL_PAIRS // (n_points * (n_points if dense else NEIGHBOURS)), 1, most))


class Predictor:
    """A trained method. `forward` maps a sample in the model's frame to predicted positions (B, N,
    3) in that frame.

    An alignment that draws its frames draws the same ones in every call, and others for another
    `draw`.
    """

    def __init__(
        self,
        aligner: Base,
        forward: Callable[[Sample], np.ndarray],
        reference: np.ndarray | None = None,
        chunk: int = CHUNK,
    ) -> None:
        self.aligner, self.forward, self.reference, self.chunk = aligner, forward, reference, chunk

    def predict(self, sample: Sample, draw: int | np.random.Generator = 0) -> np.ndarray:
        """Predicted world positions (B, N, 3), float64, `lag` frames after the newest frame of each
        sample.

        Parts of a test with one generator as their `draw` get the frames that they get together.
        """
        rng = np.random.default_rng(draw)
        parts = [slice(i, i + self.chunk) for i in range(0, len(sample), self.chunk)]
        return np.concatenate([self._predict(sample.take(part), rng) for part in parts])

    def _predict(self, sample: Sample, rng: np.random.Generator) -> np.ndarray:
        frames = self.aligner.frames(sample.position, self.reference, rng)
        return frames.back(self.forward(frames.into_sample(sample)))


def read_run(
    folder: str | Path, weights: str = "trained"
) -> tuple[Method, Shape, dict, np.ndarray | None]:
    """Method, shape, weights (`initial`, `trained`, or `epochN` of the snapshots) by name, and
    reference of a run.

    Raises:
        ValueError: the run failed, so that it has no trained weights.
    """
    record = read_record(folder)
    arrays = load_file(checked(Path(folder) / "model.safetensors"))
    if weights == "trained" and record["status"] != "ok":
        raise ValueError(f"{folder}: no trained weights; the run ended with: {record['status']}")
    chosen = {k.split("/", 1)[1]: v for k, v in arrays.items() if k.startswith(weights + "/")}
    return Method(**record["method"]), shape_from(record["shape"]), chosen, arrays.get("reference")


def load(folder: str | Path, weights: str = "trained", dtype: str = "float32") -> Predictor:
    """The predictor of a run folder with these weights, computing in `dtype`; see `read_run`."""
    method, shape, arrays, reference = read_run(folder, weights)
    most = CHUNKS.get(model_spec(method.model).framework, CHUNK)
    chunk = samples_in_call(shape.n_points, method.cutoff(shape) is None, most)
    return Predictor(method.aligner, forward(method, shape, arrays, dtype), reference, chunk)


def shape_from(record: dict) -> Shape:
    """The Shape that `dataclasses.asdict` wrote into a run's record."""
    bonds = tuple(map(tuple, record.get("bonds", ())))
    return Shape(
        **record | {"statistics": Statistics.from_json(record["statistics"]), "bonds": bonds}
    )


def forward(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str
) -> Callable[[Sample], np.ndarray]:
    """The map from a sample in the model's frame to predicted positions in that frame."""
    if method.closed_form:
        return _closed_form(method, shape, arrays, dtype)
    run = {"jax": _jax, "torch": _torch}[model_spec(method.model).framework](
        method, shape, arrays, dtype
    )

    cutoff = method.cutoff(shape)

    def predict(sample: Sample) -> np.ndarray:
        inputs = features.network_inputs(sample, shape.statistics, dtype, cutoff)
        return features.prediction(sample, run(inputs), shape.statistics)

    return predict


def _closed_form(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str
) -> Callable[[Sample], np.ndarray]:
    state = state_of(arrays, dtype)

    def predict(sample: Sample) -> np.ndarray:
        displacement = np.asarray(
            method.module.apply(state, features.view(sample, shape.lag, dtype)), np.float64
        )
        features.check_output(displacement.shape, sample.position[:, -1].shape)
        return sample.position[:, -1] + displacement

    return predict


def _built(method: Method) -> str:
    """What decides a method's network, as JSON: the key under which structures are kept."""
    return json.dumps(asdict(method) | {"training": {}})


def training_loop(framework: str) -> ModuleType:
    """The training loop of a framework, by name: models of another one do not depend on it."""
    return import_module(f"equitraj.training.{framework}")


@cache
def _jax_network(built: str, shape: Shape):
    """The network's structure: drawing weights that are replaced at once would cost a compilation
    for each shape."""
    import equinox as eqx
    import jax

    return eqx.filter_eval_shape(
        lambda key: Method(**json.loads(built)).build(shape, key), jax.random.key(0)
    )


@cache
def _jax_apply():
    import equinox as eqx

    return eqx.filter_jit(lambda network, inputs: network(inputs))


def _jax(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str
) -> Callable[[dict], np.ndarray]:
    loop = training_loop("jax")
    # as arguments the constants of the data leave one program for runs of all training sizes
    network = loop.with_constants(
        loop.with_arrays(_jax_network(_built(method), shape), arrays, dtype), dtype
    )

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        n_samples, n_points = inputs["position"].shape[:2]
        padding = -n_samples % samples_in_call(n_points, "adjacency" in inputs)
        padded = {
            k: np.concatenate([v, np.repeat(v[-1:], padding, axis=0)]) for k, v in inputs.items()
        }
        return np.asarray(_jax_apply()(network, padded))[:n_samples]

    return run


@cache
def _torch_network(built: str, shape: Shape, dtype: str):
    import torch

    torch.set_default_dtype(
        getattr(torch, dtype)
    )  # constants such as Clebsch-Gordan coefficients in full precision
    return Method(**json.loads(built)).build(shape)


def _torch(
    method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str
) -> Callable[[dict], np.ndarray]:
    import torch

    loop, network = training_loop("torch"), _torch_network(_built(method), shape, dtype)

    @torch.no_grad()
    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        torch.set_default_dtype(getattr(torch, dtype))
        # predictors of one structure share it: a copy for each would take half a second
        loop.set_arrays(network, arrays)
        return loop.outputs(network, inputs).numpy().reshape(inputs["position"].shape)

    return run

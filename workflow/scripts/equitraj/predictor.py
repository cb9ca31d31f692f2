"""Predictors: `predict(sample) -> (B, N, 3)`, NumPy float64 in and out, loaded from a run folder.

Evaluation, rollout and audit know nothing else, so that every framework gets the identical test.
"""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from equitraj import features
from equitraj.features import Statistics
from equitraj.files import read_json
from equitraj.frames import load_alignment
from equitraj.method import Method
from equitraj.models._shape import Shape
from equitraj.registry import model_spec
from equitraj.tasks import Sample

CHUNK = 64  # samples in a call, smaller batches padded to it, so that a network is compiled once


class Predictor:
    """A trained method. `forward` maps a sample in the model's frame to predicted positions (B, N, 3) in that frame."""

    def __init__(self, method: Method, forward: Callable[[Sample], np.ndarray], reference: np.ndarray | None = None):
        self.alignment, self.forward, self.reference = load_alignment(method.alignment), forward, reference

    def predict(self, sample: Sample) -> np.ndarray:
        """Predicted world positions (B, N, 3), float64, `lag` frames after the newest frame of each sample."""
        parts = [slice(i, i + CHUNK) for i in range(0, len(sample), CHUNK)]
        return np.concatenate([self._predict(sample.take(part)) for part in parts])

    def _predict(self, sample: Sample) -> np.ndarray:
        frames = self.alignment.frames(sample.position[:, -1], self.reference)
        return frames.back(self.forward(frames.into_sample(sample)))


def load(folder: str | Path, weights: str = "trained", dtype: str = "float32") -> Predictor:
    """The predictor of a run folder, with its `initial` or `trained` weights, computing in `dtype`.

    Raises:
        ValueError: the run failed, so that it has no trained weights.
    """
    record = read_json(Path(folder) / "run.json")
    arrays = load_file(Path(folder) / "model.safetensors")
    method, shape = Method(**record["method"]), shape_from(record["shape"])
    chosen = {k.split("/", 1)[1]: v for k, v in arrays.items() if k.startswith(weights + "/")}
    if weights == "trained" and record["status"] != "ok":
        raise ValueError(f"{folder}: no trained weights; the run ended with: {record['status']}")
    return Predictor(method, forward(method, shape, chosen, dtype), arrays.get("reference"))


def shape_from(record: dict) -> Shape:
    """The Shape that `dataclasses.asdict` wrote into a run's record."""
    return Shape(**record | {"statistics": Statistics.from_json(record["statistics"])})


def forward(method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str) -> Callable[[Sample], np.ndarray]:
    """The map from a sample in the model's frame to predicted positions in that frame."""
    if method.closed_form:
        return _closed_form(method, arrays, dtype)
    run = {"jax": _jax, "torch": _torch}[model_spec(method.model).framework](method, shape, arrays, dtype)

    def predict(sample: Sample) -> np.ndarray:
        inputs = features.network_inputs(sample, shape.statistics, dtype)
        return features.prediction(sample.position, run(inputs), shape.statistics)

    return predict


def _closed_form(method: Method, arrays: dict[str, np.ndarray], dtype: str) -> Callable[[Sample], np.ndarray]:
    parameters = {k: v.astype(dtype) for k, v in arrays.items()}

    def predict(sample: Sample) -> np.ndarray:
        newest, past = sample.position[:, -1], np.diff(sample.position, axis=1)
        return newest + method.module.apply(parameters, newest.astype(dtype), past.astype(dtype)).astype(np.float64)

    return predict


@cache
def _jax_network(model: str, hyperparameters: object, shape: Shape):
    """The network's structure: drawing weights that are replaced at once would cost a compilation for each shape."""
    import equinox as eqx
    import jax

    from equitraj.registry import load_model

    build = load_model(model).build
    return eqx.filter_eval_shape(lambda key: build(hyperparameters, shape, key), jax.random.key(0))


@cache
def _jax_apply():
    import equinox as eqx

    return eqx.filter_jit(lambda network, inputs: network(inputs))


def _jax(method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str) -> Callable[[dict], np.ndarray]:
    from equitraj.training.jax import with_arrays

    network = with_arrays(_jax_network(method.model, method.hyperparameters(), shape), arrays, dtype)

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        n_samples = len(inputs["position"])
        padding = -n_samples % CHUNK
        padded = {k: np.concatenate([v, np.repeat(v[-1:], padding, axis=0)]) for k, v in inputs.items()}
        return np.asarray(_jax_apply()(network, padded))[:n_samples]

    return run


@cache
def _torch_network(model: str, hyperparameters: object, shape: Shape, dtype: str):
    import torch

    from equitraj.registry import load_model

    torch.set_default_dtype(getattr(torch, dtype))  # constants such as Clebsch-Gordan coefficients in full precision
    return load_model(model).build(hyperparameters, shape)


def _torch(method: Method, shape: Shape, arrays: dict[str, np.ndarray], dtype: str) -> Callable[[dict], np.ndarray]:
    import torch

    from equitraj.training.torch import set_arrays

    network = copy.deepcopy(_torch_network(method.model, method.hyperparameters(), shape, dtype))
    set_arrays(network, arrays)

    @torch.no_grad()
    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        torch.set_default_dtype(getattr(torch, dtype))
        return network(network.batch(inputs)).numpy().reshape(inputs["position"].shape)

    return run

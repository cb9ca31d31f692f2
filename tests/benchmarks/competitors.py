"""Those whose training is timed: each is built once, and then trains a block of frames whenever it
is called.

A block returns how many frames it trained. Networks have the chapter's size, but for EGNN (width
32).
"""

from collections.abc import Callable
from pathlib import Path

import chain
import egnn_before
import jax
import numpy as np
import optax
import torch
from e3nn.nn.models.gate_points_2101 import Network
from torch_geometric.loader import DataLoader

from equitraj.chapter import data as chapter_data
from equitraj.chapter import network as chapter
from equitraj.training import jax as jax_loop
from equitraj.training import torch as torch_loop
from equitraj.training.method import Method
from equitraj.training.run import builder

Block = Callable[[], int]


def chapter_loop(position: np.ndarray, n_frames: int) -> Block:
    """The chapter's loop as printed: batches of one frame."""
    network = chapter.build()
    optimizer = torch.optim.Adam(network.parameters(), lr=chapter.RATE)
    loader = chapter.batches(*(part[:n_frames] for part in chapter_data.pairs(position)))

    def block() -> int:
        torch.set_default_dtype(torch.float32)
        chapter.train_epoch(network, optimizer, loader)
        return n_frames

    return block


def graph_loop(position: np.ndarray, n_frames: int, size: int = 64) -> Block:
    """The chapter's network in a plain loop of torch-geometric, in batches: neighbours searched in
    every step."""
    network: Network = chapter.build()
    optimizer = torch.optim.Adam(network.parameters(), lr=chapter.RATE)
    frames, labels = (part[:n_frames] for part in chapter_data.pairs(position))
    loader = DataLoader(chapter.batches(frames, labels).dataset, batch_size=size, shuffle=True)

    def block() -> int:
        torch.set_default_dtype(torch.float32)
        for batch in loader:
            loss = torch.mean((network(batch) - batch.y) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return len(frames)

    return block


def e3nn_jax_loop(position: np.ndarray, n_frames: int, size: int = 16) -> Block:
    """The same architecture in e3nn-jax as it is, a step compiled, and Adam."""
    import e3nn_jax_network

    frames, labels = (part[:n_frames].astype(np.float32) for part in chapter_data.pairs(position))
    network = e3nn_jax_network.network()
    weights, optimise = network.init(jax.random.key(0)), optax.adam(chapter.RATE)
    order = np.random.default_rng(0).permutation(len(frames))
    chosen = [order[i : i + size] for i in range(0, len(order) - size + 1, size)]

    @jax.jit
    def step(state: tuple, x: jax.Array, y: jax.Array) -> tuple:
        weights, moments = state
        gradient = jax.grad(
            lambda w: ((jax.vmap(lambda one: network.apply(w, one))(x) - y) ** 2).mean()
        )(weights)
        change, moments = optimise.update(gradient, moments)
        return optax.apply_updates(weights, change), moments

    state = weights, optimise.init(weights)

    def block() -> int:
        nonlocal state
        for index in chosen:
            state = step(state, frames[index], (labels - frames)[index])
        jax.block_until_ready(state)
        return len(chosen) * size

    return block


class Epochs(jax_loop.Trainer):
    """The training loop for JAX up to its compiled epoch, which is then called one by one."""

    @classmethod
    def of(
        cls,
        method: Method,
        folder: Path,
        position: np.ndarray,
        history: int,
        n_frames: int,
        module=None,
        device="cpu",
    ):
        """The loop for a method, or for a model file that is no part of the library (`module`)."""
        data, shape, build = _prepared(method, folder, position, history, n_frames)
        if module:
            build = lambda key: module.build(module.Hyperparameters(**method.options), shape, key)  # noqa: E731
        loop = cls(build, data, method.training_options(), device)
        loop.train(0, jax_loop.Monitor(loop.options, 1.0, method.name), None, jax_loop.Outcome())
        return loop

    def _compiled(self, rebuild, state: tuple, constants: object):
        self.rebuild = rebuild
        return super()._compiled(rebuild, state, constants)

    def _run(self, state: tuple, constants: object, monitor, checkpoint) -> tuple:
        self.state, self.constants = state, constants
        return state[1], {}

    def __call__(self) -> int:
        self.state, *losses = self.epoch(self.state, self.constants, *self.samples)
        jax.block_until_ready(losses)
        return self.frames_per_epoch


def torch_loop_epochs(
    method: Method, folder: Path, position: np.ndarray, n_frames: int, device: str = "cpu"
) -> Block:
    """An epoch of the training loop for torch."""
    data, _, build = _prepared(method, folder, position, 1, n_frames)
    loop = torch_loop.Trainer(build, data, method.training_options(), device)
    network = loop.initial(0).to(loop.place)
    run = torch_loop.Run(network, loop._load(network), data, loop.options, 0)

    def block() -> int:
        run._epoch()
        return loop.frames_per_epoch

    return block


def _prepared(
    method: Method, folder: Path, position: np.ndarray, history: int, n_frames: int
) -> tuple:
    task = chain.task(history, n_frames)
    data, shape = chain.data_of(method, chain.write_files(folder, position, task), task)
    return data, shape, builder(method, shape)


def e3nn(size: int, model: str = "gate_points") -> Method:
    """The chapter's network as a method of the workflow, in batches of `size`."""
    training = {"batch_size": size, "learning_rate": 1e-3, "schedule": "constant"}
    return Method("e3nn", model, "centre_of_mass", training=training)


def egnn() -> Method:
    """EGNN of width 32 in batches of 64."""
    training = {"batch_size": 64, "learning_rate": 1e-3, "schedule": "constant"}
    return Method("egnn", "egnn", "centre_of_mass", options={"width": 32}, training=training)


def egnn_as_before(folder: Path, position: np.ndarray, history: int, n_frames: int) -> Epochs:
    """EGNN sample by sample, in the same loop."""
    return Epochs.of(egnn(), folder, position, history, n_frames, egnn_before)

"""The training loop for torch.

Batches are graphs of torch-geometric or dense arrays, whichever the network takes.
"""

import copy
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Union

import numpy as np
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from equitraj.training.checkpoint import Checkpoint
from equitraj.training.dense import Dense, is_dense, multiplied, points, tensors
from equitraj.training.options import TrainingOptions
from equitraj.training.outcome import Arrays, Data, Monitor, Outcome, snapshot_epochs
from equitraj.training.state import check_names

if TYPE_CHECKING:
    from torch_geometric.data import Batch

    from equitraj.training.graphs import Graphs

AnyBatch = Union[Dense, "Batch"]
AllSamples = Union[Dense, "Graphs"]

VALIDATED = 64  # samples in a call: larger calls leave the caches
# torch's names of the precisions of matrix products
MATMUL = {
    "float32": "highest",
    "tensorfloat32": "high",
    "bfloat16": "medium",
}

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def named_arrays(network: torch.nn.Module) -> dict[str, np.ndarray]:
    """Return copies of the parameters of a network by name."""
    arrays = {}
    for name, parameter in network.named_parameters():
        value = parameter.detach().cpu()
        arrays[name] = value.numpy().copy()
    return arrays


def set_arrays(network: torch.nn.Module, arrays: dict[str, np.ndarray]) -> None:
    """Give the parameters the values in `arrays`, in the network's dtype."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            value = torch.as_tensor(arrays[name])
            parameter.copy_(value)


def select_device(wanted: str) -> torch.device:
    """Return the device for `wanted` ("cpu", "cuda", or "auto" for the best there is).

    Raises:
        RuntimeError: "cuda" is wanted and torch finds none.
    """
    has_cuda = torch.cuda.is_available()
    if wanted == "cuda" and not has_cuda:
        version = f"torch {torch.__version__}"
        raise RuntimeError(f"device: cuda asked for, but {version} finds no CUDA device")
    return torch.device("cuda" if wanted != "cpu" and has_cuda else "cpu")


def device_name(device: torch.device) -> str:
    """Return the name of the device in torch."""
    if device.type != "cuda":
        return "cpu"
    return torch.cuda.get_device_name(device)


def haar_rotations(n: int, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    """Random rotations (n, 3, 3), uniform on SO(3).

    They come from normalised Gaussian quaternions (Shoemake, 1992).
    """
    from e3nn.o3 import quaternion_to_matrix

    quaternion = torch.randn(n, 4, generator=generator, dtype=dtype)
    norm = quaternion.norm(dim=1, keepdim=True)
    return quaternion_to_matrix(quaternion / norm)


def turns_about_z(n: int, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    """Random rotations (n, 3, 3) about the third axis."""
    from e3nn.o3 import quaternion_to_matrix

    half = math.pi * torch.rand(n, generator=generator, dtype=dtype)
    zero = torch.zeros_like(half)
    quaternion = torch.stack([half.cos(), zero, zero, half.sin()], 1)
    return quaternion_to_matrix(quaternion)


DRAWS = {"rotation": haar_rotations, "rotation_z": turns_about_z}  # by the name of an augmentation


def _samples(network: torch.nn.Module, arrays: Arrays, dtype: str) -> AllSamples:
    """All samples and reference frames, as the network takes them."""
    if is_dense(network):
        return Dense.of(arrays, dtype)
    from equitraj.training.graphs import Graphs  # only networks on graphs need torch-geometric

    return Graphs.of(network, arrays, dtype)


def _apply(network: torch.nn.Module, batch: AnyBatch) -> torch.Tensor:
    """The network's output for a batch, (samples * N, 3)."""
    if isinstance(batch, Dense):
        return batch.output(network)
    return network(batch)


def outputs(network: torch.nn.Module, inputs: dict[str, np.ndarray]) -> torch.Tensor:
    """Return the network's output (B * N, 3).

    The inputs are the arrays of `equitraj.data.features.network_inputs`.
    """
    if not is_dense(network):
        # torch declares that every attribute is a tensor or a module
        return network(network.batch(inputs))  # type: ignore[operator]
    batch = tensors(inputs)
    return points(network(batch), batch)


def _rotate(
    batch: AnyBatch, generator: torch.Generator, n_scalars: int, augmentation: str = "rotation"
) -> tuple[AnyBatch, torch.Tensor]:
    """Each sample turned by a rotation of its own, and the rotations (B, 3, 3).

    Graphs are turned in place.
    """
    draw = DRAWS[augmentation]
    turn = draw(batch.num_graphs, generator, batch.y.dtype).to(batch.y.device)
    if isinstance(batch, Dense):
        return batch.turned(turn), turn
    from equitraj.training.graphs import turned

    return turned(batch, turn, n_scalars), turn


def _loss(
    output: torch.Tensor, batch: AnyBatch, n_frames: int, huber: float = 0.0, average: bool = True
) -> torch.Tensor:
    """Mean loss of the samples.

    If `average`, the errors of a sample in its reference frames are averaged by weight, in world
    axes, before the loss is taken; else its losses are averaged.
    """
    weight = batch.weight.unflatten(0, (-1, n_frames))
    error = (output - batch.y).unflatten(0, (*weight.shape, -1))
    if average and n_frames > 1:
        rotation = batch.rotation.unflatten(0, weight.shape)
        error = torch.einsum("bf,bfij,bfni->bnj", weight, rotation, error)[:, None]
        weight = torch.ones_like(weight[:, :1])
    if huber:
        zero = torch.zeros_like(error)
        each = 2 * torch.nn.functional.huber_loss(error, zero, reduction="none", delta=huber)
    else:
        each = error**2
    of_frame = each.mean((2, 3))
    return (weight * of_frame).sum(1).mean()


def _asymmetry(
    network: torch.nn.Module,
    batch: AnyBatch,
    output: torch.Tensor,
    generator: torch.Generator,
    n_scalars: int,
) -> torch.Tensor:
    """Mean of |R^T f(R x) - f(x)|^2 over the samples, each with its own random rotation R.

    Graphs are turned in place.
    """
    batch, turn = _rotate(batch, generator, n_scalars)
    n_points = len(output) // len(turn)  # the same for every sample
    turn = turn.repeat_interleave(n_points, 0)
    turned = _apply(network, batch)
    back = multiplied(turn.mT, turned)
    return (back - output).square().mean()


def _schedule(options: TrainingOptions, n_steps: int) -> Callable[[int], float]:
    """The learning rate by step, as a fraction of its largest value."""
    warm = max(1, round(options.warmup * n_steps))
    length = max(1, n_steps - warm)

    def fraction(step: int) -> float:
        if step < warm:
            return step / warm
        angle = math.pi * (step - warm) / length
        return 0.5 * (1 + math.cos(angle))

    if options.schedule == "constant":
        return lambda step: 1.0
    return fraction


class Trainer:
    """Trains one network per seed, and shares between seeds what does not depend on them.

    `build()` draws weights from torch's random state; `weights`, if given, replace them.
    """

    samples: dict[str, AllSamples] | None = None  # by name of the split, once they are loaded

    def __init__(
        self,
        build: Callable[[], torch.nn.Module],
        data: Data,
        options: TrainingOptions,
        device: str = "auto",
        weights: dict[str, np.ndarray] | None = None,
    ) -> None:
        self.build = build
        self.data = data
        self.options = options
        self.weights = weights
        self.place = select_device(device)
        self.device = device_name(self.place)
        batch_size = min(options.batch_size, data.capacity)
        self.frames_per_epoch = options.batches(data.capacity) * batch_size

    def on(self, build: Callable[[], torch.nn.Module], data: Data) -> "Trainer":
        """Return a trainer of the same method on another number of samples."""
        other = copy.copy(self)
        other.build = build
        other.data = data
        other.samples = None
        return other

    def initial(self, seed: int) -> torch.nn.Module:
        """Return a network with its first weights, drawn or given, in the options' precision."""
        torch.set_default_dtype(getattr(torch, self.options.precision))
        is_cuda = self.place.type == "cuda"
        precision = self.options.matmul_precision if is_cuda else "float32"
        torch.set_float32_matmul_precision(MATMUL[precision])
        torch.manual_seed(seed)
        network = self.build()
        if self.weights is not None:
            check_names(self.weights, named_arrays(network))
            set_arrays(network, self.weights)
        return network

    def train(self, seed: int, monitor: Monitor, checkpoint: Checkpoint, outcome: Outcome) -> None:
        """Train the network of one seed and fill in the outcome's weights."""
        network = self.initial(seed)
        outcome.initial = named_arrays(network)
        network = network.to(self.place)
        self.samples = self.samples or self._load(network)
        run = Run(network, self.samples, self.data, self.options, seed)
        outcome.trained = run.train(monitor, checkpoint)
        outcome.snapshots = run.snapshots

    def _load(self, network: torch.nn.Module) -> dict[str, AllSamples]:
        """Both splits on the device; what nothing turns is prepared."""
        precision = self.options.precision
        train = _samples(network, self.data.train, precision).to(self.place)
        validation = _samples(network, self.data.validation, precision).to(self.place)
        if isinstance(validation, Dense):
            validation = validation.prepare(network)
        is_turned = self.data.augmentation != "none" or self.options.symmetry_penalty
        if isinstance(train, Dense) and not is_turned:
            train = train.prepare(network)
        return {"train": train, "validation": validation}


class Run:
    """One training: the network, its moving average, the optimiser and their state."""

    snapshots: dict[int, dict[str, np.ndarray]]  # weights by name, by epoch

    def __init__(
        self,
        network: torch.nn.Module,
        samples: dict[str, AllSamples],
        data: Data,
        options: TrainingOptions,
        seed: int,
    ) -> None:
        self.network = network
        self.average = copy.deepcopy(network)
        self.best = copy.deepcopy(network)
        self.weights = list(network.parameters())
        self.averages = list(self.average.parameters())
        self.samples = samples
        self.data = data
        self.options = options
        self.n_samples, self.n_frames = data.train.weight.shape
        self.n_batches = options.batches(data.capacity)
        scalar = data.train.inputs.get("scalar")
        self.n_scalars = 0 if scalar is None else scalar.shape[-1]
        self.optimiser = torch.optim.AdamW(
            self.weights,
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=True,
        )
        self.move = get_ema_multi_avg_fn(options.ema)
        self.schedule = _schedule(options, options.epochs * self.n_batches)
        self.step = 0
        self.generator = torch.Generator().manual_seed(seed)
        self.snapshots = {}

    def train(self, monitor: Monitor, checkpoint: Checkpoint) -> dict[str, np.ndarray]:
        """Run the epochs that are left; return the weights of the best one."""
        first = 0
        saved = checkpoint.load()
        if saved is not None:
            arrays, state = saved
            first = self._resume(arrays, monitor, state)
        keep = snapshot_epochs(self.options.epochs)
        for epoch in range(first, self.options.epochs):
            train_loss = self._epoch()
            if monitor.record(epoch, train_loss, self._validate()):
                self.best.load_state_dict(self.average.state_dict())
            if epoch + 1 in keep:
                self.snapshots[epoch + 1] = named_arrays(self.average)
            if monitor.stalled():
                break
            if checkpoint.due():
                checkpoint.save(self._arrays(), monitor.state() | {"step": self.step})
        return named_arrays(self.best)

    def _batch(self, chosen: torch.Tensor) -> tuple[AnyBatch, int]:
        """A batch of the chosen samples (B,), and the number of reference frames of each.

        It has all reference frames of a sample, or one that is drawn by weight.
        """
        index = _frames_of(chosen, self.n_frames)
        samples = self.samples["train"]
        if not self.data.draw:
            return samples.take(index.flatten()), self.n_frames
        weight = torch.as_tensor(self.data.train.weight)[chosen]
        drawn = torch.multinomial(weight, 1, generator=self.generator)
        batch = samples.take(index.gather(1, drawn).flatten())
        batch.weight = torch.ones_like(batch.weight)
        return batch, 1

    def _objective(self, chosen: torch.Tensor) -> torch.Tensor:
        """The training loss of the chosen samples (B,)."""
        batch, n_frames = self._batch(chosen)
        if self.data.augmentation != "none":
            batch, _ = _rotate(batch, self.generator, self.n_scalars, self.data.augmentation)
        output = _apply(self.network, batch)
        loss = _loss(output, batch, n_frames, self.options.huber)
        if self.options.symmetry_penalty:
            asymmetry = _asymmetry(self.network, batch, output, self.generator, self.n_scalars)
            loss = loss + self.options.symmetry_penalty * asymmetry
        return loss

    def _epoch(self) -> float:
        """Make the steps of an epoch; return the mean training loss."""
        order = torch.randperm(self.n_samples, generator=self.generator)
        size = min(self.options.batch_size, self.data.capacity)
        losses = []
        for start in range(0, self.n_batches * size, size):
            # fewer samples than the whole split come again
            place = torch.arange(start, start + size) % self.n_samples
            losses.append(self._step(order[place]))
        mean = torch.stack(losses).double().mean()
        return mean.item()

    def _step(self, chosen: torch.Tensor) -> torch.Tensor:
        """Make one step of the optimiser; return the loss of the chosen samples (B,)."""
        loss = self._objective(chosen)
        self.optimiser.zero_grad()
        loss.backward()
        options = self.options
        torch.nn.utils.clip_grad_norm_(self.weights, options.clip, foreach=True)
        rate = options.learning_rate * self.schedule(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.step += 1
        self.move(self.averages, self.weights, self.step)
        return loss.detach()

    @torch.no_grad()
    def _validate(self) -> float:
        """The mean loss of the validation samples."""
        n_samples, n_frames = self.data.validation.weight.shape  # no copies are validated
        total = 0.0
        for chosen in torch.arange(n_samples).split(VALIDATED):
            index = _frames_of(chosen, n_frames)
            batch = self.samples["validation"].take(index.flatten())
            output = _apply(self.average, batch)
            loss = _loss(output, batch, n_frames, average=not self.data.draw)
            total += loss.item() * len(chosen)
        return total / n_samples

    def _state(self) -> dict[str, torch.nn.Module]:
        return {"network": self.network, "average": self.average, "best": self.best}

    def _arrays(self) -> dict[str, np.ndarray]:
        """The arrays of a checkpoint."""
        arrays = {"generator": self.generator.get_state().numpy()}
        for key, module in self._state().items():
            for name, value in named_arrays(module).items():
                arrays[f"{key}/{name}"] = value
        for i, moments in self.optimiser.state_dict()["state"].items():
            for name, moment in moments.items():
                arrays[f"moment/{i}/{name}"] = moment.cpu().numpy()
        for epoch, weights in self.snapshots.items():
            for name, value in weights.items():
                arrays[f"snapshot/{epoch}/{name}"] = value
        return arrays

    def _resume(self, arrays: dict[str, np.ndarray], monitor: Monitor, state: dict) -> int:
        """Restore a checkpoint; return the epoch to begin with."""
        for key, module in self._state().items():
            set_arrays(module, {n: arrays[f"{key}/{n}"] for n in named_arrays(module)})
        optimiser = self.optimiser.state_dict()
        for path, value in arrays.items():
            kind, *rest = path.split("/")
            if kind == "moment":
                i, name = rest
                moments = optimiser["state"].setdefault(int(i), {})
                moments[name] = torch.as_tensor(value)
            elif kind == "snapshot":
                epoch, name = rest
                weights = self.snapshots.setdefault(int(epoch), {})
                weights[name] = value
        self.optimiser.load_state_dict(optimiser)
        self.generator.set_state(torch.as_tensor(arrays["generator"]))
        self.step = state["step"]
        return monitor.restore(state)


def _frames_of(chosen: torch.Tensor, n_frames: int) -> torch.Tensor:
    """Indices (B, F) of the reference frames of the chosen samples (B,), F for each sample."""
    first = chosen * n_frames
    return first[:, None] + torch.arange(n_frames)

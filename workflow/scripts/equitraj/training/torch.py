"""The training loop for torch, on batches of torch-geometric graphs or of dense arrays, as the
network takes them."""

import copy
import math
import os
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from equitraj.training.checkpoint import Checkpoint
from equitraj.training.dense import Dense, is_dense, points, tensors
from equitraj.training.options import TrainingOptions
from equitraj.training.outcome import Arrays, Data, Monitor, Outcome, snapshot_epochs
from equitraj.training.state import check_names

if TYPE_CHECKING:
    from torch_geometric.data import Batch

    from equitraj.training.graphs import Graphs

VALIDATED = 64  # samples in a call: larger ones leave the caches
MATMUL = {
    "float32": "highest",
    "tensorfloat32": "high",
    "bfloat16": "medium",
}  # what torch calls them

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def named_arrays(network: torch.nn.Module) -> dict[str, np.ndarray]:
    """The parameters of a network by name."""
    return {name: p.detach().cpu().numpy().copy() for name, p in network.named_parameters()}


def set_arrays(network: torch.nn.Module, arrays: dict[str, np.ndarray]) -> None:
    """Give the parameters the values in `arrays`, in the network's dtype."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(torch.as_tensor(arrays[name]))


def select_device(wanted: str) -> torch.device:
    """The device for `wanted` ("cpu", "cuda", or "auto" for the best there is).

    Raises:
        RuntimeError: "cuda" is wanted and torch finds none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            f"device: cuda asked for, but torch {torch.__version__} finds no CUDA device"
        )
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """What torch calls the device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def haar_rotations(n: int, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    """Random rotations (n, 3, 3), uniform on SO(3): normalised Gaussian quaternions (Shoemake,
    1992)."""
    from e3nn.o3 import quaternion_to_matrix

    q = torch.randn(n, 4, generator=generator, dtype=dtype)
    return quaternion_to_matrix(q / q.norm(dim=1, keepdim=True))


def turns_about_z(n: int, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    """Random rotations (n, 3, 3) about the third axis."""
    from e3nn.o3 import quaternion_to_matrix

    half = math.pi * torch.rand(n, generator=generator, dtype=dtype)
    zero = torch.zeros_like(half)
    return quaternion_to_matrix(torch.stack([half.cos(), zero, zero, half.sin()], 1))


DRAWS = {"rotation": haar_rotations, "rotation_z": turns_about_z}  # by the name of an augmentation


def _samples(network: torch.nn.Module, arrays: Arrays, dtype: str) -> "Dense | Graphs":
    """All samples and frames, as the network takes them."""
    if is_dense(network):
        return Dense.of(arrays, dtype)
    from equitraj.training.graphs import Graphs  # only networks on graphs need torch-geometric

    return Graphs.of(network, arrays, dtype)


def _apply(network: torch.nn.Module, batch: "Dense | Batch") -> torch.Tensor:
    """What the network returns for a batch, (samples * N, 3)."""
    return batch.output(network) if isinstance(batch, Dense) else network(batch)


def outputs(network: torch.nn.Module, inputs: dict[str, np.ndarray]) -> torch.Tensor:
    """(B * N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
    if is_dense(network):
        return points(network(given := tensors(inputs)), given)
    return network(network.batch(inputs))


def _rotate(
    batch: "Dense | Batch",
    generator: torch.Generator,
    n_scalars: int,
    augmentation: str = "rotation",
) -> tuple["Dense | Batch", torch.Tensor]:
    """Each sample turned by a rotation of its own, and the rotations (B, 3, 3); graphs are turned
    in place."""
    turn = DRAWS[augmentation](batch.num_graphs, generator, batch.y.dtype).to(batch.y.device)
    if isinstance(batch, Dense):
        return batch.turned(turn), turn
    from equitraj.training.graphs import turned

    return turned(batch, turn, n_scalars), turn


def _loss(
    output: torch.Tensor,
    batch: "Dense | Batch",
    n_frames: int,
    huber: float = 0.0,
    average: bool = True,
) -> torch.Tensor:
    """Loss of the weighted mean over the frames, taken in world axes, or the weighted mean of the
    frames' losses."""
    weight = batch.weight.unflatten(0, (-1, n_frames))
    error = (output - batch.y).unflatten(0, (*weight.shape, -1))
    if average and n_frames > 1:
        rotation = batch.rotation.unflatten(0, weight.shape)
        error = torch.einsum("bf,bfij,bfni->bnj", weight, rotation, error)[:, None]
        weight = torch.ones_like(weight[:, :1])
    zero = torch.zeros_like(error)
    squares = (
        2 * torch.nn.functional.huber_loss(error, zero, reduction="none", delta=huber)
        if huber
        else error**2
    )
    return (weight * squares.mean((2, 3))).sum(1).mean()


def _asymmetry(
    network: torch.nn.Module,
    batch: "Dense | Batch",
    output: torch.Tensor,
    generator: torch.Generator,
    n_scalars: int,
) -> torch.Tensor:
    """Mean of |R^T f(R x) - f(x)|^2 over the samples, a rotation R for each; turns graphs in place."""
    batch, turn = _rotate(batch, generator, n_scalars)
    turn = turn.repeat_interleave(len(output) // len(turn), 0)  # every sample has as many points
    back = (turn.mT @ _apply(network, batch)[..., None])[..., 0]
    return (back - output).square().mean()


def _schedule(options: TrainingOptions, n_steps: int):
    if options.schedule == "constant":
        return lambda step: 1.0
    warm = max(1, round(options.warmup * n_steps))
    fall = lambda step: 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, n_steps - warm)))  # noqa: E731
    return lambda step: step / warm if step < warm else fall(step)


class Trainer:
    """Trains one network per seed; what seeds share is made once. `build()` draws weights from
    torch's random state."""

    def __init__(
        self,
        build,
        data: Data,
        options: TrainingOptions,
        device: str = "auto",
        weights: dict | None = None,
    ) -> None:
        self.build, self.data, self.options, self.weights = build, data, options, weights
        self.place = select_device(device)
        self.device = device_name(self.place)
        self.frames_per_epoch = options.batches(data.capacity) * min(
            options.batch_size, data.capacity
        )
        self.samples = None

    def on(self, build, data: Data) -> "Trainer":
        """A trainer of the same method on another number of samples."""
        other = copy.copy(self)
        other.build, other.data, other.samples = build, data, None
        return other

    def initial(self, seed: int) -> torch.nn.Module:
        """A network with its first weights, fresh or given, in the options' precision."""
        torch.set_default_dtype(getattr(torch, self.options.precision))
        torch.set_float32_matmul_precision(
            MATMUL[self.options.matmul_precision] if self.place.type == "cuda" else "highest"
        )
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
        outcome.trained, outcome.snapshots = run.train(monitor, checkpoint), run.snapshots

    def _load(self, network: torch.nn.Module) -> "dict[str, Dense | Graphs]":
        """Both parts on the device; what nothing turns is prepared."""
        parts = {"train": self.data.train, "validation": self.data.validation}
        samples = {
            k: _samples(network, v, self.options.precision).to(self.place) for k, v in parts.items()
        }
        turned = (
            {"train"}
            if self.data.augmentation != "none" or self.options.symmetry_penalty
            else set()
        )
        return {
            k: v if k in turned or not is_dense(network) else v.prepare(network)
            for k, v in samples.items()
        }


class Run:
    """One training: the network, its moving average, the optimiser and where they stand."""

    def __init__(
        self,
        network: torch.nn.Module,
        samples: dict,
        data: Data,
        options: TrainingOptions,
        seed: int,
    ) -> None:
        self.network, self.average, self.best = (
            network,
            copy.deepcopy(network),
            copy.deepcopy(network),
        )
        self.samples, self.data, self.options = samples, data, options
        self.device = next(network.parameters()).device
        self.n_samples, self.n_frames = data.train.weight.shape
        self.n_batches = options.batches(data.capacity)
        self.n_scalars = data.train.inputs.get("scalar", np.zeros((1, 1, 0))).shape[-1]
        rate = {"lr": options.learning_rate, "weight_decay": options.weight_decay}
        self.optimiser = torch.optim.AdamW(network.parameters(), fused=True, **rate)
        self.move = get_ema_multi_avg_fn(options.ema)
        self.schedule, self.step = _schedule(options, options.epochs * self.n_batches), 0
        self.generator = torch.Generator().manual_seed(seed)
        self.snapshots: dict[int, dict[str, np.ndarray]] = {}

    def train(self, monitor: Monitor, checkpoint: Checkpoint) -> dict[str, np.ndarray]:
        """Run the epochs that are left; the weights of the best one."""
        saved, keep = checkpoint.load(), snapshot_epochs(self.options.epochs)
        first = 0 if saved is None else self._resume(saved[0], monitor, saved[1])
        for epoch in range(first, self.options.epochs):
            if monitor.record(epoch, self._epoch(), self._validate()):
                self.best.load_state_dict(self.average.state_dict())
            if epoch + 1 in keep:
                self.snapshots[epoch + 1] = named_arrays(self.average)
            if monitor.stalled():
                break
            if checkpoint.due():
                checkpoint.save(self._arrays(), monitor.state() | {"step": self.step})
        return named_arrays(self.best)

    def _batch(self, chosen: torch.Tensor) -> "tuple[Dense | Batch, int]":
        """A batch of the chosen samples (B,), and how many frames each has: all, or one drawn by
        weight."""
        index, n_frames = (
            chosen[:, None] * self.n_frames + torch.arange(self.n_frames),
            self.n_frames,
        )
        if self.data.draw:
            weight = torch.as_tensor(self.data.train.weight)[chosen]
            index, n_frames = (
                index.gather(1, torch.multinomial(weight, 1, generator=self.generator)),
                1,
            )
        batch = self.samples["train"].take(index.flatten())
        if self.data.draw:
            batch.weight = torch.ones_like(batch.weight)
        return batch, n_frames

    def _objective(self, chosen: torch.Tensor) -> torch.Tensor:
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
        order, losses = torch.randperm(self.n_samples, generator=self.generator), []
        size = min(self.options.batch_size, self.data.capacity)
        weights, average = list(self.network.parameters()), list(self.average.parameters())
        for b in range(self.n_batches):
            # fewer samples than the whole split come again
            loss = self._objective(order[torch.arange(b * size, (b + 1) * size) % self.n_samples])
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, self.options.clip, foreach=True)
            for group in self.optimiser.param_groups:
                group["lr"] = self.options.learning_rate * self.schedule(self.step)
            self.optimiser.step()
            self.step += 1
            self.move(average, weights, self.step)
            losses.append(loss.detach())
        return torch.stack(losses).double().mean().item()

    @torch.no_grad()
    def _validate(self) -> float:
        n_samples, n_frames = self.data.validation.weight.shape  # no copies are validated
        total = 0.0
        for chosen in torch.arange(n_samples).split(VALIDATED):
            index = chosen[:, None] * n_frames + torch.arange(n_frames)
            batch = self.samples["validation"].take(index.flatten())
            loss = _loss(_apply(self.average, batch), batch, n_frames, average=not self.data.draw)
            total += loss.item() * len(chosen)
        return total / n_samples

    def _state(self) -> dict[str, torch.nn.Module]:
        return {"network": self.network, "average": self.average, "best": self.best}

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {
            f"{k}/{n}": v
            for k, module in self._state().items()
            for n, v in named_arrays(module).items()
        }
        moments = self.optimiser.state_dict()["state"]
        arrays |= {
            f"moment/{i}/{k}": v.cpu().numpy()
            for i, state in moments.items()
            for k, v in state.items()
        }
        arrays |= {
            f"snapshot/{n}/{k}": v for n, kept in self.snapshots.items() for k, v in kept.items()
        }
        return arrays | {"generator": self.generator.get_state().numpy()}

    def _resume(self, arrays: dict[str, np.ndarray], monitor: Monitor, state: dict) -> int:
        for key, module in self._state().items():
            set_arrays(module, {n: arrays[f"{key}/{n}"] for n in named_arrays(module)})
        optimiser = self.optimiser.state_dict()
        for name in (n for n in arrays if n.startswith("moment/")):
            _, i, key = name.split("/")
            optimiser["state"].setdefault(int(i), {})[key] = torch.as_tensor(arrays[name])
        self.optimiser.load_state_dict(optimiser)
        for name in (n for n in arrays if n.startswith("snapshot/")):
            _, epoch, key = name.split("/")
            self.snapshots.setdefault(int(epoch), {})[key] = arrays[name]
        self.generator.set_state(torch.as_tensor(arrays["generator"]))
        self.step = state["step"]
        return monitor.restore(state)

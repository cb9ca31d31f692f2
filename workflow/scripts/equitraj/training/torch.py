"""The training loop for torch, on batches of torch-geometric graphs."""

import copy
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Batch
from torch_geometric.data import Data as Graph

from equitraj.training import checkpoint
from equitraj.training.options import TrainingOptions
from equitraj.training.outcome import Arrays, Data, Monitor, Outcome

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
    """The device for `wanted` ("auto", "cpu" or "cuda").

    Raises:
        RuntimeError: "cuda" is wanted and torch finds none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"device: cuda asked for, but torch {torch.__version__} finds no CUDA device")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """What torch calls the device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def haar_rotations(n: int, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    """Random rotations (n, 3, 3), uniform on SO(3): normalised Gaussian quaternions (Shoemake, 1992)."""
    from e3nn.o3 import quaternion_to_matrix

    q = torch.randn(n, 4, generator=generator, dtype=dtype)
    return quaternion_to_matrix(q / q.norm(dim=1, keepdim=True))


def _graphs(network: torch.nn.Module, arrays: Arrays, dtype: str) -> list[Graph]:
    graphs = network.graphs({k: v.astype(dtype) for k, v in arrays.inputs.items()})
    target, weight = torch.as_tensor(arrays.target.astype(dtype)), torch.as_tensor(arrays.weight.astype(dtype))
    for i, graph in enumerate(graphs):
        graph.y, graph.weight = target[i], weight[i : i + 1]
    return graphs


def _rotate(batch: Batch, generator: torch.Generator, n_scalars: int) -> None:
    rotation = haar_rotations(batch.num_graphs, generator, batch.pos.dtype).to(batch.pos.device)[batch.batch]
    batch.pos, batch.y = ((rotation @ v[..., None])[..., 0] for v in (batch.pos, batch.y))
    if batch.x is not None:
        vectors = batch.x[:, n_scalars:].reshape(len(batch.x), -1, 3) @ rotation.mT
        batch.x = torch.cat([batch.x[:, :n_scalars], vectors.flatten(1)], dim=1)


def _loss(network: torch.nn.Module, batch: Batch, huber: float = 0.0) -> torch.Tensor:
    output = network(batch)
    if huber:
        loss = 2 * torch.nn.functional.huber_loss(output, batch.y, reduction="none", delta=huber)
    else:
        loss = (output - batch.y).square()
    return (batch.weight * loss.reshape(batch.num_graphs, -1).mean(1)).sum() / batch.weight.sum()


def _schedule(options: TrainingOptions, n_steps: int):
    if options.schedule == "constant":
        return lambda step: 1.0
    warm = max(1, round(options.warmup * n_steps))
    fall = lambda step: 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, n_steps - warm)))  # noqa: E731
    return lambda step: step / warm if step < warm else fall(step)


def train(build, data: Data, options: TrainingOptions, seeds: list[int], checkpoints: list[Path], name: str) -> list:
    """Train one network per seed; an Outcome and the exception that ended it, or None, for each.

    `build()` gives a network with weights from torch's random state; `checkpoints` has one path per seed.
    """
    device = select_device(options.device)
    torch.set_default_dtype(getattr(torch, options.precision))
    outcomes, graphs = [], {}
    for seed, path in zip(seeds, checkpoints, strict=True):
        torch.manual_seed(seed)
        network = build()
        for part in ("train", "validation"):
            if part not in graphs:
                graphs[part] = _graphs(network, getattr(data, part), options.precision)
        outcome = Outcome(named_arrays(network), device=device_name(device))
        monitor = Monitor(options, data.statistics.residual_scale, f"{name} seed {seed}")
        try:
            Run(network.to(device), graphs, data, options, monitor, path, seed).train(outcome)
            outcomes.append((outcome, None))
        except Exception as error:  # recorded as a row: a failed run is a result
            outcome.history = monitor.history
            outcomes.append((outcome, error))
    return outcomes


class Run:
    """One training: the network, its moving average, the optimiser and where they stand."""

    def __init__(
        self, network, graphs: dict, data: Data, options: TrainingOptions, monitor: Monitor, path: Path, seed: int
    ):
        self.network, self.average, self.best = network, copy.deepcopy(network), copy.deepcopy(network)
        self.graphs, self.data, self.options, self.monitor, self.path = graphs, data, options, monitor, path
        self.device = next(network.parameters()).device
        self.n_batches = max(1, len(graphs["train"]) // options.batch_size)
        rate = {"lr": options.learning_rate, "weight_decay": options.weight_decay}
        self.optimiser = torch.optim.AdamW(network.parameters(), **rate)
        self.schedule, self.step = _schedule(options, options.epochs * self.n_batches), 0
        self.generator = torch.Generator().manual_seed(seed)
        mark = (data.train.target, data.train.inputs["position"], vars(options), seed)
        self.mark = checkpoint.fingerprint(*mark, *named_arrays(network).values())

    def train(self, outcome: Outcome) -> None:
        """Run the epochs that are left, and fill in the outcome."""
        first, begin = self._resume(), time.perf_counter()
        saved_at = begin
        for epoch in range(first, self.options.epochs):
            train_loss = self._epoch()
            if self.monitor.record(epoch, train_loss, self._validate()):
                self.best.load_state_dict(self.average.state_dict())
            if self.monitor.stalled():
                break
            if time.perf_counter() - saved_at > self.options.checkpoint_seconds:
                self._save(epoch)
                saved_at = time.perf_counter()
        outcome.history, outcome.seconds = self.monitor.history, time.perf_counter() - begin
        n_frames = (len(self.monitor.history) - first) * self.n_batches * self.options.batch_size
        outcome.frames_per_second = n_frames / max(outcome.seconds, 1e-9)
        outcome.trained = named_arrays(self.best)
        self.path.unlink(missing_ok=True)

    def _epoch(self) -> float:
        order, total = torch.randperm(len(self.graphs["train"]), generator=self.generator).tolist(), 0.0
        for b in range(self.n_batches):
            chosen = order[b * self.options.batch_size : (b + 1) * self.options.batch_size]
            batch = Batch.from_data_list([self.graphs["train"][i] for i in chosen]).to(self.device)
            if self.data.augmentation == "rotation":
                n_scalars = self.data.train.inputs.get("scalar", np.zeros((1, 1, 0))).shape[-1]
                _rotate(batch, self.generator, n_scalars)
            loss = _loss(self.network, batch, self.options.huber)
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)
            for group in self.optimiser.param_groups:
                group["lr"] = self.options.learning_rate * self.schedule(self.step)
            self.optimiser.step()
            self.step += 1
            with torch.no_grad():
                for a, w in zip(self.average.parameters(), self.network.parameters(), strict=True):
                    a.lerp_(w, 1 - self.options.ema)
            total += loss.item()
        return total / self.n_batches

    @torch.no_grad()
    def _validate(self) -> float:
        return _loss(self.average, Batch.from_data_list(self.graphs["validation"]).to(self.device)).item()

    def _state(self) -> dict[str, torch.nn.Module]:
        return {"network": self.network, "average": self.average, "best": self.best}

    def _save(self, epoch: int) -> None:
        arrays = {f"{k}/{n}": v for k, module in self._state().items() for n, v in named_arrays(module).items()}
        moments = self.optimiser.state_dict()["state"]
        arrays |= {f"moment/{i}/{k}": v.cpu().numpy() for i, state in moments.items() for k, v in state.items()}
        arrays["generator"] = self.generator.get_state().numpy()
        m = self.monitor
        progress = {"best": m.best, "best_epoch": m.best_epoch, "history": m.history, "fingerprint": self.mark}
        checkpoint.save(self.path, arrays, {"epoch": epoch, "step": self.step, **progress})

    def _resume(self) -> int:
        if (saved := checkpoint.load(self.path, self.mark)) is None:
            return 0
        arrays, progress = saved
        for key, module in self._state().items():
            set_arrays(module, {n: arrays[f"{key}/{n}"] for n in named_arrays(module)})
        state = self.optimiser.state_dict()
        for name in (n for n in arrays if n.startswith("moment/")):
            _, i, key = name.split("/")
            state["state"].setdefault(int(i), {})[key] = torch.as_tensor(arrays[name])
        self.optimiser.load_state_dict(state)
        self.generator.set_state(torch.as_tensor(arrays["generator"]))
        self.step, m = progress["step"], self.monitor
        m.best, m.best_epoch, m.history = progress["best"], progress["best_epoch"], progress["history"]
        return progress["epoch"] + 1

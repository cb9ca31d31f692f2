"""The e3nn network of the trajectory chapter, trained as printed, and its symmetry measured on real
frames.

Network: `gate_points_2101` of e3nn (Geiger and Smidt, arXiv:2207.09453), one displacement vector
per point. Training: batches of one frame in time order, Adam (Kingma and Ba, arXiv:1412.6980) with
a rate of 1e-4, 16 epochs.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from e3nn import o3
from e3nn.nn.models.gate_points_2101 import Network
from scipy.spatial.transform import Rotation
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from equitraj.chapter.data import equivariance_errors, flat_errors, mean_squared_error, pairs

EPOCHS = 16
RATE = 1e-4
AUDIT_SAMPLES = 64
"""Validation frames, evenly spread, on which the symmetry is measured; each meets its own transformations."""

# The chapter's random points: jax.random.normal(PRNGKey(58), (12, 3)) in JAX's older layout of
# random bits (jax_threefry_partitionable off). Written out, so that training does not need JAX.
POINTS_KEY_58 = np.array(
    [
        [0.39276737, 1.3960464, -0.846164],
        [1.1527625, -0.03593847, 2.072768],
        [-0.7846135, -1.1327829, -0.20942006],
        [-0.8562825, 2.0523338, -1.1967663],
        [-2.860617, -0.045457613, -2.271312],
        [0.69724643, -0.6388498, -0.22717427],
        [0.33991, 0.69855326, 0.3807486],
        [-1.3667852, 0.8840939, 0.32228896],
        [-0.7954085, -0.71495956, 0.16712815],
        [1.7837515, -1.1809826, -0.17473738],
        [1.9958864, -0.36737686, -1.1814376],
        [0.6194707, -0.8364191, 1.3911272],
    ],
    dtype=np.float32,
)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Build within this: e3nn fixes its constants in torch's default type at the moment of
    building."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def build(dtype: torch.dtype = torch.float32) -> Network:
    """The chapter's network with its hyperparameters, freshly initialised; parameters and constants
    of type `dtype`."""
    with default_dtype(dtype):
        return Network(
            irreps_in=None,
            irreps_hidden=o3.Irreps("5x0e + 5x0o + 5x1e + 5x1o"),
            irreps_out="1x1o",
            irreps_node_attr=None,
            irreps_edge_attr=o3.Irreps.spherical_harmonics(3),
            layers=3,
            max_radius=3.5,
            number_of_basis=10,
            radial_layers=1,
            radial_neurons=128,
            num_neighbors=11,
            num_nodes=12,
            reduce_output=False,
        )


def displacer(network: Network, dtype: torch.dtype = torch.float32) -> Callable:
    """The function from frames (B, N, 3) to displacements to the next frames (B, N, 3), NumPy
    float64 in and out.

    With another `dtype` the weights are copied into a network built for it. One frame at a time:
    the network's own neighbour search compares all points of a batch with each other.
    """
    if dtype != torch.float32:
        weights, network = network.state_dict(), build(dtype)
        own = network.state_dict()
        parameters = {name for name, _ in network.named_parameters()}
        network.load_state_dict(
            {name: weights[name].to(dtype) if name in parameters else own[name] for name in own}
        )

    def displace(frames: np.ndarray) -> np.ndarray:
        with torch.no_grad(), default_dtype(dtype):
            tensors = torch.from_numpy(np.ascontiguousarray(frames)).to(dtype)
            return torch.stack([network({"pos": frame}) for frame in tensors]).double().numpy()

    return displace


def batches(frames: np.ndarray, labels: np.ndarray) -> DataLoader:
    """Batches of one frame in time order: positions and displacements to the next frame, float32,
    no features."""
    position = torch.from_numpy(frames).float()
    displacement = torch.from_numpy(labels - frames).float()
    graphs = [Data(x=None, pos=p, y=d) for p, d in zip(position, displacement, strict=True)]
    return DataLoader(graphs, batch_size=1, shuffle=False)


def train_epoch(
    network: Network, optimizer: torch.optim.Optimizer, loader: DataLoader
) -> np.ndarray:
    """One pass over `loader`; returns the displacements (B, N, 3) as predicted just before each
    step."""
    collected = []
    for batch in loader:
        prediction = network(batch)
        loss = torch.mean((prediction - batch.y) ** 2)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        collected.append(prediction.detach().numpy())
    return np.stack(collected)


def validate(network: Network, loader: DataLoader) -> tuple[np.ndarray, float]:
    """Displacements (B, N, 3) predicted for `loader`, and the mean over its frames of their squared
    error."""
    with torch.no_grad():
        collected = [(network(batch), batch.y) for batch in loader]
    losses = [torch.mean((prediction - value) ** 2).item() for prediction, value in collected]
    return np.stack([prediction.numpy() for prediction, _ in collected]), float(np.mean(losses))


def train(
    position: np.ndarray, n_train: int, epochs: int, seed: int
) -> tuple[Network, dict[str, np.ndarray]]:
    """Train on the first `n_train` pairs of `position` (T, N, 3), validate on the others; progress
    goes to stderr."""
    torch.set_num_threads(1)  # the tensors are too small to be worth sharing
    torch.manual_seed(seed)
    network = build()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    frames, labels = pairs(position)
    train_batches = batches(frames[:n_train], labels[:n_train])
    validation_batches = batches(frames[n_train:], labels[n_train:])
    begin, losses = time.perf_counter(), []
    for epoch in range(1, epochs + 1):
        train_displacement = train_epoch(network, optimizer, train_batches)
        validation_displacement, loss = validate(network, validation_batches)
        losses.append(loss)
        seconds = time.perf_counter() - begin
        print(
            f"epoch {epoch}/{epochs}: validation loss {loss:.4g}, {seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    return network, {
        "validation_loss": np.array(losses),
        "train_prediction": frames[:n_train] + train_displacement,
        "validation_prediction": frames[n_train:] + validation_displacement,
    }


def chapter_rotation_test(displace: Callable) -> dict[str, np.ndarray]:
    """The chapter's test: its random points turned by 80 degrees about x before the network, or its
    output after it."""
    turn = Rotation.from_euler("x", 80, degrees=True).as_matrix().T
    points = POINTS_KEY_58.astype(float)
    first, last = displace((points @ turn)[None])[0], displace(points[None])[0] @ turn
    difference = mean_squared_error(last, first)
    return {
        "rotated_first": first,
        "rotated_last": last,
        "rotation_difference": difference,
        "rotation_difference_relative": np.sqrt(difference / np.mean(last**2)),
    }


def audit(trained: Network, initial: Network, frames: np.ndarray) -> dict[str, float]:
    """Errors under each generator of the trained and the initial weights, in float32 and float64."""
    errors = {}
    for weights, network in (("trained", trained), ("initial", initial)):
        for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
            errors |= flat_errors(
                equivariance_errors(displacer(network, dtype), frames), f"{weights}_{name}"
            )
    return errors


def run(
    position: np.ndarray, n_train: int, epochs: int = EPOCHS, seed: int = 0
) -> dict[str, np.ndarray | float]:
    """Everything that the chapter shows of its network and what it leaves out, as named arrays and
    scalars.

    `extrapolated` starts from the last true frame, as the chapter's baseline does;
    `extrapolated_chapter` from the network's own prediction of that frame, as the chapter's network
    does.
    """
    network, result = train(position, n_train, epochs, seed)
    displace = displacer(network)
    torch.manual_seed(seed)
    frames = position[n_train:-1]
    chosen = frames[np.linspace(0, len(frames) - 1, min(AUDIT_SAMPLES, len(frames))).astype(int)]
    result |= chapter_rotation_test(displace) | audit(network, build(), chosen)
    for name, last in (
        ("extrapolated", position[-1]),
        ("extrapolated_chapter", result["validation_prediction"][-1]),
    ):
        result[name] = last + displace(last[None])[0]
    result["validation_mse"] = mean_squared_error(
        position[n_train + 1 :], result["validation_prediction"]
    )
    result["weights"] = torch.nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
    result["n_parameters"] = sum(p.numel() for p in network.parameters())
    return result | {
        "n_train": n_train,
        "epochs": epochs,
        "seed": seed,
        "audit_samples": len(chosen),
    }

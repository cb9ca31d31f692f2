"""The e3nn network of the trajectory chapter, trained as printed, and its symmetry on real frames.

Network: `gate_points_2101` of e3nn (Geiger and Smidt, arXiv:2207.09453), one displacement vector
per point. Training: batches of one frame in time order, Adam (Kingma and Ba, arXiv:1412.6980) with
a learning rate of 1e-4, 16 epochs.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from e3nn import o3
from e3nn.nn.models.gate_points_2101 import Network
from scipy.spatial.transform import Rotation
from torch.nn.utils import parameters_to_vector
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from equitraj.chapter.data import (
    Displacer,
    equivariance_errors,
    flat_errors,
    mean_squared_error,
    pairs,
)

EPOCHS = 16
RATE = 1e-4
AUDIT_SAMPLES = 64
"""Validation frames, evenly spread, on which the symmetry is measured."""

Results = dict[str, np.ndarray | float]

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
    """Set torch's default type, in which e3nn stores its constants when a network is built."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def build(dtype: torch.dtype = torch.float32) -> Network:
    """The chapter's network, initialised; its parameters and constants are of type `dtype`."""
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


def _converted(network: Network, dtype: torch.dtype) -> Network:
    """A network that is built for `dtype`, with the parameters of `network`."""
    weights = network.state_dict()
    converted = build(dtype)
    state = converted.state_dict()
    for name, _ in converted.named_parameters():
        state[name] = weights[name].to(dtype)
    converted.load_state_dict(state)
    return converted


def displacer(network: Network, dtype: torch.dtype = torch.float32) -> Displacer:
    """The displacements to the next frames that a network predicts, NumPy float64 in and out.

    With another `dtype` the weights are copied into a network that is built for it. The network
    sees one frame at a time: its neighbour search compares all points of a batch with each other.
    """
    if dtype != torch.float32:
        network = _converted(network, dtype)

    @torch.no_grad()
    def displace(frames: np.ndarray) -> np.ndarray:
        contiguous = np.ascontiguousarray(frames)
        with default_dtype(dtype):
            tensors = torch.from_numpy(contiguous).to(dtype)
            displacements = [network({"pos": frame}) for frame in tensors]
            stacked = torch.stack(displacements)
            return stacked.double().numpy()

    return displace


def batches(frames: np.ndarray, labels: np.ndarray) -> DataLoader:
    """Batches of one frame in time order.

    Each has the positions and the displacements to the next frame, in float32, and no features.
    """
    position = torch.from_numpy(frames).float()
    displacement = torch.from_numpy(labels - frames).float()
    graphs = []
    for p, d in zip(position, displacement, strict=True):
        graphs.append(Data(x=None, pos=p, y=d))
    return DataLoader(graphs, batch_size=1, shuffle=False)


def train_epoch(
    network: Network, optimizer: torch.optim.Optimizer, loader: DataLoader
) -> np.ndarray:
    """One pass over `loader`; returns the displacements (B, N, 3) predicted before each step."""
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
    """Displacements (B, N, 3) predicted for `loader`, and their mean squared error."""
    collected = []
    losses = []
    for batch in loader:
        with torch.no_grad():
            prediction = network(batch)
        loss = torch.mean((prediction - batch.y) ** 2)
        losses.append(loss.item())
        collected.append(prediction.numpy())
    return np.stack(collected), float(np.mean(losses))


def train(
    position: np.ndarray, n_train: int, epochs: int, seed: int
) -> tuple[Network, dict[str, np.ndarray]]:
    """Train on the first `n_train` pairs of `position` (T, N, 3), validate on the others.

    Progress goes to stderr.
    """
    torch.set_num_threads(1)  # the tensors are too small to benefit from several threads
    torch.manual_seed(seed)
    network = build()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    frames, labels = pairs(position)
    train_frames = frames[:n_train]
    validation_frames = frames[n_train:]
    train_batches = batches(train_frames, labels[:n_train])
    validation_batches = batches(validation_frames, labels[n_train:])
    begin = time.perf_counter()
    losses = []
    for epoch in range(1, epochs + 1):
        train_displacement = train_epoch(network, optimizer, train_batches)
        validation_displacement, loss = validate(network, validation_batches)
        losses.append(loss)
        seconds = time.perf_counter() - begin
        message = f"epoch {epoch}/{epochs}: validation loss {loss:.4g}, {seconds:.0f} s"
        print(message, file=sys.stderr, flush=True)
    return network, {
        "validation_loss": np.array(losses),
        "train_prediction": train_frames + train_displacement,
        "validation_prediction": validation_frames + validation_displacement,
    }


def chapter_rotation_test(displace: Displacer) -> Results:
    """The chapter's test on its random points, rotated before or after the network.

    The rotation is by 80 degrees about x.
    """
    turn = Rotation.from_euler("x", 80, degrees=True).as_matrix().T
    points = POINTS_KEY_58.astype(float)
    turned = points @ turn
    (first,) = displace(turned[None])
    (output,) = displace(points[None])
    last = output @ turn
    difference = mean_squared_error(last, first)
    return {
        "rotated_first": first,
        "rotated_last": last,
        "rotation_difference": difference,
        "rotation_difference_relative": np.sqrt(difference / np.mean(last**2)),
    }


def audit(trained: Network, initial: Network, frames: np.ndarray) -> dict[str, float]:
    """Errors of the trained and the initial weights for each generator, in float32 and float64."""
    networks = {"trained": trained, "initial": initial}
    flat: dict[str, float] = {}
    for weights, network in networks.items():
        for name in ("float32", "float64"):
            displace = displacer(network, getattr(torch, name))
            errors = equivariance_errors(displace, frames)
            suffix = f"{weights}_{name}"
            flat |= flat_errors(errors, suffix)
    return flat


def run(position: np.ndarray, n_train: int, epochs: int = EPOCHS, seed: int = 0) -> Results:
    """The chapter's results for its network and the ones that it omits, by name.

    `extrapolated` starts from the last true frame, as the chapter's baseline does.
    `extrapolated_chapter` starts from the network's own prediction of the last frame, as the
    chapter's network does.
    """
    network, trained = train(position, n_train, epochs, seed)
    displace = displacer(network)
    torch.manual_seed(seed)
    frames = position[n_train:-1]
    n_chosen = min(AUDIT_SAMPLES, len(frames))
    chosen = frames[np.linspace(0, len(frames) - 1, n_chosen).astype(int)]
    result: Results = {
        **trained,
        **chapter_rotation_test(displace),
        **audit(network, build(), chosen),
    }
    prediction = trained["validation_prediction"]
    starts = {"extrapolated": position[-1], "extrapolated_chapter": prediction[-1]}
    for name, last in starts.items():
        (displacement,) = displace(last[None])
        result[name] = last + displacement
    result["validation_mse"] = mean_squared_error(position[n_train + 1 :], prediction)
    weights = parameters_to_vector(network.parameters()).detach().numpy()
    result["weights"] = weights
    result["n_parameters"] = len(weights)
    return result | {
        "n_train": n_train,
        "epochs": epochs,
        "seed": seed,
        "audit_samples": n_chosen,
    }

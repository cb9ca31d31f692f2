"""Physical quantities in a rollout compared with the truth: bond lengths, extent, energy, momenta.

Velocities are central differences of positions, for the truth and for predictions, so that both
have the same error where the motion between frames is not straight.
"""

from collections.abc import Callable
from functools import partial
from operator import itemgetter

import numpy as np
from scipy.stats import wasserstein_distance

from equitraj.data.sources.simulated import Simulated, simulated
from equitraj.data.tasks import time_step
from equitraj.data.trajectory import Trajectory, features_at

COLUMNS = ("quantity", "step", "predicted", "truth", "distance")
CHECKED = 12  # steps, evenly spaced in the logarithm
Shapes = dict[str, Callable[[np.ndarray], np.ndarray]]
Motions = dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]


def checked_steps(steps: int) -> set[int]:
    """Return at most `CHECKED` steps from 1 to `steps`."""
    spaced = np.geomspace(1, steps, CHECKED)
    return set(spaced.round().astype(int).tolist())


def shapes(trajectory: Trajectory) -> Shapes:
    """Return functions of positions (S, N, 3): bond lengths (S, M) and extent (S, 1).

    The extent is left out where there is a box.
    """
    functions: Shapes = {}
    bonds = trajectory.bonds
    if bonds is not None and len(bonds):
        functions["bond_length"] = partial(_bond_length, bonds)
    if not _is_periodic(trajectory):
        weight = _fixed_mass(trajectory)
        if weight is None:
            n_points = trajectory.position.shape[1]
            weight = np.ones(n_points)
        functions["radius_of_gyration"] = partial(_radius_of_gyration, weight)
    return functions


def _bond_length(bonds: np.ndarray, x: np.ndarray) -> np.ndarray:
    begin, end = bonds.T
    bond = x[:, end] - x[:, begin]
    return np.linalg.norm(bond, axis=-1)


def _radius_of_gyration(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    offset = _centred(x, weight)
    squared = np.square(offset)
    mean = _mean(squared, weight)
    squared_radius = mean.sum(-1)
    return np.sqrt(squared_radius)


def motions(trajectory: Trajectory, starts: np.ndarray) -> Motions:
    """Return functions of positions and velocities (S, N, 3) that a closed system conserves.

    They give numbers (S, C) for rollouts from frames `starts` (S,). Energy needs a system with a
    function for it, momenta need masses, and angular momentum (about the centre of mass) needs a
    system without a box.
    """
    functions: Motions = {}
    system = simulated(trajectory)
    if system and system.can("energy"):
        features = features_at(trajectory, starts)
        functions["energy"] = partial(_energy, system, features)
    mass = _fixed_mass(trajectory)
    if mass is not None:
        functions["momentum"] = partial(_momentum, mass)
        if not _is_periodic(trajectory):
            functions["angular_momentum"] = partial(_angular_momentum, mass)
    return functions


def _energy(system: Simulated, features: dict, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    energy = system.energy(x, v, features)
    return energy[:, None]


def _momentum(mass: np.ndarray, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.einsum("n,sni->si", mass, v)


def _angular_momentum(mass: np.ndarray, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    lever = _centred(x, mass)
    return _momentum(mass, x, np.cross(lever, v))


def _is_periodic(trajectory: Trajectory) -> bool:
    if trajectory.box is None:
        return False
    return bool(np.any(trajectory.box[:1]))


def _fixed_mass(trajectory: Trajectory) -> np.ndarray | None:
    """Return masses (N,), None where they are unknown or change."""
    mass = trajectory.mass
    if mass is None or mass.ndim != 1:
        return None
    return mass


def _mean(value: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted mean over the points, (S, 1, 3) from (S, N, 3)."""
    mean = np.average(value, axis=1, weights=weight)
    return mean[:, None]


def _centred(position: np.ndarray, weight: np.ndarray) -> np.ndarray:
    centre = _mean(position, weight)
    return position - centre


class Physics:
    """Takes in a rollout step by step (`add`), and compares it with the truth (`rows`).

    Drifts are changes since the true start: signed for the energy, lengths of vectors for momenta.

    Args:
        trajectory: the truth.
        starts: (S,) its frames where rollouts start.
        lag: frames in a step.
        steps: number of steps in the rollout.
    """

    def __init__(self, trajectory: Trajectory, starts: np.ndarray, lag: int, steps: int) -> None:
        self.checked = checked_steps(steps)
        self.step = 0
        self.compared: list[dict] = []
        self.shapes = shapes(trajectory)
        self.last: list[np.ndarray] = []
        self.bond = np.nan
        if len(starts):
            true_start = trajectory.position[starts]
            self.last.append(np.stack([true_start, true_start]))
            if "bond_length" in self.shapes:
                lengths = self.shapes["bond_length"](true_start)
                self.bond = float(lengths.mean())
        self.passed = np.full(len(starts), np.inf)
        self._start_motion(trajectory, starts, lag)

    def _start_motion(self, trajectory: Trajectory, starts: np.ndarray, lag: int) -> None:
        """Compute the true energy and momenta at the starts that have an earlier frame."""
        episode = trajectory.episode
        before = np.maximum(starts - lag, 0)
        self.moving = (starts >= lag) & (episode[before] == episode[starts])
        now = starts[self.moving]
        self.motions = motions(trajectory, now) if len(now) else {}
        self.interval = lag * time_step(trajectory)
        if self.motions:
            around = [trajectory.position[now + shift] for shift in (-lag, 0, lag)]
            state = self._state(around)
            self.first = {name: motion(*state) for name, motion in self.motions.items()}

    def _state(self, around: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return positions and velocities in the middle of three successive frames."""
        before, now, after = around
        time = 2 * self.interval
        velocity = (after - before) / time
        return now, velocity

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Take in predicted and true positions (S, N, 3) of the next step."""
        self.step += 1
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            squared = np.square(predicted - truth).sum(-1)
            distance = np.sqrt(squared.mean(-1))
            is_far = ~(distance <= self.bond)
            self.passed[is_far & np.isinf(self.passed)] = self.step
            if not np.isfinite(distance).all():
                return
            self.last = [*self.last[-2:], np.stack([predicted, truth])]
            if self.step in self.checked:
                for name, shape in self.shapes.items():
                    self._compare(name, self.step, shape(predicted), shape(truth))
            if self.step - 1 in self.checked:
                self._compare_motion(self.step - 1)

    def _compare_motion(self, step: int) -> None:
        if not self.motions:
            return
        of_prediction = self._moving_state(0)
        of_truth = self._moving_state(1)
        for name, motion in self.motions.items():
            value = motion(*of_prediction)
            predicted = self._drift(name, value)
            true_value = motion(*of_truth)
            truth = self._drift(name, true_value)
            self._compare(f"{name}_drift", step, predicted, truth)

    def _moving_state(self, which: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the state of the prediction (0) or of the truth (1) at the last step but one."""
        around = [frames[which, self.moving] for frames in self.last]
        return self._state(around)

    def _drift(self, name: str, value: np.ndarray) -> np.ndarray:
        drift = value - self.first[name]
        if name == "energy":
            return drift
        return np.linalg.norm(drift, axis=-1)

    def _compare(self, quantity: str, step: int, predicted: np.ndarray, truth: np.ndarray) -> None:
        if not np.isfinite(predicted).all():
            return
        distance = wasserstein_distance(predicted.ravel(), truth.ravel())
        row = {
            "quantity": quantity,
            "step": step,
            "predicted": float(predicted.mean()),
            "truth": float(truth.mean()),
            "distance": float(distance),
        }
        self.compared.append(row)

    def rows(self) -> list[dict]:
        """Return a row per quantity and checked step, which compares prediction and truth.

        It has their means and the Wasserstein-1 distance between them. `steps_to_bond_length` is
        the median over starts of the first step at which the root mean square distance of the
        points from their true positions exceeds the mean bond length, None where it does not within
        `step` steps.
        """
        order = itemgetter("quantity", "step")
        rows = sorted(self.compared, key=order)
        if self.step and np.isfinite(self.bond):
            row = {"quantity": "steps_to_bond_length", "step": self.step, "predicted": None}
            median = float(np.median(self.passed))
            if np.isfinite(median):
                row["predicted"] = median
            rows.append(row)
        return rows

"""What is left of the physics in a rollout: lengths of bonds, extent, energy, momenta, each beside
the truth's own.

Velocities are central differences of positions, for the truth as for predictions, so that both are
off alike where the motion between frames is not straight.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import wasserstein_distance

from equitraj.data.sources.simulated import simulated
from equitraj.data.tasks import time_step
from equitraj.data.trajectory import Trajectory, features_at

COLUMNS = ("quantity", "step", "predicted", "truth", "distance")
CHECKED = 12  # steps, spread evenly in the logarithm
Shapes = dict[str, Callable[[np.ndarray], np.ndarray]]
Motions = dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]


def checked_steps(steps: int) -> set[int]:
    """At most `CHECKED` steps from 1 to `steps`."""
    return set(np.geomspace(1, steps, CHECKED).round().astype(int).tolist())


def shapes(trajectory: Trajectory) -> Shapes:
    """Functions of positions (S, N, 3): lengths of bonds (S, M), and, where there is no box, the
    extent (S, 1)."""
    found: Shapes = {}
    if (bonds := trajectory.bonds) is not None and len(bonds):
        found["bond_length"] = lambda x: np.linalg.norm(
            x[:, bonds[:, 1]] - x[:, bonds[:, 0]], axis=-1
        )
    if not _is_periodic(trajectory):
        mass = _fixed_mass(trajectory)
        weight = np.ones(trajectory.position.shape[1]) if mass is None else mass
        found["radius_of_gyration"] = lambda x: np.sqrt(
            _mean(np.square(_centred(x, weight)), weight).sum(-1)
        )
    return found


def motions(trajectory: Trajectory, starts: np.ndarray) -> Motions:
    """Functions of positions and velocities (S, N, 3), of rollouts from frames `starts` (S,), that
    give (S, C) numbers which a closed system conserves.

    Energy needs a system that tells it, momenta need masses, and angular momentum (about the centre
    of mass) no box.
    """
    found: Motions = {}
    if (system := simulated(trajectory)) and system.can("energy"):
        features = features_at(trajectory, starts)
        found["energy"] = lambda x, v: system.energy(x, v, features)[:, None]
    if (mass := _fixed_mass(trajectory)) is not None:
        found["momentum"] = lambda x, v: np.einsum("n,sni->si", mass, v)
        if not _is_periodic(trajectory):
            found["angular_momentum"] = lambda x, v: np.einsum(
                "n,sni->si", mass, np.cross(_centred(x, mass), v)
            )
    return found


def _is_periodic(trajectory: Trajectory) -> bool:
    return trajectory.box is not None and bool(np.any(trajectory.box[:1]))


def _fixed_mass(trajectory: Trajectory) -> np.ndarray | None:
    """Masses (N,), None where they are unknown or change."""
    return trajectory.mass if trajectory.mass is not None and trajectory.mass.ndim == 1 else None


def _mean(value: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean over the points, (S, 1, 3) of (S, N, 3)."""
    return np.average(value, axis=1, weights=weight)[:, None]


def _centred(position: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return position - _mean(position, weight)


class Physics:
    """Takes in a rollout step by step (`add`), and says what it found (`rows`).

    Drifts are changes since the true start: signed for the energy, lengths of vectors for momenta.

    Args:
        trajectory: the truth; starts: (S,) its frames where rollouts start; lag: frames in a step;
        steps: to come.
    """

    def __init__(self, trajectory: Trajectory, starts: np.ndarray, lag: int, steps: int) -> None:
        self.checked, self.step, self.found = checked_steps(steps), 0, []
        self.shapes = shapes(trajectory)
        self.last = [] if not len(starts) else [np.stack([trajectory.position[starts]] * 2)]
        self.bond = np.nan
        if len(starts) and "bond_length" in self.shapes:
            self.bond = float(self.shapes["bond_length"](self.last[0][0]).mean())
        self.passed = np.full(len(starts), np.inf)
        self._start_motion(trajectory, starts, lag)

    def _start_motion(self, trajectory: Trajectory, starts: np.ndarray, lag: int) -> None:
        """The true energy and momenta at the starts that a frame of their episode comes before."""
        episode, before = trajectory.episode, np.maximum(starts - lag, 0)
        self.moving = (starts >= lag) & (episode[before] == episode[starts])
        self.motions = motions(trajectory, starts[self.moving]) if self.moving.any() else {}
        self.interval = lag * time_step(trajectory)
        if self.motions:
            now = starts[self.moving]
            around = [trajectory.position[now + shift] for shift in (-lag, 0, lag)]
            self.first = {
                name: motion(*self._state(around)) for name, motion in self.motions.items()
            }

    def _state(self, around: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities in the middle of three successive frames."""
        before, now, after = around
        return now, (after - before) / (2 * self.interval)

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Take in predicted and true positions (S, N, 3) of the next step."""
        self.step += 1
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            distance = np.sqrt(np.square(predicted - truth).sum(-1).mean(-1))
            self.passed[~(distance <= self.bond) & np.isinf(self.passed)] = self.step
            if not np.isfinite(distance).all():
                return
            self.last = [*self.last[-2:], np.stack([predicted, truth])]
            if self.step in self.checked:
                for name, shape in self.shapes.items():
                    self._row(name, self.step, shape(predicted), shape(truth))
            if self.step - 1 in self.checked:
                self._motion(self.step - 1)

    def _motion(self, step: int) -> None:
        for name, motion in self.motions.items():
            now = [
                motion(*self._state([frames[which, self.moving] for frames in self.last]))
                for which in (0, 1)
            ]
            drift = [value - self.first[name] for value in now]
            if name != "energy":
                drift = [np.linalg.norm(value, axis=-1) for value in drift]
            self._row(f"{name}_drift", step, *drift)

    def _row(self, quantity: str, step: int, predicted: np.ndarray, truth: np.ndarray) -> None:
        if np.isfinite(predicted).all():
            means = {"predicted": float(predicted.mean()), "truth": float(truth.mean())}
            distance = float(wasserstein_distance(predicted.ravel(), truth.ravel()))
            self.found.append({"quantity": quantity, "step": step} | means | {"distance": distance})

    def rows(self) -> list[dict]:
        """A row per quantity and checked step: means of prediction and truth, the Wasserstein-1
        distance between them.

        `steps_to_bond_length` is the median over starts of the first step at which the root mean
        square distance of the points from their true places exceeds the mean length of a bond, None
        where it does not within `step` steps.
        """
        rows = sorted(self.found, key=lambda row: (row["quantity"], row["step"]))
        if self.step and np.isfinite(self.bond):
            median = float(np.median(self.passed))
            within = {"quantity": "steps_to_bond_length", "step": self.step}
            rows.append(within | {"predicted": median if np.isfinite(median) else None})
        return rows

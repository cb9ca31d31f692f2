"""What decides errors on charged bodies: the true law in fewer steps, and cut off in a way that
knows no axes.

python tests/benchmarks/encounters.py

Mean, median and greatest square error on 2,000 simulations of the task `nbody`. The published
simulation cuts off each component of a force at 100, which depends on the axes; a
rotation-equivariant law can only limit lengths.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow/scripts"))

from equitraj.data.sources.systems import n_body  # noqa: E402

SIMULATIONS, FRAMES = 2000, 11
FIRST, SECOND = np.triu_indices(5, 1)
JOINED = (np.arange(5)[:, None] == FIRST).astype(float) - (np.arange(5)[:, None] == SECOND)


def moved(
    x: np.ndarray, v: np.ndarray, charge: np.ndarray, steps: int, cut: Callable
) -> np.ndarray:
    """Positions (S, 5, 3) a unit of time later by velocity Verlet; `cut` gives a force on points of
    its true one."""
    strength = charge[:, FIRST] * charge[:, SECOND]

    def force(x: np.ndarray) -> np.ndarray:
        apart = x[:, FIRST] - x[:, SECOND]
        size = strength / np.linalg.norm(apart, axis=-1) ** 3
        return cut(np.einsum("np,spa->sna", JOINED, size[..., None] * apart))

    v = v + 0.0005 * force(x)  # recorded velocities are half a step of the simulation behind
    now = force(x)
    for _ in range(steps):
        v = v + now / (2 * steps)
        x = x + v / steps
        now = force(x)
        v = v + now / (2 * steps)
    return x


def by_axis(force: np.ndarray) -> np.ndarray:
    """Each component at most 100, as published."""
    return np.clip(force, -100, 100)


def by_length(most: float) -> Callable:
    """Forces of at most a length, along their own directions."""

    def cut(force: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(force, axis=-1, keepdims=True)
        return force * np.minimum(1, most / length)

    return cut


def main() -> None:
    made = n_body.simulate(n_body.Options(episodes=SIMULATIONS), SIMULATIONS * FRAMES)
    x, v = (a.reshape(SIMULATIONS, FRAMES, 5, 3) for a in (made.position, made.velocity))
    charge = made.features["charge"].reshape(SIMULATIONS, FRAMES, 5)[:, 0]
    cases = [("by axis, as simulated", by_axis, steps) for steps in (20, 50, 100, 200, 500, 1000)]
    cases += [(f"by length, {most}", by_length(most), 1000) for most in (100, 115, 130, 150, 170)]
    for name, cut, steps in cases:
        error = np.square(moved(x[:, 0], v[:, 0], charge, steps, cut) - x[:, -1]).mean((1, 2))
        found = f"mean {error.mean():.2e}  median {np.median(error):.1e}  max {error.max():.2f}"
        print(f"{steps:5d} steps, {name:22s} {found}")


if __name__ == "__main__":
    main()

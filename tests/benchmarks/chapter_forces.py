"""What moves the chapters' points: accelerations fitted by functions of distances, and of angles
between bonds.

python tests/benchmarks/chapter_forces.py results/data/paths/lifted.h5

Second differences of the positions (Stoermer's method) are fitted by least squares on all frames
but the last 410. The functions are linear between knots: forces along the lines between neighbours,
next neighbours and others, and torques at the angles. Prints what is left on the last frames, as
the mean square error of a step per coordinate, and the angle at which the torque vanishes.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow/scripts"))

from equitraj.data import trajectory  # noqa: E402

HELD_OUT, KNOTS, COORDINATES = 410, 16, 3
USUAL = 1.2, 3.0  # radians, between which angles are often


def hats(value: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """(..., knots): each knot's share of a function that is linear between them."""
    place = np.clip(np.searchsorted(knots, value) - 1, 0, len(knots) - 2)
    share = np.clip((value - knots[place]) / np.diff(knots)[place], 0, 1)
    found = np.zeros((*value.shape, len(knots)))
    np.put_along_axis(found, place[..., None], (1 - share)[..., None], -1)
    np.put_along_axis(found, place[..., None] + 1, share[..., None], -1)
    return found


def of_pairs(x: np.ndarray) -> np.ndarray:
    """(T, N, 2, 3 knots), forces on points (T, N, 2) along the lines to others, by their distance
    in the chain."""
    apart = x[:, :, None] - x[:, None]
    length = np.linalg.norm(apart, axis=-1) + np.eye(x.shape[1])
    steps = np.abs(np.subtract.outer(*[np.arange(x.shape[1])] * 2))
    columns = []
    for kind in (steps == 1, steps == 2, steps >= 3):
        share = (
            hats(length, np.quantile(length[:, kind], np.linspace(0, 1, KNOTS))) * kind[..., None]
        )
        columns.append(np.einsum("tijk,tija->tiak", share, apart / length[..., None]))
    return np.concatenate(columns, axis=-1)


def of_angles(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, N, 2, knots), forces on points of torques at the angles between bonds; and the knots, in
    radians."""
    one, other = x[:, :-2] - x[:, 1:-1], x[:, 2:] - x[:, 1:-1]
    cross = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    angle = np.arctan2(cross, (one * other).sum(-1))

    def across(arm: np.ndarray) -> np.ndarray:
        return np.stack([-arm[..., 1], arm[..., 0]], -1) / np.square(arm).sum(-1, keepdims=True)

    knots = np.linspace(-np.pi, np.pi, 2 * KNOTS + 1)
    share, first, last = hats(angle, knots), -across(one), across(other)
    force = np.zeros((*x.shape, len(knots)))
    for points, gradient in (
        (slice(0, -2), first),
        (slice(2, None), last),
        (slice(1, -1), -first - last),
    ):
        force[:, points] += gradient[..., None] * share[:, :, None]
    return force, knots


def left(columns: list[np.ndarray], acceleration: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean square error on the last frames, and all coefficients."""
    matrix = np.concatenate(columns, axis=-1)
    fitted, held = matrix[:-HELD_OUT], matrix[-HELD_OUT:]
    weights = np.linalg.lstsq(
        fitted.reshape(-1, matrix.shape[-1]), acceleration[:-HELD_OUT].ravel()
    )[0]
    planar = np.square(acceleration[-HELD_OUT:] - held @ weights).mean()
    return planar * 2 / COORDINATES, weights


def main() -> None:
    x = trajectory.read(sys.argv[1]).position[..., :2]
    acceleration, now = np.diff(x, 2, axis=0), x[1:-1]
    variance = np.square(acceleration[-HELD_OUT:]).mean() * 2 / COORDINATES
    pairs = of_pairs(now)
    alone, _ = left([pairs], acceleration)
    angles, knots = of_angles(now)
    both, weights = left([pairs, angles], acceleration)
    often = (knots > USUAL[0]) & (knots < USUAL[1])
    slope, at_zero = np.polyfit(knots[often], weights[-len(knots) :][often], 1)
    print(f"constant velocity {variance:.3g}")
    print(f"functions of distances {alone:.3g}, {100 * alone / variance:.0f} % of it")
    print(f"and of angles {both:.3g}, {100 * both / variance:.1f} % of it")
    print(f"the torque vanishes at {np.degrees(-at_zero / slope):.1f} degrees")


if __name__ == "__main__":
    main()

"""The simulated liquid: its box, its forces written out independently, its temperature, and the
same bits again."""

from dataclasses import replace

import numpy as np
import pytest

from equitraj.data.sources.systems import lennard_jones
from equitraj.data.sources.systems._recording import GAS_CONSTANT
from equitraj.data.sources.systems.lennard_jones import SWITCH, Options, lattice

SHORT = Options(equilibration_steps=500)


@pytest.fixture(scope="module")
def liquid():
    return lennard_jones.simulate(Options(), 100)


def test_it_has_a_box_of_its_density_and_points_that_go_on_outside(liquid):
    assert liquid.position.shape == liquid.velocity.shape == (100, 256, 3)
    np.testing.assert_allclose(liquid.box[0], (256 / 20.71) ** (1 / 3) * np.eye(3))
    assert (liquid.box == liquid.box[0]).all()
    length = liquid.box[0, 0, 0]
    assert (
        np.abs(np.diff(liquid.position, axis=0)).max() < length / 4
    )  # a wrapped point would jump by a whole length
    assert liquid.position.min() < 0 or liquid.position.max() > length


def forces(x: np.ndarray, length: float, options: Options) -> np.ndarray:
    """-dU/dx at points (N, 3): nearest images, and the switch S of OpenMM's manual, 1 - 10 t^3 + 15
    t^4 - 6 t^5."""
    vector = x[:, None] - x[None]
    vector -= length * np.round(vector / length)
    r = np.linalg.norm(vector, axis=-1) + 10 * options.cutoff * np.eye(len(x))
    power = (options.sigma / r) ** 6
    energy, slope = (
        4 * options.epsilon * (power**2 - power),
        -24 * options.epsilon * (2 * power**2 - power) / r,
    )
    start = SWITCH * options.cutoff
    t = np.clip((r - start) / (options.cutoff - start), 0, 1)
    switch, turn = (
        1 - 10 * t**3 + 15 * t**4 - 6 * t**5,
        -(30 * t**2 - 60 * t**3 + 30 * t**4) / (options.cutoff - start),
    )
    pull = -(slope * switch + energy * turn)
    return (pull[..., None] * vector / r[..., None]).sum(1)


def test_pair_forces_across_the_box_predict_far_better_than_constant_velocity():
    """Position Verlet: x(t + 1) = 2 x(t) - x(t - 1) + F(x(t)) dt^2 / m."""
    options = replace(SHORT, stride=2)
    made = lennard_jones.simulate(options, 12)
    x, dt = made.position, options.stride * options.time_step
    force = np.stack([forces(frame, made.box[0, 0, 0], options) for frame in x])
    constant = 2 * x[1:-1] - x[:-2]
    errors = [
        ((x[2:] - p) ** 2).mean() for p in (constant, constant + force[1:-1] * dt**2 / options.mass)
    ]
    # what is left is the next order in the time between frames, and float32 in OpenMM's forces:
    # 0.19 % when measured
    assert errors[1] < 0.005 * errors[0]


def test_temperature_is_that_of_the_bath(liquid):
    scaled = liquid.velocity**2 * 39.95 / (GAS_CONSTANT * 94.4)
    # few frames are independent: the spread of the kinetic energy of 768 degrees at one time is
    # sqrt(2 / 768)
    assert abs(scaled.mean() - 1) < 4 * np.sqrt(2 / 768)


def test_it_is_liquid(liquid):
    x, length = liquid.position[-1], liquid.box[0, 0, 0]
    vector = x[:, None] - x[None]
    r = np.linalg.norm(vector - length * np.round(vector / length), axis=-1) + length * np.eye(256)
    assert r.min() > 0.8 * 0.34  # no two cores overlap
    assert 10 < (r < 1.5 * 0.34).sum(1).mean() < 15  # 12 nearest neighbours in a close packing


def test_same_seed_gives_the_same_bits_and_another_seed_does_not():
    first, again = (lennard_jones.simulate(SHORT, 5) for _ in range(2))
    np.testing.assert_array_equal(first.position, again.position)
    assert not np.allclose(
        first.position, lennard_jones.simulate(replace(SHORT, seed=2), 5).position
    )


def test_a_lattice_holds_any_number_of_points_apart():
    for n in (2, 27, 256, 1000):
        points = lattice(n, 1.0)
        assert len(np.unique(points, axis=0)) == n and points.min() > 0 and points.max() < 1


def test_a_cutoff_of_half_the_box_is_refused():
    with pytest.raises(
        ValueError, match="cutoff 0.85 nm in a box of 1.46 nm; expected less than half"
    ):
        lennard_jones.simulate(Options(points=64), 2)

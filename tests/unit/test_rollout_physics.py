"""Physics in rollouts against closed forms: uniform motion, rotation, growth, and energies of
OpenMM."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from equitraj.data.lift import lift
from equitraj.data.sources.declared import chain_bonds
from equitraj.data.sources.systems import bead_chain, lennard_jones
from equitraj.data.tasks import Sample
from equitraj.data.trajectory import Trajectory
from equitraj.prediction import evaluation, physics

TASK = {"history": 2, "lag": 1}
SPEED = np.array([0.1, -0.2, 0.05])
MASS = np.array([1.0, 2.0, 3.0, 4.0])
STARTS = np.array([10, 20, 25])


class Extrapolation:
    """The last displacement times a factor: 1 is constant velocity, 0 no motion."""

    def __init__(self, factor: float):
        self.factor = factor

    def predict(self, sample: Sample, draw: int = 0) -> np.ndarray:
        return sample.position[:, -1] + self.factor * (
            sample.position[:, -1] - sample.position[:, -2]
        )


class Growth:
    """Points grow apart by a factor in each step."""

    def predict(self, sample: Sample, draw: int = 0) -> np.ndarray:
        newest = sample.position[:, -1]
        return newest.mean(1, keepdims=True) + 1.1 * (newest - newest.mean(1, keepdims=True))


@pytest.fixture(scope="module")
def uniform() -> Trajectory:
    """Four points in uniform motion over 60 frames, 0.5 apart in time."""
    start = np.cumsum(np.random.default_rng(0).normal(size=(4, 3)), axis=0)
    position = start + np.arange(60.0)[:, None, None] * SPEED
    return Trajectory(
        position, np.zeros(60, int), 0.5 * np.arange(60.0), mass=MASS, bonds=chain_bonds(4)
    )


def observed(
    predictor, trajectory: Trajectory, steps: int, starts: np.ndarray = STARTS
) -> dict[str, dict[int, dict]]:
    """Rows of a rollout by quantity and step."""
    watch = physics.Physics(trajectory, starts, 1, steps)
    evaluation.rollout(predictor, trajectory, starts, TASK, steps, watch.add)
    found: dict[str, dict[int, dict]] = {}
    for row in watch.rows():
        found.setdefault(row["quantity"], {})[row["step"]] = row
    return found


def test_a_dozen_steps_are_spread_in_the_logarithm():
    steps = sorted(physics.checked_steps(1000))
    assert len(steps) == 12 and (steps[0], steps[-1]) == (1, 1000)
    assert max(b / a for a, b in zip(steps, steps[1:], strict=False)) <= 2
    assert physics.checked_steps(3) == {1, 2, 3}


def test_the_truth_itself_is_off_by_nothing(uniform):
    found = observed(Extrapolation(1.0), uniform, 20)
    assert {"bond_length", "radius_of_gyration", "momentum_drift", "angular_momentum_drift"} < set(
        found
    )
    for quantity, rows in found.items():
        if quantity != "steps_to_bond_length":
            np.testing.assert_allclose([row["distance"] for row in rows.values()], 0, atol=1e-11)
            np.testing.assert_allclose(
                [r["predicted"] for r in rows.values()],
                [r["truth"] for r in rows.values()],
                atol=1e-12,
            )
    assert "energy_drift" not in found  # nobody knows the forces
    assert found["steps_to_bond_length"][20]["predicted"] is None


def test_what_slows_down_loses_momentum_as_a_geometric_series(uniform):
    """Displacements are halved in each step, and a velocity is the mean of two."""
    rows = observed(Extrapolation(0.5), uniform, 20)["momentum_drift"]
    momentum = MASS.sum() * np.linalg.norm(SPEED) / 0.5
    for step, row in rows.items():
        assert row["predicted"] == pytest.approx(momentum * (1 - 0.75 * 0.5**step))
        assert row["truth"] == pytest.approx(0, abs=1e-10) and row["distance"] == pytest.approx(
            row["predicted"]
        )
    assert max(rows) < 20  # a central difference needs one step more


def test_momenta_are_those_of_the_time_that_a_step_of_many_frames_takes(uniform):
    """As above with steps of three frames, and recorded velocities in place of a past."""
    lag, moving = 3, replace(uniform, velocity=np.broadcast_to(SPEED / 0.5, uniform.position.shape))

    class Halved:
        def predict(self, sample: Sample, draw: int = 0) -> np.ndarray:
            return sample.position[:, -1] + 0.5 * lag * sample.step * sample.velocity

    watch = physics.Physics(moving, STARTS, lag, 10)
    task = {"history": 1, "lag": lag, "inputs": ["velocity"]}
    evaluation.rollout(Halved(), moving, STARTS, task, 10, watch.add)
    rows = [row for row in watch.rows() if row["quantity"] == "momentum_drift"]
    momentum = MASS.sum() * np.linalg.norm(SPEED) / 0.5
    assert len(rows) > 5
    for row in rows:
        assert row["predicted"] == pytest.approx(momentum * (1 - 0.75 * 0.5 ** row["step"]))
        assert row["truth"] == pytest.approx(
            0, abs=1e-10
        )  # roundings of positions over a time of order one


def test_points_that_grow_apart_do_so_in_bonds_and_extent(uniform):
    found, first = observed(Growth(), uniform, 12), uniform.position[0]
    bonds = np.linalg.norm(np.diff(first, axis=0), axis=-1)
    centre = np.average(first, axis=0, weights=MASS)
    extent = np.sqrt(np.average(np.square(first - centre).sum(-1), weights=MASS))
    for quantity, true in (("bond_length", bonds.mean()), ("radius_of_gyration", extent)):
        for step, row in found[quantity].items():
            assert row["truth"] == pytest.approx(true) and row["predicted"] == pytest.approx(
                1.1**step * true
            )
    ordered, step = (
        np.sort(bonds),
        12,
    )  # Wasserstein's distance of equally many values is that of their order
    expected = np.abs(1.1**step * ordered - ordered).mean()
    assert found["bond_length"][step]["distance"] == pytest.approx(expected)


def test_equal_means_of_different_distributions_are_apart():
    """Half of the bonds are longer and half are shorter than the true ones, by as much."""
    position = np.zeros((30, 4, 3))
    position[:, :, 0] = np.arange(4)
    trajectory = Trajectory(
        position, np.zeros(30, int), np.arange(30.0), bonds=np.array([[0, 1], [2, 3]])
    )

    class Split:
        def predict(self, sample: Sample, draw: int = 0) -> np.ndarray:
            return np.repeat(position[:1], len(sample), 0) + np.array([0, 0.25, 0.25, 0])[
                :, None
            ] * [1, 0, 0]

    row = observed(Split(), trajectory, 3, np.array([5, 6]))["bond_length"][3]
    assert (row["predicted"], row["truth"], row["distance"]) == pytest.approx((1, 1, 0.25))


def test_steps_until_points_are_off_by_a_bond(uniform):
    """No motion falls behind by the speed in each step."""
    bond = np.linalg.norm(np.diff(uniform.position[0], axis=0), axis=-1).mean()
    (row,) = observed(Extrapolation(0.0), uniform, 30)["steps_to_bond_length"].values()
    assert row["predicted"] == int(bond / np.linalg.norm(SPEED)) + 1 and row["step"] == 30
    (early,) = observed(Extrapolation(0.0), uniform, 3)["steps_to_bond_length"].values()
    assert early["predicted"] is None and early["step"] == 3


def test_a_rotating_body_keeps_its_angular_momentum_and_one_that_stops_loses_it():
    time, rate = np.arange(60.0), 0.1
    arm = np.stack([np.cos(rate * time), np.sin(rate * time), 0 * time], axis=-1)
    position = np.stack([arm, -arm], axis=1) + 7.0
    trajectory = Trajectory(position, np.zeros(60, int), time, mass=np.array([2.0, 2.0]))
    rows = observed(Extrapolation(0.0), trajectory, 20)["angular_momentum_drift"]
    spin = 2 * 2.0 * np.sin(rate)  # m r v of two points, with the speed of a central difference
    for step, row in rows.items():
        assert row["truth"] == pytest.approx(0, abs=1e-12)
        assert step == 1 or row["predicted"] == pytest.approx(
            spin
        )  # after one step it still had half of its speed


def energies_of_openmm(
    context, mass: float, position: np.ndarray, velocity: np.ndarray
) -> list[float]:
    energies = []
    for x, v in zip(position, velocity, strict=True):
        context.setPositions(x)
        energies.append(
            context.getState(getEnergy=True).getPotentialEnergy()._value
            + mass / 2 * np.square(v).sum()
        )
    return energies


def test_energies_are_those_of_openmm():
    options = bead_chain.Options(dimensions=3, field=20.0, equilibration_steps=1000)
    made = bead_chain.simulate(options, 5)
    expected = energies_of_openmm(
        bead_chain._context(options), options.mass, made.position, made.velocity
    )
    np.testing.assert_allclose(
        bead_chain.energy(options, made.position, made.velocity), expected, rtol=1e-12
    )
    options = lennard_jones.Options(equilibration_steps=1000)
    made = lennard_jones.simulate(options, 5)
    context = lennard_jones._context(options, lennard_jones.box_length(options), options.friction)
    expected = energies_of_openmm(context, options.mass, made.position, made.velocity)
    np.testing.assert_allclose(
        lennard_jones.energy(options, made.position, made.velocity), expected, rtol=1e-6
    )  # float32


def simulated(module, options, frames: int) -> Trajectory:
    name = module.__name__.rpartition(".")[2]
    provenance = {"source": {"kind": "simulate"}, "system": name, "options": asdict(options)}
    return lift(replace(module.simulate(options, frames), provenance=provenance), "random_plane")


def test_energy_of_a_chain_without_a_bath_is_kept_and_what_stops_loses_its_kinetic_energy():
    options = bead_chain.Options(friction=0.0, stride=2, equilibration_steps=2000)
    trajectory = simulated(bead_chain, options, 60)
    rows = observed(Extrapolation(0.0), trajectory, 20)["energy_drift"]
    kinetic = options.mass / 2 * np.square(trajectory.velocity[STARTS]).sum((1, 2)).mean()
    for step, row in rows.items():
        assert abs(row["truth"]) < 0.01 * kinetic
        assert step == 1 or row["predicted"] == pytest.approx(-kinetic, rel=0.01)


def test_in_a_box_neither_extent_nor_angular_momentum_mean_anything():
    trajectory = simulated(lennard_jones, lennard_jones.Options(equilibration_steps=200), 40)
    found = observed(Extrapolation(1.0), trajectory, 5, np.array([10, 20]))
    assert set(found) == {"energy_drift", "momentum_drift"}


def test_an_explosion_ends_the_rows(uniform):
    with np.errstate(over="ignore", invalid="ignore"):
        found = observed(Extrapolation(1e30), uniform, 40)
    assert found["steps_to_bond_length"][max(found["steps_to_bond_length"])]["predicted"] == 1
    assert max(found["steps_to_bond_length"]) < 15
    numbers = [
        row[key]
        for q in found
        if q != "steps_to_bond_length"
        for row in found[q].values()
        for key in row
        if key != "quantity"
    ]
    assert np.isfinite(numbers).all()


def test_a_start_at_the_beginning_of_an_episode_has_no_velocity_and_others_have(uniform):
    two = replace(uniform, episode=np.repeat([0, 1], 30))
    one = {"history": 1, "lag": 1}

    def quantities(starts: np.ndarray) -> set[str]:
        watch = physics.Physics(two, starts, 1, 5)
        evaluation.rollout(Growth(), two, starts, one, 5, watch.add)
        return {row["quantity"] for row in watch.rows()}

    assert "momentum_drift" not in quantities(np.array([0, 30])) and "bond_length" in quantities(
        np.array([0, 30])
    )
    assert "momentum_drift" in quantities(np.array([0, 31]))


def test_no_starts_no_rows(uniform):
    assert physics.Physics(uniform, np.array([], int), 1, 10).rows() == []

"""The floor of a task, against closed forms of Langevin's equation, against brute force, and where
there is none."""

import json
from dataclasses import asdict, replace
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from called import called
from equitraj.base.registry import names
from equitraj.data import trajectory as files
from equitraj.data.lift import lift
from equitraj.data.sources import simulated
from equitraj.data.sources.simulation import SYSTEMS
from equitraj.data.sources.systems import alanine_dipeptide, bead_chain, lennard_jones, n_body
from equitraj.data.sources.systems._recording import GAS_CONSTANT
from equitraj.data.trajectory import Trajectory
from equitraj.prediction import floor
from equitraj.report.floor import hopeless, unsolvable

SPLIT = {"by": "time", "train": 0.4, "validation": 0.1, "test": 0.5}
ONE, TWO = ({"source": "s", "history": k, "lag": 1, "split": SPLIT} for k in (1, 2))
# two beads on a spring that is hardly there, without repulsion, are free: their distance is of no
# consequence
FREE = bead_chain.Options(
    beads=2,
    bond_stiffness=1e-12,
    repulsion=0.0,
    friction=2.0,
    stride=100,
    equilibration_steps=100,
    dimensions=3,
)


def made(module, options, frames: int, how: str = "zeros") -> Trajectory:
    """A lifted trajectory as the workflow writes it."""
    source = {"kind": "simulate", "system": module.__name__.rpartition(".")[2]}
    provenance = {"source": source, "system": source["system"], "options": asdict(options)}
    return lift(replace(module.simulate(options, frames), provenance=provenance), how, seed=3)


def free_variance(options, has_velocity: bool, coordinates: int = 3) -> float:
    """Of the displacement of a free particle over a frame (Uhlenbeck and Ornstein, Phys. Rev. 36,
    823 (1930)).

    The mean over three coordinates, of which so many move.
    """
    kt, rate = GAS_CONSTANT * options.temperature, options.friction
    t = options.stride * options.time_step
    total = 2 * kt / (options.mass * rate**2) * (rate * t - 1 + np.exp(-rate * t))
    known = (
        kt / options.mass * ((1 - np.exp(-rate * t)) / rate) ** 2
    )  # what the velocity tells of it
    return coordinates / 3 * (total - known if has_velocity else total)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("task", [ONE, TWO, ONE | {"inputs": ["velocity"]}])
def test_free_beads_have_the_variance_of_ornstein_and_uhlenbeck(task, dimensions):
    options = replace(FREE, dimensions=dimensions)
    found = floor.floor(made(bead_chain, options, 100), task, repetitions=40)
    expected = free_variance(options, task is not ONE, dimensions)
    numbers = found.states * (found.repetitions - 1) * 2 * dimensions
    assert found.states == 49 and abs(found.floor / expected - 1) < 4 * np.sqrt(2 / numbers)
    assert found.low < found.floor < found.high
    assert found.kind == ("lower bound" if task is TWO else "exact")


def test_without_velocities_the_variance_is_that_of_openmm_with_its_own_velocities_and_integrator():
    import openmm

    options = bead_chain.Options(dimensions=3, beads=4, stride=60, equilibration_steps=2000)
    trajectory = made(bead_chain, options, 40)
    system = simulated.simulated(trajectory)
    newest = np.array([10, 35])
    ours = floor.variances(system, trajectory, newest, 1, False, 400, 5)
    theirs = []
    for frame in newest:
        integrator = openmm.LangevinMiddleIntegrator(
            options.temperature, options.friction, options.time_step
        )
        integrator.setRandomNumberSeed(11)
        platform = openmm.Platform.getPlatformByName("Reference")
        context, ends = openmm.Context(bead_chain._system(options), integrator, platform), []
        for seed in range(1, 401):
            context.setPositions(trajectory.position[frame])
            context.setVelocitiesToTemperature(options.temperature, seed)
            integrator.step(options.stride)
            ends.append(context.getState(getPositions=True).getPositions(asNumpy=True)._value)
        theirs.append(np.var(ends, axis=0, ddof=1).mean())
    # 12 coordinates of 400 repetitions; neighbours are coupled, so that fewer count
    np.testing.assert_allclose(ours, theirs, rtol=4 * np.sqrt(2 / (400 * 4)) * np.sqrt(2))


def test_several_frames_bound_from_below_what_one_frame_leaves():
    trajectory = made(bead_chain, bead_chain.Options(equilibration_steps=2000), 120)
    one, two = floor.floor(trajectory, ONE), floor.floor(trajectory, TWO)
    shown = floor.floor(trajectory, ONE | {"inputs": ["velocity"]})
    assert two.floor < 1e-3 * one.floor and (one.kind, two.kind, shown.kind) == (
        "exact",
        "lower bound",
        "exact",
    )
    assert shown.floor == pytest.approx(two.floor, rel=0.2)
    step = trajectory.position[61:] - trajectory.position[60:-1]
    assert one.floor == pytest.approx(
        np.square(step).mean(), rel=0.3
    )  # nearly all of the motion is unknown


def test_it_is_the_same_in_any_plane():
    options = bead_chain.Options(equilibration_steps=2000)
    flat, turned = (made(bead_chain, options, 60, how) for how in ("zeros", "random_plane"))
    assert np.ptp(turned.position[..., 2]) > 0.1
    for task in (ONE, TWO):
        assert floor.floor(turned, task).floor == pytest.approx(
            floor.floor(flat, task).floor, rel=1e-6
        )


def test_in_a_field_the_chain_is_simulated_again_in_the_same_field():
    """Without noise every state of every episode goes on as it went; it would not where the field
    pointed elsewhere."""
    options = bead_chain.Options(
        dimensions=3, field=200.0, friction=0.0, equilibration_steps=2000, episodes=3
    )
    trajectory = made(bead_chain, options, 60)
    system, newest = simulated.simulated(trajectory), np.array([5, 25, 45])
    ends = system.again(trajectory.position[newest], trajectory.velocity[newest], 2, 1, {})
    np.testing.assert_allclose(ends, trajectory.position[newest + 2], atol=1e-9)
    assert np.abs(trajectory.position[newest] - trajectory.position[newest + 2]).max() > 1e-3


@pytest.mark.parametrize("module", [alanine_dipeptide, bead_chain, lennard_jones])
def test_a_motion_without_chance_has_no_floor_once_velocities_are_known(module):
    trajectory = made(module, module.Options(friction=0.0, equilibration_steps=300), 40)
    found = floor.floor(trajectory, TWO, repetitions=3)
    assert (found.floor, found.low, found.high) == (0, 0, 0)
    assert floor.floor(trajectory, ONE, repetitions=3).floor > 0


def test_atoms_of_a_liquid_move_at_first_with_the_velocities_of_the_bath():
    """Over a time much shorter than that of a collision the variance is kT t^2 / m."""
    options = lennard_jones.Options(stride=2, equilibration_steps=500)
    found = floor.floor(made(lennard_jones, options, 20), ONE, repetitions=8)
    t = options.stride * options.time_step
    ballistic = GAS_CONSTANT * options.temperature / options.mass * t**2
    assert found.floor == pytest.approx(ballistic, rel=0.03)


def test_what_cannot_be_told_is_said(chain):
    with pytest.raises(floor.Unknown, match="^not simulated$"):
        floor.floor(chain, ONE)
    trajectory = made(bead_chain, replace(FREE, stride=1), 30)
    with pytest.raises(floor.Unknown, match="velocities were not recorded"):
        floor.floor(replace(trajectory, velocity=None), TWO)
    assert floor.floor(replace(trajectory, velocity=None), ONE).floor > 0  # one frame needs none
    copied = replace(trajectory, provenance=trajectory.provenance | {"source": {"kind": "file"}})
    with pytest.raises(
        floor.Unknown, match="not simulated"
    ):  # it may be a part of it, with another stride
        floor.floor(copied, ONE)


@pytest.mark.parametrize("name", names(SYSTEMS))
def test_every_system_that_can_be_simulated_again_follows_the_contract(name):
    module = import_module(f"equitraj.data.sources.systems.{name}")
    options = module.Options(equilibration_steps=100)
    trajectory = made(module, options, 4)
    system, x, v = simulated.simulated(trajectory), trajectory.position, trajectory.velocity
    assert system.can("again") and system.can("energy")
    features = files.features_at(trajectory, np.arange(4))
    is_random = module is not n_body  # whose motion positions and velocities decide
    for velocity in (v, None) if is_random else (v,):
        first, same, other = (system.again(x, velocity, 1, seed, features) for seed in (1, 1, 2))
        assert first.shape == x.shape and is_random != np.array_equal(first, other)
        np.testing.assert_array_equal(first, same)
    turn = Rotation.from_rotvec([0, 0, 1]).as_matrix()
    energy = system.energy(x, v, features)
    assert energy.shape == (4,)
    if trajectory.box is None:  # it turns with the points
        np.testing.assert_allclose(system.energy(x @ turn.T, v @ turn.T, features), energy)


def test_a_motion_without_chance_has_the_floor_zero_where_the_task_shows_velocities():
    trajectory = made(n_body, n_body.Options(episodes=8, equilibration_steps=100), 32)
    split = {"by": "episode", "train": 4, "validation": 2, "test": 2}
    found = floor.floor(
        trajectory, {"history": 1, "lag": 2, "inputs": ["velocity", "charge"], "split": split}
    )
    assert (found.floor, found.kind) == (0, floor.EXACT)
    with pytest.raises(floor.Unknown, match="velocities are needed"):
        floor.floor(trajectory, {"history": 1, "lag": 2, "split": split})


def test_a_system_without_the_function_is_named(monkeypatch):
    trajectory = made(bead_chain, replace(FREE, stride=1), 30)
    monkeypatch.delattr(bead_chain, "again")
    with pytest.raises(floor.Unknown, match="the system bead_chain has no function `again`"):
        floor.floor(trajectory, ONE)


def test_the_interval_covers_the_mean_of_blocks_that_are_alike():
    """Of 200 series of 20 blocks with a level each, near 95 % of the intervals hold the true mean."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        values = np.repeat(rng.normal(1, 0.3, 20), 10) + 0.01 * rng.normal(size=200)
        low, high = floor.interval(values)
        held += low <= 1 <= high
    assert (
        held >= 200 * 0.95 - 4 * np.sqrt(200 * 0.95 * 0.05) - 4
    )  # percentiles of 20 blocks are a little narrow
    assert floor.interval(np.ones(2)) == (None, None)


def test_the_command_writes_a_row_for_each_task(chain, tmp_path):
    files.write(tmp_path / "s/lifted.h5", made(bead_chain, replace(FREE, stride=5), 40))
    files.write(tmp_path / "other/lifted.h5", chain)
    tasks = {"a": ONE, "b": TWO, "c": ONE | {"source": "other"}}
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    words = [
        "--tasks",
        tmp_path / "tasks.json",
        "--output",
        tmp_path / "floor.csv",
        "--trajectories",
    ]
    paths = [tmp_path / "s/lifted.h5", tmp_path / "other/lifted.h5"]
    called("floor.py", *words, *paths).check_returncode()
    table = pd.read_csv(tmp_path / "floor.csv")
    assert list(table.columns) == list(floor.COLUMNS) and list(table["task"]) == ["a", "b", "c"]
    assert list(table["kind"]) == ["exact", "lower bound", "unknown: not simulated"]
    assert table["floor"].notna().tolist() == [True, True, False]
    done = called("floor.py", *words, paths[0])
    assert (
        done.returncode == 1
        and "error: --trajectories: no other/lifted.h5, which task c is on" in done.stderr
    )


def rows(**values) -> pd.DataFrame:
    given = {
        "task": "t",
        "floor": 0.9,
        "low": 0.85,
        "high": 0.95,
        "kind": "exact",
        "states": 9,
        "repetitions": 8,
    }
    return pd.DataFrame([given | values])


SUMMARY = pd.DataFrame(
    {
        "task": "t",
        "method": ["m", "n"],
        "train_size": "all",
        "mse_persistence": 1.0,
        "mse_mean": [0.97, 0.98],
    }
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "On `t` 90 % (95 % interval 85 to 95 %) of the error of no motion is irreducible"),
        ({"kind": "lower bound"}, "On `t` at least 90 % (95 %"),
        (
            {"floor": 0.45, "low": np.nan},
            "On `t` the error of the best method, `m`, is 2.2 times the floor (MSE 0.450).",
        ),
        ({"floor": 0.0}, "On `t` the floor is 0: the motion is deterministic."),
    ],
)
def test_what_is_said_of_a_floor(values, expected):
    (line,) = hopeless(rows(**values), SUMMARY)
    assert line.startswith(expected)
    assert unsolvable(rows(**values), SUMMARY) == (["t"] if "irreducible" in line else [])


def test_a_floor_that_is_reached_leaves_nothing_to_gain_and_an_unknown_one_nothing_to_say():
    (line,) = hopeless(rows(floor=0.45), SUMMARY.assign(mse_mean=[0.46, 0.9]))
    assert "the best method, `m`, reaches the floor" in line and "nothing is left to gain" in line
    assert hopeless(rows(floor=np.nan, kind="unknown: not simulated"), SUMMARY) == []

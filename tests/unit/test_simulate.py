"""The simulated chain: motion, plane, statistical mechanics against closed forms, determinism."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from called import called
from equitraj.base.registry import names
from equitraj.data import trajectory as files
from equitraj.data.sources import simulation
from equitraj.data.sources.systems import bead_chain
from equitraj.data.sources.systems._recording import GAS_CONSTANT
from equitraj.data.sources.systems.bead_chain import Options


@pytest.fixture(scope="module")
def chain():
    """The source of the quickstart, as configured."""
    return bead_chain.simulate(Options(), 2048)


def test_shapes_and_units(chain):
    assert chain.position.shape == chain.velocity.shape == (2048, 12, 2)
    assert (chain.length_unit, chain.time_unit) == ("nm", "ps")
    np.testing.assert_allclose(np.diff(chain.time), 0.03, rtol=1e-9)
    assert chain.bonds.tolist() == [[i, i + 1] for i in range(11)]


def test_motion_is_inertial_but_not_of_constant_velocity(chain):
    step = np.diff(chain.position, axis=0)
    correlation = (step[1:] * step[:-1]).sum() / (step**2).sum()
    assert 0.97 < correlation < 0.99  # the range aimed at; the least that a user is promised is 0.9
    skill_velocity = 1 - ((step[1:] - step[:-1]) ** 2).mean() / (step[1:] ** 2).mean()
    assert 0.9 < skill_velocity < 0.99


def test_pair_forces_predict_far_better_than_constant_velocity(chain):
    """Position Verlet with the true forces, x(t+1) = 2 x(t) - x(t-1) + F(x(t)) dt^2 / m, written
    out independently."""
    options, x = Options(), chain.position
    difference = x[:, :, None] - x[:, None]
    r = np.linalg.norm(difference, axis=-1) + np.eye(12)
    apart = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    spring = -options.bond_stiffness * (r - options.bond_length)
    s = options.screening_length
    repulsion = options.repulsion * np.exp(-r / s) * (1 / (s * r) + 1 / r**2)
    pull = np.where(apart == 1, spring, np.where(apart > 1, repulsion, 0.0))
    force = (pull[..., None] * difference / r[..., None]).sum(axis=2)
    dt = options.time_step * options.stride
    constant = 2 * x[1:-1] - x[:-2]
    errors = [
        ((x[2:] - p) ** 2).mean() for p in (constant, constant + force[1:-1] * dt**2 / options.mass)
    ]
    # What is left is the next order in the time between frames, and the noise: 0.13 % where this
    # was measured.
    assert errors[1] < 0.005 * errors[0]


def test_chain_bends_turns_and_drifts_and_does_not_collapse(chain):
    x = chain.position
    end_to_end = np.linalg.norm(x[:, -1] - x[:, 0], axis=-1)
    length = 11 * Options().bond_length
    assert end_to_end.max() - end_to_end.min() > 0.3 * length  # a rod has 0
    assert 0.4 * length < np.median(end_to_end) < 0.95 * length
    angle = np.unwrap(np.arctan2(*(x[:, -1] - x[:, 0]).T))
    assert np.ptp(angle) > 0.5
    assert np.ptp(x.mean(axis=1), axis=0).min() > Options().bond_length
    first, second = np.triu_indices(12, 2)
    nearest = np.linalg.norm(x[:, first] - x[:, second], axis=-1).min()
    assert nearest > 0.5 * Options().bond_length  # beads that are no neighbours never touch


def test_z_stays_exactly_zero():
    position, velocity = bead_chain.run_in_space(
        Options(friction=5.0, equilibration_steps=2000), 50
    )
    assert not position[..., 2].any() and not velocity[..., 2].any()
    assert position[..., :2].std(axis=0).min() > 0


def test_bonds_are_near_their_rest_length(chain):
    bond = np.linalg.norm(np.diff(chain.position, axis=1), axis=-1)
    # A free spring stretches by kT / (k r0) = 0.003 nm with a spread of sqrt(kT / k) = 0.035 nm;
    # repulsion adds 0.01.
    assert abs(bond.mean() - 0.36) < 0.03 and 0.02 < bond.std() < 0.05


def test_temperature_is_that_of_the_bath():
    """Strong friction makes frames nearly independent: m v^2 / kT is chi-squared with one degree
    per coordinate."""
    options = Options(friction=5.0, stride=500, equilibration_steps=5000)
    trajectory = bead_chain.simulate(options, 300)
    scaled = trajectory.velocity**2 * options.mass / (GAS_CONSTANT * options.temperature)
    # exp(-friction * stride * time_step) < 0.01 leaves them independent; variance of chi-squared is
    # 2 per degree.
    assert abs(scaled.mean() - 1) < 5 * np.sqrt(2 / scaled.size)
    assert np.abs(scaled.mean(axis=(0, 1)) - 1).max() < 5 * np.sqrt(2 / (300 * 12))


def test_bond_of_a_dimer_has_the_boltzmann_distribution():
    """Two beads in a plane: p(r) ~ r exp(-k (r - r0)^2 / 2 kT)."""
    options = Options(
        beads=2, friction=5.0, stride=500, equilibration_steps=5000, bond_stiffness=500.0
    )
    x = bead_chain.simulate(options, 1000).position
    r = np.linalg.norm(x[:, 1] - x[:, 0], axis=-1)
    beta_k = options.bond_stiffness / (GAS_CONSTANT * options.temperature)

    def moment(power):
        return quad(
            lambda s: s ** (power + 1) * np.exp(-beta_k * (s - 0.36) ** 2 / 2),
            0,
            1.5,
            points=[0.36],
        )[0]

    mean = moment(1) / moment(0)
    variance = moment(2) / moment(0) - mean**2
    # 1000 nearly independent frames (friction / 2 * 1 ps leaves exp(-2.5) of a correlation):
    # standard errors of a mean and of a variance, times 4. In three dimensions p(r) ~ r^2, whose
    # mean is 6 standard errors away.
    assert abs(r.mean() - mean) < 4 * np.sqrt(variance / 1000)
    assert abs(r.var() / variance - 1) < 4 * np.sqrt(2 / 1000)


def test_same_seed_gives_the_same_bits_and_another_seed_does_not():
    options = Options(equilibration_steps=500)
    first, again = bead_chain.simulate(options, 20), bead_chain.simulate(options, 20)
    other = bead_chain.simulate(replace(options, seed=2), 20)
    np.testing.assert_array_equal(first.position, again.position)
    np.testing.assert_array_equal(first.velocity, again.velocity)
    assert not np.allclose(first.position, other.position)


@pytest.mark.parametrize(
    ("system", "options", "expected"),
    [
        ("bead_chian", {}, "Did you mean 'bead_chain'"),
        ("bead_chain", {"sead": 1}, "Did you mean 'seed'"),
        ("bead_chain", {"seed": 1.5}, "expected int"),
        ("bead_chain", {"seed": True}, "expected int"),
        ("bead_chain", {"seed": 0}, "seed: 0; expected int, 1 to 2147483647"),
        ("bead_chain", {"seed": 2**31}, "expected int, 1 to 2147483647"),
        ("bead_chain", {"mass": -1.0}, "mass: -1.0; expected float, above 0"),
    ],
)
def test_wrong_options(system, options, expected):
    with pytest.raises(ValueError, match=expected):
        simulation.simulate(system, options, 2)


def test_too_long_a_time_step_is_an_error():
    with pytest.raises(ValueError, match="time_step 0.5 ps is too long"):
        bead_chain.simulate(Options(time_step=0.5, equilibration_steps=1000), 5)


def test_every_system_follows_the_contract():
    assert names(simulation.SYSTEMS)
    for name in names(simulation.SYSTEMS):
        trajectory, options = simulation.simulate(name, {}, 2)
        files.check(trajectory, name)
        assert len(trajectory.position) == 2 and "seed" in options


def test_script_is_deterministic_and_records_its_settings(tmp_path):
    source = {"kind": "simulate", "system": "bead_chain", "frames": 8, "bonds": "chain"}
    source["options"] = {"equilibration_steps": 100, "seed": 7}
    for name in ("a.h5", "b.h5"):
        called(
            "simulate.py", "--source", json.dumps(source), "--output", tmp_path / name
        ).check_returncode()
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    provenance = files.read(tmp_path / "a.h5").provenance
    assert provenance["source"] == source and provenance["options"]["seed"] == 7
    assert provenance["options"]["stride"] == Options().stride and provenance["engine"].startswith(
        "OpenMM "
    )


def test_script_reports_an_error_without_traceback(tmp_path):
    source = {"kind": "simulate", "system": "bead_chain", "options": {"strid": 3}}
    done = called("simulate.py", "--source", json.dumps(source), "--output", tmp_path / "raw.h5")
    assert (
        done.returncode == 1
        and done.stderr.splitlines()[1].startswith("error: options")
        and "Traceback" not in done.stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_in_space_the_bond_of_a_dimer_has_the_boltzmann_distribution_of_three_dimensions():
    """p(r) ~ r^2 exp(-k (r - r0)^2 / 2 kT), and the chain leaves every plane."""
    options = Options(
        beads=2,
        dimensions=3,
        friction=5.0,
        stride=500,
        equilibration_steps=5000,
        bond_stiffness=500.0,
    )
    x = bead_chain.simulate(options, 1000).position
    r = np.linalg.norm(x[:, 1] - x[:, 0], axis=-1)
    beta_k = options.bond_stiffness / (GAS_CONSTANT * options.temperature)
    moment = [
        quad(lambda s, n=n: s ** (n + 2) * np.exp(-beta_k * (s - 0.36) ** 2 / 2), 0, 1.5)[0]
        for n in range(3)
    ]
    mean = moment[1] / moment[0]
    assert abs(r.mean() - mean) < 4 * np.sqrt(
        (moment[2] / moment[0] - mean**2) / 1000
    )  # as in the plane
    assert x.std(axis=0).min() > 0


def test_a_field_turns_a_dipole_as_langevin_says():
    """Two opposite charges on a stiff bond: <cos> = coth a - 1/a with a = field x length / kT
    (Langevin, 1905)."""
    options = Options(
        beads=2, dimensions=3, field=10.0, friction=5.0, stride=500, equilibration_steps=5000
    )
    options = replace(options, repulsion=0.0, bond_stiffness=20_000.0)
    trajectory = bead_chain.simulate(options, 1500)
    bond = trajectory.position[:, 0] - trajectory.position[:, 1]
    cosine = bond[:, 2] / np.linalg.norm(bond, axis=-1)
    a = options.field * options.bond_length / (GAS_CONSTANT * options.temperature)
    assert trajectory.features["charge"].tolist() == [[1.0], [-1.0]]
    # 1500 frames, 1 ps apart, whose directions forget each other in about one: a third of them
    # count
    assert abs(cosine.mean() - (1 / np.tanh(a) - 1 / a)) < 4 * cosine.std() / np.sqrt(500)


def test_episodes_are_chains_of_their_own_turned_at_random():
    options = Options(dimensions=3, episodes=3, equilibration_steps=200)
    x = bead_chain.simulate(options, 30)
    assert x.episode.tolist() == [0] * 10 + [1] * 10 + [2] * 10 and x.time[10] == 0
    alone, _ = bead_chain.run_in_space(options, 10)
    apart = np.linalg.norm(alone[:, :, None] - alone[:, None], axis=-1)
    first = np.linalg.norm(x.position[:10, :, None] - x.position[:10, None], axis=-1)
    np.testing.assert_allclose(first, apart, rtol=1e-12)  # the same chain, and turned
    assert np.abs(x.position[:10] - alone).max() > 0.1
    in_field = bead_chain.simulate(replace(options, field=50.0), 30).position
    only, _ = bead_chain.run_in_space(replace(options, field=50.0), 10)
    np.testing.assert_allclose(in_field[:10, :, 2], only[..., 2], atol=1e-12)  # turned about z
    assert np.abs(in_field[:10] - only).max() > 0.1


@pytest.mark.parametrize(
    ("options", "frames", "expected"),
    [
        ({"field": 1.0}, 2, "use dimensions: 3"),
        ({"episodes": 3}, 10, "expected a multiple of the 3 episodes"),
    ],
)
def test_options_that_do_not_go_together(options, frames, expected):
    with pytest.raises(ValueError, match=expected):
        simulation.simulate("bead_chain", options, frames)

"""Alanine dipeptide: energy against OpenMM's, dihedrals against MDAnalysis, statistics against
closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from equitraj.data.sources import simulation
from equitraj.data.sources.systems import _amber99sb, _force_field, alanine_dipeptide
from equitraj.data.sources.systems._recording import GAS_CONSTANT
from equitraj.data.sources.systems.alanine_dipeptide import (
    BONDS,
    CHARGE,
    MASS,
    PHI,
    PSI,
    START,
    Options,
)

SHORT = Options(equilibration_steps=500)


@pytest.fixture(scope="module")
def bath():
    """400 frames in a strong bath, 0.1 ps apart."""
    options = Options(time_step=0.001, friction=5.0, stride=100, equilibration_steps=2000)
    return alanine_dipeptide.simulate(options, 400)


def hot(n: int = 20) -> np.ndarray:
    """Positions (n, 22, 3) far from any minimum, of left and right hand alike."""
    rng = np.random.default_rng(0)
    found = START + rng.normal(scale=0.02, size=(n, 22, 3))
    found[::2, :, 0] *= -1
    return found


def energies_of_openmm(position: np.ndarray) -> list[float]:
    context, found = alanine_dipeptide._context(SHORT, 0.0, 1), []
    for x in position:
        context.setPositions(x)
        found.append(context.getState(getEnergy=True).getPotentialEnergy()._value)
    return found


def test_the_potential_is_that_of_openmms_own_force_field():
    position = hot()
    expected = energies_of_openmm(position)
    found = alanine_dipeptide.energy(SHORT, position, np.zeros_like(position))
    assert np.ptp(expected) > 1000  # kJ/mol: every term counts
    np.testing.assert_allclose(
        found, expected, rtol=1e-8
    )  # digits of the parameters in OpenMM's file


@pytest.mark.parametrize("table", ["BONDS", "ANGLES", "TORSIONS", "IMPROPERS", "LENNARD_JONES"])
def test_no_row_of_the_force_field_is_without_effect(monkeypatch, table):
    """Each parameter a hundredth larger: the energy is OpenMM's no longer."""
    position, expected = hot(4), alanine_dipeptide.energy(SHORT, hot(4), np.zeros((4, 22, 3)))
    types = [atom[3] for atom in alanine_dipeptide.ATOMS]
    rows = getattr(_amber99sb, table)
    for name, row in rows.items():
        first = row[0] if isinstance(row, list) else row
        changed = (*first[:-1], 1.01 * first[-1])
        monkeypatch.setitem(rows, name, [changed, *row[1:]] if isinstance(row, list) else changed)
        terms = _amber99sb.terms(types, CHARGE, BONDS, alanine_dipeptide.IMPROPERS)
        assert np.abs(_force_field.potential(terms, position) - expected).max() > 1e-3, name
        monkeypatch.setitem(rows, name, row)


def test_masses_and_charges_are_those_of_openmm_and_the_molecule_is_neutral():
    system = alanine_dipeptide._system()
    (force,) = (f for f in system.getForces() if f.getName() == "NonbondedForce")
    masses = [system.getParticleMass(i)._value for i in range(22)]
    charges = [force.getParticleParameters(i)[0]._value for i in range(22)]
    assert MASS.tolist() == pytest.approx(masses) and CHARGE.tolist() == pytest.approx(charges)
    assert system.getNumConstraints() == 0 and CHARGE.sum() == pytest.approx(0, abs=1e-12)


def test_a_mirror_image_has_the_same_energy_and_the_first_structure_is_near_a_minimum():
    zero, x = np.zeros((20, 22, 3)), hot()
    np.testing.assert_allclose(
        alanine_dipeptide.energy(SHORT, x, zero), alanine_dipeptide.energy(SHORT, -x, zero)
    )
    start = alanine_dipeptide.energy(SHORT, START[None], zero[:1])
    assert (
        alanine_dipeptide.energy(SHORT, START + 0.01 * (x - START)[1::2], zero[::2]) > start
    ).all()


def test_what_is_recorded(bath):
    assert bath.position.shape == bath.velocity.shape == (400, 22, 3)
    assert np.bincount(bath.species).tolist() == [0, 12, 0, 0, 0, 0, 6, 2, 2]  # H, C, N, O
    assert len(bath.bonds) == 21 and bath.features["charge"].shape == (22, 1)
    assert simulation.n_points("alanine_dipeptide", {}) == 22
    np.testing.assert_allclose(np.diff(bath.time), 0.1)


def test_dihedrals_are_those_of_mdanalysis(bath):
    from MDAnalysis.lib.distances import calc_dihedrals

    found = alanine_dipeptide.dihedrals(bath.position)
    for angle, atoms in zip(found.T, (PHI, PSI), strict=True):
        four = [np.ascontiguousarray(bath.position[:, i], dtype=np.float32) for i in atoms]
        apart = np.radians(angle) - calc_dihedrals(*four)
        np.testing.assert_allclose(np.cos(apart), 1, atol=1e-8)  # MDAnalysis computes in float32


def test_it_visits_both_minima_of_the_vacuum_and_stays_l(bath):
    """C7eq and C5, near (-80, 70) and (-155, 155) degrees; without water there is no helix."""
    phi, psi = alanine_dipeptide.dihedrals(bath.position).T
    assert (phi < -40).mean() > 0.95 and ((psi > 0) | (psi < -150)).mean() > 0.9
    ring, extended = (np.abs(phi + 80) < 40) & (np.abs(psi - 70) < 60), (phi < -120) & (psi > 120)
    assert ring.mean() > 0.02 and extended.mean() > 0.02  # 40 ps see few changes between them
    n, ca, c, cb = (bath.position[:, i] for i in (6, 8, 14, 10))
    assert ((np.cross(n - ca, c - ca) * (cb - ca)).sum(-1) > 0).all()


def test_temperature_and_bonds_are_those_of_the_bath(bath):
    """m v^2 / kT is chi-squared; a harmonic bond has the variance kT / 2 K (AMBER's energy is K
    r^2)."""
    kt = GAS_CONSTANT * 300.0
    scaled = MASS[:, None] * np.square(bath.velocity) / kt
    # frames 0.1 ps apart in a bath of 5 / ps: a half of them counts; the step of 1 fs cools
    # stretching hydrogens by 4 %
    assert abs(scaled[:, MASS > 2].mean() - 1) < 5 * np.sqrt(2 / (200 * 30))
    assert abs(scaled[:, MASS < 2].mean() - 0.97) < 0.03 + 5 * np.sqrt(2 / (200 * 36))
    stiffness, _ = alanine_dipeptide._terms().bonds[1].T
    r = np.linalg.norm(bath.position[:, BONDS[:, 0]] - bath.position[:, BONDS[:, 1]], axis=-1)
    assert abs((r.var(0) * 2 * stiffness / kt).mean() - 1) < 0.03 + 5 * np.sqrt(2 / (200 * 21))


def test_energy_is_kept_without_a_bath_to_the_square_of_the_time_step():
    def spread(time_step: float) -> float:
        context = alanine_dipeptide._context(replace(SHORT, time_step=time_step), 0.0, 1)
        context.setPositions(start.position[-1])
        context.setVelocities(start.velocity[-1])
        states = alanine_dipeptide.recorded(context, 300, round(0.001 / time_step))
        return alanine_dipeptide.energy(SHORT, *states).std()

    start = alanine_dipeptide.simulate(SHORT, 2)
    coarse, fine = spread(0.0005), spread(0.00025)
    assert coarse < 0.2  # of some 80 kJ/mol of kinetic energy
    assert 3.5 < coarse / fine < 4.5


def test_same_seed_gives_the_same_bits_and_episodes_are_molecules_of_their_own():
    options = replace(SHORT, equilibration_steps=100, episodes=2)
    first, same = (alanine_dipeptide.simulate(options, 10) for _ in range(2))
    np.testing.assert_array_equal(first.position, same.position)
    np.testing.assert_array_equal(first.velocity, same.velocity)
    assert first.episode.tolist() == [0] * 5 + [1] * 5 and first.time[5] == 0
    assert not np.allclose(
        first.position, alanine_dipeptide.simulate(replace(options, seed=2), 10).position
    )
    apart = [np.linalg.norm(x[:, None] - x, axis=-1) for x in first.position[[0, 5]]]
    assert np.abs(apart[0] - apart[1]).max() > 0.01


@pytest.mark.parametrize(
    ("options", "frames", "expected"),
    [
        ({"time_step": 0.01}, 2, "time_step 0.01 ps is too long"),
        ({"episodes": 3}, 10, "frames: 10; expected a multiple of the 3 episodes"),
        ({"beads": 3}, 2, "unknown name 'beads'"),
    ],
)
def test_wrong_options(options, frames, expected):
    with pytest.raises(ValueError, match=expected):
        simulation.simulate("alanine_dipeptide", {"equilibration_steps": 200} | options, frames)

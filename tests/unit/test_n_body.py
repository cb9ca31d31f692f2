"""Charged and gravitating bodies: the published algorithm step by step, the published baseline,
conservation laws."""

from dataclasses import replace

import numpy as np
import pytest

from equitraj.data.sources.systems import n_body
from equitraj.data.sources.systems.n_body import Options

CHARGED = Options(episodes=12, equilibration_steps=300)
GRAVITY = replace(CHARGED, interaction="gravity", softening=0.1)


def published(position, velocity, charge, steps, limit=100.0, time_step=0.001):
    """One simulation as it is published: a half step of the velocities at first, then positions and
    velocities in turn, with all forces from two nested loops; the state before the velocities of
    the last step change."""
    position, velocity = position.copy(), velocity.copy()

    def force():
        found = np.zeros_like(position)
        for i in range(len(position)):
            for j in range(len(position)):
                if i != j:
                    apart = position[i] - position[j]
                    found[i] += charge[i] * charge[j] * apart / np.linalg.norm(apart) ** 3
        return np.clip(found, -limit, limit)

    velocity += time_step * force()
    for step in range(1, steps + 1):
        position += time_step * velocity
        if step < steps:
            velocity += time_step * force()
    return position, velocity


def frames(options, count):
    """Trajectory of `count` frames of each episode, its positions and velocities with an axis for
    both."""
    made = n_body.simulate(options, count * options.episodes)
    shape = options.episodes, count, options.points, 3
    return made, made.position.reshape(shape), made.velocity.reshape(shape)


def test_motion_is_that_of_the_published_algorithm():
    position, velocity, charge = n_body._drawn(CHARGED)
    _, x, v = frames(CHARGED, 2)
    for episode in range(3):
        for frame, steps in enumerate((300, 400)):
            expected = published(position[episode], velocity[episode], charge[episode], steps)
            # sums in another order, which encounters enlarge
            np.testing.assert_allclose(x[episode, frame], expected[0], atol=1e-9)
            np.testing.assert_allclose(v[episode, frame], expected[1], atol=1e-8)


def test_first_states_are_those_of_the_protocol():
    position, velocity, charge = n_body._drawn(Options(episodes=4000))
    assert position.std() == pytest.approx(1, abs=0.01) and set(np.unique(charge)) == {-1, 1}
    np.testing.assert_allclose(np.linalg.norm(velocity, axis=-1), 0.5)
    assert abs(charge.mean()) < 4 / np.sqrt(charge.size)  # four standard deviations
    crowd = n_body._drawn(Options(points=20, episodes=1000))[0]
    assert crowd.std() == pytest.approx(4 ** (1 / 3), rel=0.01)


def test_a_linear_prediction_has_the_error_that_is_published():
    """Papers give 0.0683 to 0.0819 for x + k v on 2,000 simulations, the errors of which have a
    long tail."""
    _, x, v = frames(Options(episodes=2000), 11)
    moved, speed = x[:, 10] - x[:, 0], v[:, 0]
    slope = (moved * speed).sum() / np.square(speed).sum()
    error = np.square(moved - slope * speed).mean((1, 2))
    deviation = error.std() / np.sqrt(len(error))
    assert 0.6 < slope < 0.85
    assert 0.0683 - 2 * deviation < error.mean() < 0.0819 + 2 * deviation


@pytest.mark.parametrize("options", [CHARGED, GRAVITY])
def test_momentum_is_kept_and_the_energy_where_no_bodies_come_close(options):
    options = replace(options, episodes=300)
    made, x, v = frames(options, 20)
    momentum = v.sum(axis=2)
    apart = np.linalg.norm(x[:, :, :, None] - x[:, :, None], axis=-1) + 9 * np.eye(5)
    calm = apart.min(axis=(1, 2, 3)) > 0.5
    assert 3 <= calm.sum()
    np.testing.assert_allclose(momentum[calm], momentum[calm, :1] + 0 * momentum[calm], atol=1e-9)
    energy = n_body.energy(options, made.position, made.velocity, made.features).reshape(
        options.episodes, 20
    )
    # the velocity lags by half a step: first order, times forces of at most 4
    np.testing.assert_allclose(energy[calm], energy[calm, :1] + 0 * energy[calm], atol=0.01)


def test_forces_are_the_gradient_of_the_energy():
    rng = np.random.default_rng(0)
    for options in (CHARGED, GRAVITY):
        x, still = rng.normal(size=(1, 5, 3)), np.zeros((1, 5, 3))
        features = {"charge": rng.choice([-1.0, 1.0], size=(1, 5, 1))}
        charge = n_body._charges(options, x, features)
        force = n_body._advanced(options, x, still, charge, 1)[1] / options.time_step
        for point, axis in ((0, 0), (3, 2)):
            shift = np.zeros_like(x)
            shift[0, point, axis] = 1e-5
            up, down = (
                n_body.energy(options, x + sign * shift, still, features)[0] for sign in (1, -1)
            )
            assert force[0, point, axis] == pytest.approx(-(up - down) / 2e-5, rel=1e-6)


def test_a_simulation_depends_on_nothing_but_its_options(monkeypatch):
    made = n_body.simulate(CHARGED, 24)
    np.testing.assert_array_equal(made.position, n_body.simulate(CHARGED, 24).position)
    assert not np.array_equal(made.position, n_body.simulate(replace(CHARGED, seed=2), 24).position)
    monkeypatch.setattr(n_body, "TOGETHER", 1)  # one simulation at a time: sums in another order
    np.testing.assert_allclose(made.position, n_body.simulate(CHARGED, 24).position, atol=1e-9)


def test_going_on_from_a_frame_leads_to_the_next():
    made, x, v = frames(CHARGED, 3)
    features = {"charge": made.features["charge"][::3]}
    np.testing.assert_allclose(
        n_body.again(CHARGED, x[:, 0], v[:, 0], 2, 0, features), x[:, 2], atol=1e-9
    )


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="frames: 25; expected a multiple of the 12 episodes"):
        n_body.simulate(CHARGED, 25)
    with pytest.raises(ValueError, match="interaction"):
        Options(interaction="magnetism")

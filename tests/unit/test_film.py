"""The film: which steps are jumps, which stretch is shown, and the file that the command writes."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from called import called
from equitraj.data import trajectory
from equitraj.report import film

FLIPS = (20, 33)  # times at which two axes of the invented frame change their signs


def turning(angles: np.ndarray) -> np.ndarray:
    """Rotations about a fixed oblique axis by the angles (degrees)."""
    axis = np.array([1.0, 2.0, -0.5]) / np.linalg.norm([1.0, 2.0, -0.5])
    return Rotation.from_rotvec(np.radians(angles)[:, None] * axis).as_matrix()


def test_a_turn_of_more_than_90_degrees_is_a_jump_and_less_is_none():
    steps = np.array([10.0, 89.0, 91.0, -89.0, 179.0, 0.0])
    rotation = turning(np.concatenate([[0], np.cumsum(steps)]))
    between = Rotation.from_matrix(rotation[1:] @ rotation[:-1].swapaxes(1, 2)).magnitude()
    found = film.jumps(rotation, np.zeros(7))
    assert (
        found.tolist()
        == [False, *(between > np.pi / 2)]
        == [False, False, False, True, False, True, False]
    )


def test_a_change_of_handedness_is_a_jump_and_a_new_episode_is_none():
    rotation = np.stack(
        [np.eye(3), np.diag([1.0, 1, -1]), np.diag([1.0, 1, -1]), np.diag([-1.0, -1, 1])]
    )
    assert film.jumps(rotation, np.zeros(4)).tolist() == [False, True, False, True]
    assert film.jumps(rotation, np.array([0, 0, 0, 1])).tolist() == [False, True, False, False]


def test_losing_an_axis_or_turning_the_one_that_is_left_is_a_jump_and_keeping_it_is_none():
    collinear = np.diag([1.0, 0, 0])
    rotation = np.stack(
        [np.eye(3), collinear, collinear, -collinear, np.zeros((3, 3)), np.zeros((3, 3))]
    )
    assert film.jumps(rotation, np.zeros(6)).tolist() == [False, True, False, True, True, False]


def test_the_stretch_holds_the_most_jumps_inside_one_episode():
    jump = np.zeros(300, dtype=bool)
    jump[[50, 140, 150, 250, 260, 270]] = True
    panels = [film.Panel("a", np.zeros((300, 2, 3)), jump)]
    part = film.stretch(panels, np.zeros(300), 80)
    assert part.stop - part.start == 80 and jump[part].sum() == 3
    apart = film.stretch(panels, np.repeat([0, 1], [255, 45]), 80)
    assert apart.stop <= 255 and jump[apart].sum() == 2


def test_without_jumps_the_film_begins_at_the_first_time():
    panels = [film.Panel("a", np.zeros((300, 2, 3)), np.zeros(300, dtype=bool))]
    assert film.stretch(panels, np.zeros(300), 80) == slice(0, 80)
    assert film.stretch(panels, np.zeros(300), 500) == slice(0, 300)


def test_the_two_coordinates_that_vary_most_are_shown():
    points = np.random.default_rng(0).normal(size=(50, 6, 3)) * [0.1, 2.0, 1.0]
    assert film.plane(points) == (1, 2)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A drifting chain of 5 points, and the same in a frame that changes two signs at FLIPS."""
    folder, rng = tmp_path_factory.mktemp("film"), np.random.default_rng(0)
    start = np.cumsum(rng.normal(size=(5, 3)), 0)
    position = start + np.cumsum(0.02 * rng.normal(size=(45, 5, 3)), 0)
    bonds = np.stack([np.arange(4), np.arange(1, 5)], 1)
    world = trajectory.Trajectory(position, np.zeros(45, dtype=int), np.arange(45.0), bonds=bonds)
    trajectory.write(folder / "lifted.h5", world)
    sign = (-1.0) ** np.searchsorted(FLIPS, np.arange(45), side="right")
    rotation = np.zeros((45, 1, 3, 3))
    rotation[:, 0, range(3), range(3)] = np.stack([sign, sign, np.ones(45)], 1)
    inside = replace(world, position=position @ rotation[:, 0].swapaxes(1, 2))
    trajectory.write(
        folder / "flipping.h5",
        inside,
        rotation=rotation,
        origin=np.zeros((45, 3)),
        weight=np.ones((45, 1)),
    )
    return {"world": folder / "lifted.h5", "flipping": folder / "flipping.h5"}


def command(*words: object) -> subprocess.CompletedProcess:
    return called("film.py", *words)


def red(picture: Image.Image) -> float:
    """Share of the pixels that have the wash of an alert."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    return float((np.abs(pixels - [255, 217, 214]).max(-1) < 12).mean())


def test_the_command_writes_a_looping_film_that_flashes_at_each_jump(files, tmp_path):
    output = tmp_path / "film.gif"
    aligned = f"flipping={files['flipping']}"
    done = command(
        "--trajectory", files["world"], "--aligned", aligned, "--frames", 40, "--output", output
    )
    assert done.returncode == 0, done.stderr
    with Image.open(output) as gif:
        assert gif.n_frames == 40 and gif.info["loop"] == 0
        shares = []
        for number in range(40):
            gif.seek(number)
            shares.append(red(gif))
    assert output.stat().st_size < 1_500_000
    words = json.loads((tmp_path / "film.json").read_text())
    start = int(words["finding"].split("steps ")[1].split()[0])
    lit = {start + number for number, share in enumerate(shares) if share > 0.1}
    assert lit == {flip + late for flip in FLIPS for late in range(film.FLASH)}
    assert "flipping 2" in words["finding"] and words["caption"] and words["title"]


def test_the_command_says_what_is_wrong(files, tmp_path):
    absent = command("--trajectory", tmp_path / "none.h5", "--output", tmp_path / "x.gif")
    assert (
        absent.returncode == 1
        and "no such file" in absent.stderr
        and "Traceback" not in absent.stderr
    )
    plain = command(
        "--trajectory",
        files["world"],
        "--aligned",
        f"a={files['world']}",
        "--output",
        tmp_path / "x.gif",
    )
    assert plain.returncode == 1 and "no observable `rotation`" in plain.stderr
    assert not list(tmp_path.iterdir())

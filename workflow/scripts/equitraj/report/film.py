"""A film of one trajectory in several reference frames side by side, with the jumps of each.

A reference frame jumps if it turns by more than a right angle, changes its handedness or loses an
axis from one time to the next. The motion in the film never does that; only a rule does that
decides at each time anew in which direction an axis points.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from equitraj.base.files import atomic
from equitraj.data import trajectory
from equitraj.data.parts import Mean, Stored, parts, parts_of
from equitraj.data.trajectory import Trajectory
from equitraj.frames import Frames, diagnostics
from equitraj.report.figures import style

matplotlib.use("Agg")

LENGTH = 64  # pictures of the film
DURATION = 90  # milliseconds per picture
FLASH = 4  # pictures in which a jump stays red
TRAIL = 8  # pictures in which the path of a point stays visible
DPI = 96
ALERT = "#d00000"


class Look(NamedTuple):
    """The colours of a panel, and the width of its edge."""

    points: str
    edge: str
    edge_width: float
    background: str


STEADY = Look(style.BLUE, style.PALE, 0.8, "white")
JUMPED = Look(ALERT, ALERT, 2.5, "#ffd9d6")


@dataclass(frozen=True)
class Panel:
    """A trajectory in one reference frame.

    Attributes: name; position (T, N, 3); jump (T,), true where the reference frame jumped to reach
    this time; origin (3,), subtracted from the positions that are drawn.
    """

    name: str
    position: np.ndarray | Stored
    jump: np.ndarray
    origin: np.ndarray | float = 0.0


def jumps(rotation: np.ndarray | Stored, episode: np.ndarray) -> np.ndarray:
    """Find where a reference frame jumps, by the rule of the jump rate (`diagnostics.jumps`).

    Args:
        rotation: (T, 3, 3), or the first of (T, F, 3, 3), proper or improper. Rows are the axes;
            undetermined ones are zero.
        episode: (T,); the first time of an episode is no jump.

    Returns:
        (T,) booleans; the first is false.
    """
    numbers = int(np.prod(rotation.shape[1:]))
    is_jump = [np.zeros(1, dtype=bool)]
    for part in parts(len(rotation) - 1, numbers):
        axes = rotation[part.start : part.stop + 1]
        if axes.ndim == 4:
            axes = axes[:, 0]
        before = _frames(axes[:-1])
        after = _frames(axes[1:])
        is_jump.append(diagnostics.jumps(before, after))
    same_episode = [[False], episode[1:] == episode[:-1]]
    return np.concatenate(is_jump) & np.concatenate(same_episode)


def _frames(axes: np.ndarray) -> Frames:
    origin = np.zeros((len(axes), 3))
    return Frames.single(axes, origin)


@contextmanager
def opened_panels(raw: Path, aligned: dict[str, Path]) -> Iterator[tuple[Trajectory, list[Panel]]]:
    """Open a trajectory as recorded, and in the first reference frame of each aligned file.

    Positions are read when needed.

    Raises:
        ValueError: an aligned file has no rotations, or another number of times than the
        trajectory.
    """
    with ExitStack() as files:
        world = files.enter_context(trajectory.opened(raw))
        middle = Mean(kept=1)
        for part in parts_of(world.position):
            middle.add(world.position[part])
        n_times = len(world.position)
        no_jump = np.zeros(n_times, dtype=bool)
        panels = [Panel("raw", world.position, no_jump, middle.value)]
        for name, path in aligned.items():
            inside = files.enter_context(trajectory.opened(path))
            observables = files.enter_context(trajectory.opened_observables(path))
            if "rotation" not in observables:
                raise ValueError(
                    f"{path}: no observable `rotation`; expected a file written by align.py"
                )
            if len(inside.position) != n_times:
                raise ValueError(
                    f"{path}: {len(inside.position)} times, but {raw} has {n_times}; align this "
                    "trajectory"
                )
            is_jump = jumps(observables["rotation"], world.episode)
            panels.append(Panel(name, inside.position, is_jump))
        yield world, panels


def _three(position: np.ndarray) -> np.ndarray:
    """Positions with zeros as the third coordinate of a plane."""
    missing = 3 - position.shape[-1]
    return np.pad(position, [(0, 0), (0, 0), (0, missing)])


def stretch(panels: list[Panel], episode: np.ndarray, length: int = LENGTH) -> slice:
    """Choose the `length` times of one episode with the most jumps.

    Of several adjacent choices it is the middle one. Without jumps it is the first times.

    Args:
        episode: (T,). If no episode is long enough, the stretch spans several.
    """
    count = len(episode)
    length = min(length, count)
    per_time = np.sum([panel.jump for panel in panels], axis=0)
    before = np.concatenate([[0], np.cumsum(per_time)])
    start = np.arange(count - length + 1)
    stop = start + length
    inside = (before[stop] - before[start]).astype(float)
    is_divided = episode[stop - 1] != episode[start]
    inside[is_divided] -= 1e9  # the last choice
    most = inside.max()
    best = np.flatnonzero(inside == most)
    begin = _middle_of_first_run(best) if most >= 1 else int(best[0])
    return slice(begin, begin + length)


def _middle_of_first_run(numbers: np.ndarray) -> int:
    """The middle of the first numbers that follow each other without a gap."""
    gaps = np.diff(numbers, append=np.inf)
    length = np.argmax(gaps > 1) + 1
    return int(numbers[length // 2])


def plane(position: np.ndarray) -> tuple[int, int]:
    """The two coordinates of (T, N, 3) that vary most, in their order, for a flat picture."""
    centred = position - position.mean((0, 1))
    variance = centred.var((0, 1))
    largest = np.argsort(-variance, kind="stable")
    first, second = sorted(largest[:2])
    return int(first), int(second)


def render(panels: list[Panel], bonds: np.ndarray | None, first: int) -> list[Image.Image]:
    """Draw a picture for each time of the panels, with one palette for all.

    Args:
        panels: cut to the stretch that is shown.
        first: number of the first time, for the title.
    """
    figure = Figure(figsize=(2.3 * len(panels), 2.75), dpi=DPI)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.83, bottom=0.12, wspace=0.06)
    canvas = FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    scenes = [Scene(axis, panel, bonds) for axis, panel in zip(axes, panels, strict=True)]
    clock = figure.text(0.5, 0.955, "", ha="center", va="center", fontsize=8, color=style.FAINT)
    pictures = []
    for now in range(len(panels[0].position)):
        clock.set_text(f"time step {first + now}")
        for scene in scenes:
            scene.show(now)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())
        pictures.append(Image.fromarray(pixels).convert("RGB"))
    jumped = np.any([panel.jump for panel in panels], axis=0)
    return _with_one_palette(pictures, int(np.argmax(jumped)))


def _with_one_palette(pictures: list[Image.Image], flash: int) -> list[Image.Image]:
    """Reduce pictures to the colours of the last one, with whole trails, and of one with a jump."""
    both = np.concatenate([pictures[-1], pictures[flash]])
    no_dither = Image.Dither.NONE
    palette = Image.fromarray(both).quantize(64, dither=no_dither)
    return [image.quantize(palette=palette, dither=no_dither) for image in pictures]


class Scene:
    """One panel of the picture, drawn once and then moved from time to time."""

    def __init__(self, axis: Axes, panel: Panel, bonds: np.ndarray | None) -> None:
        self.axis = axis
        self.panel = panel
        self.bonds = np.empty((0, 2), int) if bonds is None else bonds
        position = np.asarray(panel.position)
        self.points = position[..., list(plane(position))]
        self.trail = LineCollection([], colors="#9ec3de", linewidths=0.9)
        self.sticks = LineCollection([], colors=style.FAINT, linewidths=1.2)
        axis.add_collection(self.trail)
        axis.add_collection(self.sticks)
        x, y = self.points[0].T
        self.balls = axis.scatter(x, y, s=16, zorder=3)
        self.point0 = axis.scatter(x[:1], y[:1], s=26, color=style.ORANGE, zorder=4)
        self._set_limits()
        axis.set_title(panel.name, loc="center", fontsize=9)

    def _set_limits(self) -> None:
        low = self.points.min((0, 1))
        high = self.points.max((0, 1))
        extent = (high - low).max()
        half = 0.55 * max(extent, 1e-12)
        x, y = (low + high) / 2
        self.axis.set_xlim(x - half, x + half)
        self.axis.set_ylim(y - half, y + half)
        self.axis.set(xticks=[], yticks=[], aspect="equal")

    def show(self, now: int) -> None:
        """Move everything to a time, in red if the reference frame has just jumped."""
        points = self.points[now]
        jump = self.panel.jump[: now + 1]
        count = int(jump.sum())
        recent = jump[max(now - FLASH + 1, 0) :].any()
        # a trail across a jump would show a motion that never was
        start = max(now - TRAIL, *np.flatnonzero(jump), 0)
        trail = self.points[start : now + 1]
        self.trail.set_segments(list(trail.swapaxes(0, 1)))
        self.sticks.set_segments(list(points[self.bonds]))
        look = JUMPED if recent else STEADY
        self.balls.set(offsets=points, color=look.points)
        self.point0.set_offsets(points[:1])
        self.axis.set_facecolor(look.background)
        self.axis.spines[:].set(visible=True, color=look.edge, linewidth=look.edge_width)
        text = "as recorded" if self.panel.name == "raw" else f"jumps so far: {count}"
        colour = ALERT if count else style.INK
        self.axis.set_xlabel(text, fontsize=8, color=colour)


def save(pictures: list[Image.Image], path: Path) -> None:
    """Write a GIF that loops, in one step."""
    with atomic(path) as temporary:
        pictures[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=DURATION,
            loop=0,
            optimize=True,
        )


def film(
    raw: Path, aligned: dict[str, Path], length: int = LENGTH
) -> tuple[list[Image.Image], dict[str, str]]:
    """Draw the pictures, and write the title, caption and finding of the report."""
    with opened_panels(raw, aligned) as (world, panels):
        part = stretch(panels, world.episode, length)
        cut = [_cut(panel, part) for panel in panels]
        pictures = render(cut, world.bonds, part.start)
        return pictures, words(panels, cut, part)


def _cut(panel: Panel, part: slice) -> Panel:
    """The stretch of a panel; a jump that led to its first time is not shown."""
    position = _three(panel.position[part] - panel.origin)
    jump = panel.jump[part].copy()
    jump[0] = False
    return Panel(panel.name, position, jump)


def words(panels: list[Panel], cut: list[Panel], part: slice) -> dict[str, str]:
    """The title, caption and finding of a film."""
    shown = _counts(cut)
    whole = _counts(panels)
    steps = len(panels[0].position)
    return {
        "title": "One trajectory in several reference frames",
        "caption": "The same motion as recorded and in the reference frame of each alignment, in "
        "the two coordinates that vary most. Red: the reference frame has just turned by more than "
        "90 degrees, changed its handedness or lost an axis, while the points hardly moved. The "
        "orange point is point 0.",
        "finding": f"Jumps in the steps {part.start} to {part.stop - 1} shown: {shown}; in all "
        f"{steps} steps: {whole}.",
    }


def _counts(panels: list[Panel]) -> str:
    """The number of jumps in each panel but the first, which is the recorded motion."""
    counts = []
    for panel in panels[1:]:
        count = int(panel.jump.sum())
        counts.append(f"{panel.name} {count}")
    return style.listing(counts)

"""A film of one trajectory in several frames side by side: what an alignment makes of the same
motion, and its jumps.

A frame jumps where it turns by more than a right angle, changes its handedness or loses an axis
from one time to the next: no motion that the film shows does that, only a rule that decides anew
which way an axis points.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

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

LENGTH = 64  # frames of the film
DURATION = 90  # milliseconds per frame
FLASH = 4  # frames for which a jump stays red
TRAIL = 8  # frames for which the path of a point stays visible
DPI = 96
ALERT, ALERT_WASH = "#d00000", "#ffd9d6"


@dataclass(frozen=True)
class Panel:
    """Attributes: name; position (T, N, 3) in its frame; jump (T,), true where the frame jumped to
    reach this time; origin (3,), from where the positions are to be seen."""

    name: str
    position: np.ndarray | Stored
    jump: np.ndarray
    origin: np.ndarray | float = 0.0


def jumps(rotation: np.ndarray | Stored, episode: np.ndarray) -> np.ndarray:
    """Where a frame jumps, by the rule of the jump rate (`diagnostics.jumps`).

    Args:
        rotation: (T, 3, 3), or the first of (T, F, 3, 3), proper or improper, rows are the axes;
            undetermined ones are zero.
        episode: (T,); the first time of an episode is no jump.

    Returns:
        (T,) booleans; the first is false.
    """
    found = [np.zeros(1, dtype=bool)]
    for part in parts(len(rotation) - 1, int(np.prod(rotation.shape[1:]))):
        axes = rotation[part.start : part.stop + 1]
        axes = axes[:, 0] if axes.ndim == 4 else axes
        before, after = (
            Frames.single(side, np.zeros((len(side), 3))) for side in (axes[:-1], axes[1:])
        )
        found.append(diagnostics.jumps(before, after))
    return np.concatenate(found) & np.concatenate([[False], episode[1:] == episode[:-1]])


@contextmanager
def opened_panels(raw: Path, aligned: dict[str, Path]) -> Iterator[tuple[Trajectory, list[Panel]]]:
    """The trajectory as it is and in the first frame of each aligned file, positions read when
    needed.

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
        panels = [Panel("raw", world.position, np.zeros(n_times, dtype=bool), middle.value)]
        for name, path in aligned.items():
            inside = files.enter_context(trajectory.opened(path))
            observables = files.enter_context(trajectory.opened_observables(path))
            if "rotation" not in observables:
                raise ValueError(
                    f"{path}: no observable `rotation`; expected a file written by align.py"
                )
            if len(inside.position) != n_times:
                raise ValueError(
                    f"{path}: {len(inside.position)} times, but {raw} has {n_times}; align this trajectory"
                )
            panels.append(
                Panel(name, inside.position, jumps(observables["rotation"], world.episode))
            )
        yield world, panels


def _three(position: np.ndarray) -> np.ndarray:
    return np.pad(position, [(0, 0), (0, 0), (0, 3 - position.shape[-1])])


def stretch(panels: list[Panel], episode: np.ndarray, length: int = LENGTH) -> slice:
    """The `length` times of one episode with the most jumps (in the middle of those with as many),
    or the first times.

    Args:
        episode: (T,). Where no episode is long enough, the stretch spans several.
    """
    count = len(episode)
    length = min(length, count)
    total = np.concatenate([[0], np.cumsum(np.sum([panel.jump for panel in panels], axis=0))])
    start = np.arange(count - length + 1)
    inside = (total[start + length] - total[start]).astype(float)
    inside[episode[start + length - 1] != episode[start]] -= 1e9  # the last choice
    best = np.flatnonzero(inside == inside.max())
    run = best[: np.argmax(np.diff(np.append(best, np.inf)) > 1) + 1]
    begin = int(run[len(run) // 2]) if inside.max() >= 1 else int(best[0])
    return slice(begin, begin + length)


def plane(position: np.ndarray) -> tuple[int, int]:
    """The two coordinates of (T, N, 3) that vary most, in their order: what a flat picture should
    show."""
    spread = (position - position.mean((0, 1))).var((0, 1))
    first, second = sorted(np.argsort(-spread, kind="stable")[:2])
    return int(first), int(second)


def render(panels: list[Panel], bonds: np.ndarray | None, first: int) -> list[Image.Image]:
    """A picture for each time of the panels (already cut to the stretch), with one palette for all.

    Args:
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
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    return _with_one_palette(
        pictures, int(np.argmax(np.any([panel.jump for panel in panels], axis=0)))
    )


def _with_one_palette(pictures: list[Image.Image], flash: int) -> list[Image.Image]:
    """Colours of the last picture, whose trails are whole, and of one with a jump, so that red is
    among them."""
    palette = Image.fromarray(np.concatenate([pictures[-1], pictures[flash]])).quantize(
        64, dither=Image.Dither.NONE
    )
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in pictures]


class Scene:
    """One panel of the picture, drawn once and then moved from time to time."""

    def __init__(self, axis: Axes, panel: Panel, bonds: np.ndarray | None) -> None:
        self.axis, self.panel, self.bonds = (
            axis,
            panel,
            np.empty((0, 2), int) if bonds is None else bonds,
        )
        self.points = panel.position[..., plane(panel.position)]
        self.trail = axis.add_collection(LineCollection([], colors="#9ec3de", linewidths=0.9))
        self.sticks = axis.add_collection(LineCollection([], colors=style.FAINT, linewidths=1.2))
        self.balls = axis.scatter(*self.points[0].T, s=16, zorder=3)
        self.point0 = axis.scatter(*self.points[0, :1].T, s=26, color=style.ORANGE, zorder=4)
        low, high = self.points.min((0, 1)), self.points.max((0, 1))
        half = 0.55 * max((high - low).max(), 1e-12)
        x, y = (low + high) / 2
        axis.set(
            xlim=(x - half, x + half),
            ylim=(y - half, y + half),
            xticks=[],
            yticks=[],
            aspect="equal",
        )
        axis.set_title(panel.name, loc="center", fontsize=9)

    def show(self, now: int) -> None:
        """Move everything to a time; red where the frame has just jumped."""
        jump = self.panel.jump[: now + 1]
        recent, count = jump[max(now - FLASH + 1, 0) :].any(), int(jump.sum())
        start = max(
            now - TRAIL, *np.flatnonzero(jump), 0
        )  # a trail across a jump would be a motion that never was
        self.trail.set_segments(list(self.points[start : now + 1].swapaxes(0, 1)))
        self.sticks.set_segments(list(self.points[now][self.bonds]))
        self.balls.set(offsets=self.points[now], color=ALERT if recent else style.BLUE)
        self.point0.set_offsets(self.points[now, :1])
        self.axis.set_facecolor(ALERT_WASH if recent else "white")
        self.axis.spines[:].set(
            visible=True, color=ALERT if recent else style.PALE, linewidth=2.5 if recent else 0.8
        )
        text = "as recorded" if self.panel.name == "raw" else f"jumps so far: {count}"
        self.axis.set_xlabel(text, fontsize=8, color=ALERT if count else style.INK)


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
    """The pictures, and what the report says of them: title, caption and finding."""
    with opened_panels(raw, aligned) as (world, panels):
        part = stretch(panels, world.episode, length)
        cut = [
            Panel(p.name, _three(p.position[part] - p.origin), _inside(p.jump[part]))
            for p in panels
        ]
        return render(cut, world.bonds, part.start), words(panels, cut, part)


def _inside(jump: np.ndarray) -> np.ndarray:
    """The jumps of a stretch: one that led to its first time is not shown."""
    return np.concatenate([[False], jump[1:]])


def words(panels: list[Panel], cut: list[Panel], part: slice) -> dict[str, str]:
    """Title, caption and finding."""
    shown = [f"{p.name} {int(p.jump.sum())}" for p in cut[1:]]
    whole = [f"{p.name} {int(p.jump.sum())}" for p in panels[1:]]
    steps = len(panels[0].position)
    return {
        "title": "One trajectory in several frames",
        "caption": "The same motion as recorded and in the frame of each alignment, in the two coordinates that vary "
        "most. Red: the frame has just turned by more than 90 degrees, changed its handedness or lost an axis, while "
        "the points hardly moved. The orange point is point 0.",
        "finding": f"Jumps in the steps {part.start} to {part.stop - 1} shown: {style.listing(shown)}; in all {steps} "
        f"steps: {style.listing(whole)}.",
    }

"""The numbers that a figure shows, by panel and method, with the places where it draws them.

A method's lines and markers are identified by its colour, which no other method has. Cells of a
matrix have no such colour: their ids name the method, and `tell` records their numbers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

MOST = 200  # points of a line
MARK = "method."  # the start of the ids of a method's artists, in the SVG too
POINTS_PER_INCH = 72
Cell = tuple[str, str, float, float, float]  # method, x, y, and the place in data coordinates


@dataclass(frozen=True)
class Matrix:
    """What a panel of cells shows: the names of x and y, and the cells."""

    x: str
    y: str
    cells: list[Cell]


_MATRICES: WeakKeyDictionary[Axes, Matrix] = WeakKeyDictionary()


def gid(method: str, *number: int) -> str:
    """The id of an artist of a method; numbers distinguish the artists of one method."""
    parts = [method, *map(str, number)]
    return MARK + ".".join(parts)


def tell(axes: Axes, x: str, y: str, cells: Iterable[Cell]) -> None:
    """Record what the cells of a panel show.

    Args:
        x: the name of x; y: the name of y.
        cells: method, x, y, and the place in data coordinates of each cell.
    """
    matrix = Matrix(x, y, list(cells))
    _MATRICES[axes] = matrix


def data(figure: Figure, methods: dict[str, str]) -> dict[str, list[dict]]:
    """The panels of a figure, and the series of points in them.

    Args:
        methods: the colour of each method.

    Returns:
        `panels`: title and names of x and y. `series`: number of the panel, method, and points as
        x and y in the SVG (in points, from the upper left corner), then x and y of the data.
    """
    by_colour = {colour: method for method, colour in methods.items()}
    series: list[dict] = []
    for number, axes in enumerate(figure.axes):
        shown = [*_curves(figure, axes, by_colour), *_cells(figure, axes)]
        series += [{"panel": number, **one} for one in shown]
    panels = [_panel(axes) for axes in figure.axes]
    return {"panels": panels, "series": series}


def _panel(axes: Axes) -> dict[str, str]:
    names = {
        "title": axes.get_title(loc="left") or axes.get_title() or axes.get_xlabel(),
        "x": axes.get_xlabel(),
        "y": axes.get_ylabel(),
    }
    if axes in _MATRICES:
        matrix = _MATRICES[axes]
        names |= {"x": matrix.x, "y": matrix.y}
    return names


def _curves(figure: Figure, axes: Axes, by_colour: dict[str, str]) -> Iterator[dict]:
    """The method and points of each line and marker that has the colour of a method."""
    for colour, points in _drawn(axes):
        if colour not in by_colour:
            continue
        places = _places(figure, axes, points)
        rows = np.column_stack([places, points])
        finite = np.isfinite(rows).all(1)
        stride = -(-len(points) // MOST)
        shown = rows[finite][::stride]
        if len(shown):
            numbers = [_rounded(*row) for row in shown]
            yield {"method": by_colour[colour], "points": numbers}


def _rounded(across: float, down: float, x: float, y: float) -> list[float]:
    return [
        round(across, 1),
        round(down, 1),
        _six_digits(x),
        _six_digits(y),
    ]


def _six_digits(value: float) -> float:
    return float(f"{value:.6g}")


def _cells(figure: Figure, axes: Axes) -> Iterator[dict]:
    """The method and the point of each cell whose number is finite."""
    if axes not in _MATRICES:
        return
    for method, x, y, *place in _MATRICES[axes].cells:
        if not np.isfinite(y):
            continue
        ((across, down),) = _places(figure, axes, np.array([place]))
        point = [round(across, 1), round(down, 1), x, _six_digits(y)]
        yield {"method": method, "points": [point]}


def _places(figure: Figure, axes: Axes, points: np.ndarray) -> np.ndarray:
    """Where data coordinates (P, 2) lie in the SVG (P, 2)."""
    height = figure.get_size_inches()[1] * POINTS_PER_INCH
    pixels = axes.transData.transform(points)
    places = pixels * POINTS_PER_INCH / figure.dpi
    return np.column_stack([places[:, 0], height - places[:, 1]])


def _drawn(axes: Axes) -> Iterator[tuple[str, np.ndarray]]:
    """Colour and points (P, 2) of each line and each marker that lies in data coordinates."""
    for artist in axes.get_children():
        if isinstance(artist, Line2D) and artist.get_transform() == axes.transData:
            x, y = artist.get_data(orig=False)
            points = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
            yield to_hex(artist.get_color()), points.reshape(-1, 2)
        elif isinstance(artist, PathCollection) and _in_data(artist, axes):
            yield from _markers(artist)


def _markers(artist: PathCollection) -> Iterator[tuple[str, np.ndarray]]:
    places = np.asarray(artist.get_offsets(), float)
    colours = np.asarray(artist.get_facecolor())
    for colour, place in zip(colours, places, strict=False):
        yield to_hex(colour), place[None]


def _in_data(artist: PathCollection, axes: Axes) -> bool:
    transform = artist.get_offset_transform()
    return transform.contains_branch(axes.transData)

"""The numbers that a figure shows, by panel and method, with the places where it draws them.

A method's artists are found by its colour, which no other has; those without one, as the cells of a
matrix, by their `gid`, and their numbers are told.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

MOST = 200  # points of a line
MARK = "method."  # begins the ids of what belongs to a method, in the SVG too


def gid(method: str, *number: int) -> str:
    """The id of an artist that belongs to a method, of several with numbers of its own."""
    return MARK + ".".join([method, *map(str, number)])


def tell(axes: Axes, x: str, y: str, cells: Iterable[tuple[str, str, float, float, float]]) -> None:
    """Say what cells show: names of x and y, and of each cell the method, x, y, and its place in
    data coordinates."""
    axes.told = {"x": x, "y": y, "cells": list(cells)}


def data(figure: Figure, methods: dict[str, str]) -> dict:
    """`panels`, their titles, and `series`: panel, method and points (x, y in the SVG, x, y of the
    data).

    Args:
        methods: colour of each method.
    """
    by_colour = {colour: method for method, colour in methods.items()}
    height = figure.get_size_inches()[1] * 72
    series = []
    for number, axes in enumerate(figure.axes):
        for artist, points in _drawn(axes):
            if (method := by_colour.get(artist)) is None:
                continue
            places = axes.transData.transform(points) * 72 / figure.dpi
            rows = np.column_stack([places[:, 0], height - places[:, 1], points])
            rows = rows[np.isfinite(rows).all(1)][:: -(-len(rows) // MOST)]
            numbers = [
                [round(x, 1), round(y, 1), *(float(f"{v:.6g}") for v in rest)]
                for x, y, *rest in rows
            ]
            if numbers:
                series.append({"panel": number, "method": method, "points": numbers})
        series += [{"panel": number, **one} for one in _told(axes, height, figure.dpi)]
    titles = [
        axes.get_title(loc="left") or axes.get_title() or axes.get_xlabel() for axes in figure.axes
    ]
    names = [
        {"title": t, "x": a.get_xlabel(), "y": a.get_ylabel()}
        for t, a in zip(titles, figure.axes, strict=True)
    ]
    for name, axes in zip(names, figure.axes, strict=True):
        name |= {
            key: value for key, value in getattr(axes, "told", {}).items() if key in ("x", "y")
        }
    return {"panels": names, "series": series}


def _told(axes: Axes, height: float, dpi: float) -> Iterator[dict]:
    for method, x, y, *place in getattr(axes, "told", {"cells": []})["cells"]:
        if np.isfinite(y):
            across, up = axes.transData.transform(place) * 72 / dpi
            yield {
                "method": method,
                "points": [[round(across, 1), round(height - up, 1), x, float(f"{y:.6g}")]],
            }


def _drawn(axes: Axes) -> Iterator[tuple[str, np.ndarray]]:
    """Colour and points (P, 2) of each line and set of markers that lies in data coordinates."""
    for artist in axes.get_children():
        if not _in_data(artist, axes):
            continue
        if isinstance(artist, Line2D):
            x, y = (np.asarray(v, dtype=float) for v in artist.get_data(orig=False))
            yield to_hex(artist.get_color()), np.column_stack([x, y]).reshape(-1, 2)
        elif isinstance(artist, PathCollection) and len(artist.get_offsets()):
            for colour, place in zip(
                artist.get_facecolors(), np.asarray(artist.get_offsets(), float), strict=False
            ):
                yield to_hex(colour), place[None]


def _in_data(artist: Artist, axes: Axes) -> bool:
    if isinstance(artist, PathCollection):
        return artist.get_offset_transform().contains_branch(axes.transData)
    return isinstance(artist, Line2D) and artist.get_transform() == axes.transData

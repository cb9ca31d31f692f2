"""Figures as part of the page: SVG whose colours are variables of the page and whose elements know
their method."""

import re

from markupsafe import Markup

from equitraj.report.figures._data import MARK
from equitraj.report.figures.style import BLUE, FAINT, GREEN, INK, ORANGE, PALE, PURPLE, RED, WRONG

THEME = {
    INK: "--ink",
    FAINT: "--soft",
    PALE: "--line",
    WRONG: "--wrong",
    "#ffffff": "--paper",
    "#000000": "--ink",
}
PALETTE = {BLUE: "--blue", ORANGE: "--orange", GREEN: "--green", RED: "--red", PURPLE: "--purple"}
DARK = "#14171c"  # the page at night
CONTRAST = 4.5  # of text, WCAG 2.2, criterion 1.4.3
ELEMENT = re.compile(r"<(path|use|text|rect)\b[^>]*>")
LABEL = re.compile(r"<text\b([^>]*)>([^<]*)</text>")


def inlined(svg: str, name: str, methods: dict[str, str]) -> Markup:
    """An SVG file as an element of a page.

    Its ids begin with the figure's name, so that no two figures share one; colours are variables:
    those of the theme, and `--m-METHOD` of a method, whose elements have the classes `m` and
    `m-METHOD`.
    """
    methods = safe(methods)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 role="img" focusable="false"', svg, count=1)
    by_colour = {colour: method for method, colour in methods.items()}
    svg = ELEMENT.sub(lambda found: _classed(found[0], by_colour), svg)
    svg = re.sub(
        rf'<g id="({name}-{re.escape(MARK)}(\w+)[^"]*)"', r'<g class="m m-\2" id="\1"', svg
    )
    svg = LABEL.sub(lambda found: _label(found, methods), svg)
    for colour, method in by_colour.items():
        svg = svg.replace(colour, f"var(--m-{method},{colour})")
    for colour, variable in (THEME | PALETTE).items():
        svg = svg.replace(f"{colour};", f"var({variable},{colour});").replace(
            f'{colour}"', f'var({variable},{colour})"'
        )
    # text without a colour of its own is black, whatever the page
    svg = re.sub(r'<text(?![^>]*fill:)([^>]*) style="', r'<text\1 style="fill: var(--ink); ', svg)
    return Markup(svg)


def safe(methods: dict[str, str]) -> dict[str, str]:
    """The methods whose name and colour can stand in a style sheet: all that a configuration lets
    pass."""
    return {
        m: c
        for m, c in methods.items()
        if re.fullmatch(r"\w+", m) and re.fullmatch(r"#[0-9a-f]{6}", c)
    }


def _classed(element: str, by_colour: dict[str, str]) -> str:
    for colour in re.findall(r"#[0-9a-f]{6}", element):
        if method := by_colour.get(colour):
            return re.sub(r"^<(\w+)", rf'<\1 class="m m-{method}"', element)
    return element


def _label(found: re.Match, methods: dict[str, str]) -> str:
    """A text that is the name of a method."""
    if (method := found[2].strip()) not in methods or "class=" in found[1]:
        return found[0]
    return f'<text class="m m-{method}"{found[1]}>{found[2]}</text>'


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def at_night(colour: str) -> str:
    """The colour mixed with as much white as it takes to be read on a dark page."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    for step in range(21):
        mixed = "#" + "".join(f"{round(p + (255 - p) * step / 20):02x}" for p in parts)
        if contrast(mixed, DARK) >= CONTRAST:
            return mixed
    return "#ffffff"


def variables(methods: dict[str, str], night: bool = False) -> Markup:
    """The colours of methods, and those of what is no method, as CSS variables."""
    found = {f"--m-{m}": c for m, c in safe(methods).items()} | {v: c for c, v in PALETTE.items()}
    return Markup(
        " ".join(
            f"{name}: {at_night(colour) if night else colour};" for name, colour in found.items()
        )
    )

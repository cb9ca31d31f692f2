"""Figures as part of the page: SVG whose colours follow the page, with a class for each method."""

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
DARK = "#14171c"  # background of the page at night
CONTRAST = 4.5  # of text, WCAG 2.2, criterion 1.4.3
CHANNELS = (1, 3, 5)  # where red, green and blue begin in #rrggbb
COLOUR = re.compile(r"#[0-9a-f]{6}")
ELEMENT = re.compile(r"<(path|use|text|rect)\b[^>]*>")
LABEL = re.compile(r"<text\b([^>]*)>([^<]*)</text>")


def inlined(svg: str, name: str, methods: dict[str, str]) -> Markup:
    """Turn an SVG file into an element of a page.

    Its ids begin with the figure's name, so that no two figures share one. Its colours are
    variables of the theme, or `--m-METHOD` of a method, whose elements have the classes `m` and
    `m-METHOD`.

    Args:
        methods: the colour of each method.
    """
    methods = safe(methods)
    svg = _cleaned(svg, name)
    by_colour = {colour: method for method, colour in methods.items()}

    def classed(match: re.Match[str]) -> str:
        return _classed(match[0], by_colour)

    def label(match: re.Match[str]) -> str:
        return _label(match, methods)

    svg = ELEMENT.sub(classed, svg)
    marked = rf'<g id="({name}-{re.escape(MARK)}(\w+)[^"]*)"'
    svg = re.sub(marked, r'<g class="m m-\2" id="\1"', svg)
    svg = LABEL.sub(label, svg)
    for colour, method in by_colour.items():
        svg = svg.replace(colour, f"var(--m-{method},{colour})")
    for colour, variable in (THEME | PALETTE).items():
        reference = f"var({variable},{colour})"
        svg = svg.replace(f"{colour};", f"{reference};")
        svg = svg.replace(f'{colour}"', f'{reference}"')
    # text without a colour is black on every page
    svg = re.sub(r'<text(?![^>]*fill:)([^>]*) style="', r'<text\1 style="fill: var(--ink); ', svg)
    return Markup(svg)


def _cleaned(svg: str, name: str) -> str:
    """An SVG element without metadata and size, with ids that begin with the figure's name."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    return re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 role="img" focusable="false"', svg, count=1)


def safe(methods: dict[str, str]) -> dict[str, str]:
    """The methods whose name and colour can be part of a style sheet.

    A configuration only admits such methods.
    """
    allowed = {}
    for method, colour in methods.items():
        if re.fullmatch(r"\w+", method) and COLOUR.fullmatch(colour):
            allowed[method] = colour
    return allowed


def _classed(element: str, by_colour: dict[str, str]) -> str:
    """An element with the classes of the method whose colour it has."""
    for colour in COLOUR.findall(element):
        if colour in by_colour:
            classes = f"m m-{by_colour[colour]}"
            return re.sub(r"^<(\w+)", rf'<\1 class="{classes}"', element)
    return element


def _label(match: re.Match[str], methods: dict[str, str]) -> str:
    """A text element; with the classes of a method if the text is its name."""
    attributes, text = match.groups()
    method = text.strip()
    if method not in methods or "class=" in attributes:
        return match[0]
    return f'<text class="m m-{method}"{attributes}>{text}</text>'


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> list[int]:
    return [int(colour[begin : begin + 2], 16) for begin in CHANNELS]


def _linear(channel: float) -> float:
    """A channel of sRGB, 0 to 1, without gamma correction."""
    if channel <= 0.04045:
        return channel / 12.92
    return ((channel + 0.055) / 1.055) ** 2.4


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def at_night(colour: str) -> str:
    """Mix a colour with as much white as it needs to be readable on a dark page."""
    channels = _channels(colour)
    for step in range(21):
        mixed = "#"
        for channel in channels:
            lighter = channel + (255 - channel) * step / 20
            mixed += f"{round(lighter):02x}"
        if contrast(mixed, DARK) >= CONTRAST:
            return mixed
    return "#ffffff"


def variables(methods: dict[str, str], night: bool = False) -> Markup:
    """Write the colours of methods and of the palette as CSS variables."""
    colours = {f"--m-{method}": colour for method, colour in safe(methods).items()}
    for colour, variable in PALETTE.items():
        colours[variable] = colour
    lines = []
    for variable, colour in colours.items():
        if night:
            colour = at_night(colour)
        lines.append(f"{variable}: {colour};")
    return Markup(" ".join(lines))

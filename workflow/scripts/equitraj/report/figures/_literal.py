"""Names are drawn as they are: a dollar sign in one begins no formula, which matplotlib would set
or fail on."""

import re

from matplotlib.figure import Figure
from matplotlib.text import Text

OURS = re.compile(
    r"\$10\^\{-?\d+\}\$|\$\\mathdefault\{.*\}\$"
)  # the powers of ten that axes and tables show


def literal(figure: Figure) -> None:
    """Set every text of a figure as it stands, powers of ten aside."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels(which="both")  # they get their texts here
    for text in figure.findobj(Text):
        if "$" in text.get_text() and not OURS.fullmatch(text.get_text()):
            text.set_parse_math(False)

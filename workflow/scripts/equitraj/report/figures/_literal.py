"""Draw names literally: a dollar sign in a name does not begin a formula.

As a formula, matplotlib would change the text or fail.
"""

import re

from matplotlib.figure import Figure
from matplotlib.text import Text

# the powers of ten that axes and tables show
OURS = re.compile(r"\$10\^\{-?\d+\}\$|\$\\mathdefault\{.*\}\$")


def literal(figure: Figure) -> None:
    """Turn off formulas in every text of a figure, except in powers of ten."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels(which="both")  # this sets the texts of the labels
    for text in figure.findobj(Text):
        assert isinstance(text, Text)  # for the type checker
        words = text.get_text()
        if "$" in words and not OURS.fullmatch(words):
            text.set_parse_math(False)

"""The step from values to HTML: the template, its filters, and JSON for the scripts of a page."""

import json
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from equitraj.report import tables
from equitraj.report.glossary import meaning

TEMPLATES = Path(__file__).parents[3] / "report"
SHORT_NAME = 16  # characters; a shorter name is never broken


def as_json(value: object) -> Markup:
    """JSON that may stand in HTML."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def code_spans(text: str) -> Markup:
    """Escape a text, set `backticks` as <code>, and keep a number with an exponent on one line."""

    def code(match: re.Match[str]) -> str:
        return f"<code>{breakable(match[1])}</code>"

    escaped = str(escape(text))
    marked = re.sub(r"`([^`]*)`", code, escaped)
    number = r"(-?\d[\d.]*e[+-]\d+)"
    return Markup(re.sub(number, r'<span class="nowrap">\1</span>', marked))


def breakable(name: str) -> Markup:
    """A name that a narrow page may break after its underscores, if it is long."""
    escaped = escape(name)
    if len(name) <= SHORT_NAME:
        return escaped
    return escaped.replace("_", Markup("_<wbr>"))


def render(values: dict, template: str = "report.html") -> str:
    """Write the HTML page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "code_spans": code_spans,
        "breakable": breakable,
        "meaning": meaning,
        "named": tables.named,
    }
    return environment.get_template(template).render(values)

"""How values become HTML: the template, its filters, and JSON for the scripts of a page."""

import json
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from equitraj.report import tables
from equitraj.report.glossary import meaning

TEMPLATES = Path(__file__).parents[3] / "report"
SHORT_NAME = 16  # characters of a name that is never broken


def as_json(value: object) -> Markup:
    """JSON that may stand in HTML."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))


def code_spans(text: str) -> Markup:
    """Escaped text in which `backticks` have become <code>, and numbers with an exponent are never
    broken."""
    marked = re.sub(
        r"`([^`]*)`", lambda found: f"<code>{breakable(found[1])}</code>", str(escape(text))
    )
    return Markup(re.sub(r"(-?\d[\d.]*e[+-]\d+)", r'<span class="nowrap">\1</span>', marked))


def breakable(name: str) -> Markup:
    """A name that a narrow page breaks behind its underscores, if it is a long one."""
    return escape(name).replace("_", Markup("_<wbr>")) if len(name) > SHORT_NAME else escape(name)


def render(values: dict, template: str = "report.html") -> str:
    """The HTML page."""
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

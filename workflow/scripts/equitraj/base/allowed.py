"""What a value may be: the constraint that stands beside an option's default, and the sentence that
names it.

    width: Annotated[int, Range(1, 4096)] = 128
    schedule: Literal["cosine", "constant"] = "cosine"

The workflow reads it from the text (`registry.dataclass_fields`) and refuses a wrong value before
anything runs; a class derived from `Checked` refuses it when it is built in Python;
docs/configuration.md prints it.
"""

import dataclasses
import difflib
import re
import sys
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Literal, get_args, get_origin, get_type_hints


def nearest(word: str, allowed: list[str]) -> str:
    """A sentence that lists what is allowed and names the nearest match."""
    close = difflib.get_close_matches(str(word), [str(a) for a in allowed], n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"allowed: {', '.join(map(str, allowed))}.{hint}"


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`; `above` and `below` are bounds that are not allowed
    themselves."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def allows(self, value: float) -> bool:
        """Whether a number lies in the range."""
        low = (self.least is None or value >= self.least) and (
            self.above is None or value > self.above
        )
        return (
            low
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"{self.least} to {self.most}"
        words = {
            "at least": self.least,
            "at most": self.most,
            "above": self.above,
            "below": self.below,
        }
        return " and ".join(f"{word} {bound}" for word, bound in words.items() if bound is not None)


@dataclass(frozen=True)
class Pattern:
    """Text that a regular expression matches as a whole; `words` say what that is."""

    expression: str
    words: str

    def allows(self, value: str) -> bool:
        """Whether a text matches."""
        return re.fullmatch(self.expression, value) is not None

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Indices:
    """From `least` to `most` different indices of points, counted from 0."""

    least: int
    most: int

    def allows(self, value: list | tuple) -> bool:
        """Whether these are so many different indices."""
        whole = all(
            isinstance(index, Integral) and not isinstance(index, bool) and index >= 0
            for index in value
        )
        return whole and self.least <= len(value) <= self.most and len(set(value)) == len(value)

    def __str__(self) -> str:
        return f"{self.least} to {self.most} different indices of points, counted from 0"


@dataclass(frozen=True)
class Choice:
    """One of some values: what `Literal[...]` in an annotation becomes."""

    values: tuple

    def __str__(self) -> str:
        return " or ".join(map(str, self.values))


Constraint = Range | Pattern | Indices | Choice
CONSTRAINTS = {constraint.__name__: constraint for constraint in (Range, Pattern, Indices)}
KINDS = {
    bool: bool,
    int: Integral,
    float: Real,
    str: str,
    tuple: (list, tuple),
    list: (list, tuple),
    dict: dict,
}


@dataclass(frozen=True)
class Option:
    """Attributes: default, whose type is that of every value; allowed, what else a value must be,
    or None."""

    default: object
    allowed: Constraint | None = None

    def check(self, key: str, value: object) -> None:
        """Raise ValueError that names key, value and what is expected unless the value is allowed."""
        if isinstance(self.allowed, Choice):
            if value not in self.allowed.values or type(value) is not type(self.default):
                raise ValueError(
                    f"{key}: unknown value {value!r}; {nearest(value, list(self.allowed.values))}"
                )
            return
        kind = type(self.default)
        expected = f"expected {'list' if kind is tuple else kind.__name__}"
        if not isinstance(value, KINDS.get(kind, object)) or (
            isinstance(value, bool) and kind is not bool
        ):
            hint = "; write 1.0e-3 for 1e-3, which YAML reads as text" if kind is float else ""
            raise ValueError(f"{key}: {value!r}; {expected}, as in {self.default!r}{hint}")
        if kind is float and not abs(value) <= sys.float_info.max:
            raise ValueError(f"{key}: {value!r}; expected a finite number")
        if self.allowed is not None and not self.allowed.allows(value):
            example = f", as in {self.default!r}" if isinstance(self.allowed, Pattern) else ""
            raise ValueError(f"{key}: {value!r}; {expected}, {self.allowed}{example}")


@cache
def options(cls: type) -> dict[str, Option]:
    """The options of a dataclass: its fields with their defaults and constraints."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        field.name: Option(field.default, _constraint(hints[field.name]))
        for field in dataclasses.fields(cls)
    }


def _constraint(hint: object) -> Constraint | None:
    if get_origin(hint) is Literal:
        return Choice(get_args(hint))
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((extra for extra in extras if isinstance(extra, tuple(CONSTRAINTS.values()))), None)


@dataclass(frozen=True)
class Checked:
    """A dataclass whose values are checked when it is built.

    Raises:
        ValueError: a value that is not allowed; the message begins with the module's name and the
        option's.
    """

    def __post_init__(self) -> None:
        for name, option in options(type(self)).items():
            option.check(f"{type(self).__module__.rpartition('.')[2]}: {name}", getattr(self, name))

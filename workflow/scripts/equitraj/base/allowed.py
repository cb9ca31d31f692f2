"""Constraints on options, and the sentences that explain them. One follows each option's type:

    width: Annotated[int, Range(1, 4096)] = 128
    schedule: Literal["cosine", "constant"] = "cosine"

The workflow reads the constraint from the file's text (`registry.dataclass_fields`) and refuses a
wrong value before anything runs. A class derived from `Checked` refuses a wrong value when an
object is built in Python. docs/configuration.md prints the constraint.
"""

import dataclasses
import difflib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints


def nearest(word: object, allowed: Iterable[object]) -> str:
    """Return a sentence that lists the allowed words and names the nearest match."""
    words = [str(each) for each in allowed]
    matches = difflib.get_close_matches(str(word), words, n=1, cutoff=0.5)
    listed = ", ".join(words)
    hint = f" Did you mean {matches[0]!r}?" if matches else ""
    return f"allowed: {listed}.{hint}"


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`; the bounds `above` and `below` are excluded."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def allows(self, value: float) -> bool:
        """Whether a number lies in the range."""
        if self.least is not None and not value >= self.least:
            return False
        if self.above is not None and not value > self.above:
            return False
        if self.most is not None and not value <= self.most:
            return False
        return self.below is None or value < self.below

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
        """Whether these are indices, all different, of an allowed number."""
        if not all(_is_index(each) for each in value):
            return False
        are_different = len(set(value)) == len(value)
        return are_different and self.least <= len(value) <= self.most

    def __str__(self) -> str:
        return f"{self.least} to {self.most} different indices of points, counted from 0"


def _is_index(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, Integral):
        return False
    return int(value) >= 0


@dataclass(frozen=True)
class Choice:
    """One of some values: what `Literal[...]` in an annotation becomes."""

    values: tuple

    def __str__(self) -> str:
        return " or ".join(map(str, self.values))


Constraint = Range | Pattern | Indices | Choice
CONSTRAINTS = {constraint.__name__: constraint for constraint in (Range, Pattern, Indices)}
KINDS: dict[type, type | tuple[type, ...]] = {
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
    """An option with its default, whose type every value must have, and its constraint or None."""

    default: object
    allowed: Constraint | None = None

    def check(self, key: str, value: object) -> None:
        """Check a value.

        Raises:
            ValueError: the value is not allowed; the message names key, value and what is expected.
        """
        kind = type(self.default)
        if isinstance(self.allowed, Choice):
            if value not in self.allowed.values or type(value) is not kind:
                hint = nearest(value, self.allowed.values)
                raise ValueError(f"{key}: unknown value {value!r}; {hint}")
            return
        self._check_type(key, value)
        if kind is float and not abs(cast(float, value)) <= sys.float_info.max:
            raise ValueError(f"{key}: {value!r}; expected a finite number")
        if self.allowed is None or self.allowed.allows(cast(Any, value)):  # the type was checked
            return
        example = f", as in {self.default!r}" if isinstance(self.allowed, Pattern) else ""
        raise ValueError(f"{key}: {value!r}; {self._expected}, {self.allowed}{example}")

    @property
    def _expected(self) -> str:
        kind = type(self.default)
        name = "list" if kind is tuple else kind.__name__
        return f"expected {name}"

    def _check_type(self, key: str, value: object) -> None:
        kind = type(self.default)
        is_kind = isinstance(value, KINDS.get(kind, object))
        is_wrong_bool = isinstance(value, bool) and kind is not bool
        if is_kind and not is_wrong_bool:
            return
        hint = "; write 1.0e-3 for 1e-3, which YAML reads as text" if kind is float else ""
        raise ValueError(f"{key}: {value!r}; {self._expected}, as in {self.default!r}{hint}")


@cache
def options(cls: Any) -> dict[str, Option]:
    """Return the options of a dataclass: its fields with their defaults and constraints."""
    hints = get_type_hints(cls, include_extras=True)
    constraints = {name: _constraint(hint) for name, hint in hints.items()}
    fields = dataclasses.fields(cls)
    return {field.name: Option(field.default, constraints[field.name]) for field in fields}


def _constraint(hint: object) -> Constraint | None:
    if get_origin(hint) is Literal:
        return Choice(get_args(hint))
    if get_origin(hint) is not Annotated:
        return None
    for extra in get_args(hint)[1:]:
        if isinstance(extra, Range | Pattern | Indices):
            return extra
    return None


@dataclass(frozen=True)
class Checked:
    """A dataclass that checks its values when it is built.

    Raises:
        ValueError: a value is not allowed; the message begins with the names of module and option.
    """

    def __post_init__(self) -> None:
        cls: Any = type(self)  # mypy takes dataclasses for unhashable
        module = cls.__module__.rpartition(".")[2]
        for name, option in options(cls).items():
            value = getattr(self, name)
            option.check(f"{module}: {name}", value)

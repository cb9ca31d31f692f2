"""Addresses whose passwords only their server sees: whatever is written or shown has `***` in their
place.

The workflow calls `keep` once. Its configuration goes on without secrets, into parameters, commands
and files; a download asks `whole` for the address behind the one that it was given.
"""

import hashlib
import os
import re
from collections.abc import Callable

HIDDEN = "***"
PREFIX = "EQUITRAJ_ADDRESS_"  # begins the names of the variables that hold whole addresses
ADDRESS = re.compile(r"[\w+.-]+://")
REST = re.compile(
    r"(?<=://).+"
)  # behind the scheme of an address, in which a password may have any sign
REST_IN_TEXT = re.compile(r"(?<=://)[^\s\"<>{}`]+")  # where an address ends in a text
SECRET = "token|secret|passw|pwd|signature|credential|auth(?!or)|session|access[_-]?key|key$|^sig$|^pass$"
PARAMETER = re.compile(r"(?<=[?&;#])([^=&;#?/\s]+)=(?!\*\*\*)([^&;#\s]+)")
PARAMETER_IN_TEXT = re.compile(r"(?<=[?&;#])([^=&;#?/\s]+)=(?!\*\*\*)([^&;#\s\"'<>{}\[\]`]+)")


def without_secrets(text: str) -> str:
    """A text whose addresses have `***` for user and password, and for values of parameters that
    look secret."""
    if ADDRESS.match(text):
        text = PARAMETER.sub(_without_value, REST.sub(_without_user, text))
    return PARAMETER_IN_TEXT.sub(_without_value, REST_IN_TEXT.sub(_without_user, text))


def _without_user(rest: re.Match) -> str:
    """What follows the scheme of an address, without what stands before the `@` of its host."""
    host = re.split(r"[/?#]", rest[0], maxsplit=1)[0]
    before, at, name = host.rpartition("@")
    if ":" in name:  # a port, or the begin of a password with one of the signs that end a host
        before, at, _ = rest[0].rpartition("@")
    return HIDDEN + rest[0][len(before) :] if at else rest[0]


def _without_value(parameter: re.Match) -> str:
    is_secret = re.search(SECRET, parameter[1], re.IGNORECASE)
    return f"{parameter[1]}={HIDDEN}" if is_secret else parameter[0]


def hidden(value: object) -> object:
    """A value of a configuration, however nested, whose addresses are without secrets."""
    return _mapped(value, without_secrets)


def keep(config: dict) -> dict:
    """The configuration without secrets; the environment keeps the addresses that had some, for
    `whole`.

    Of addresses that differ in their secrets only, the second has `***2`, the third `***3`.
    """
    kept: dict[str, str] = {}

    def shown(address: str) -> str:
        found, number = without_secrets(address), 1
        while found != address and kept.setdefault(found, address) != address:
            number += 1
            found = without_secrets(address).replace(HIDDEN, f"{HIDDEN}{number}")
        return found

    without = _mapped(config, shown)
    os.environ.update({_variable(found): address for found, address in kept.items()})
    return without


def whole(address: str) -> str:
    """The address of which `keep` made this one; any other as it is."""
    return os.environ.get(_variable(address), address)


def _variable(shown: str) -> str:
    return PREFIX + hashlib.sha256(shown.encode()).hexdigest()[:32]


def _mapped(
    value: object, function: Callable[[str], str], done: dict[int, object] | None = None
) -> object:
    """A value whose texts with an address in them are replaced by what `function` makes of them.

    `done` has what was made of parts, by their ids: an anchor of YAML may stand in many places, or
    in itself.
    """
    done = {} if done is None else done
    if isinstance(value, str):
        return function(value) if "://" in value else value
    if id(value) in done or not isinstance(value, dict | list):
        return done.get(id(value), value)
    made = done[id(value)] = type(value)()
    if isinstance(value, dict):
        made.update({key: _mapped(part, function, done) for key, part in value.items()})
    else:
        made.extend(_mapped(part, function, done) for part in value)
    return made

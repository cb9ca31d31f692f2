"""Keep passwords in addresses secret: `***` replaces them in everything that is written or shown.

The workflow calls `keep` once. Afterwards its configuration holds no secrets, so that parameters,
commands and files hold none either. A download calls `whole` to get the full address.
"""

import hashlib
import os
import re
from collections.abc import Callable

HIDDEN = "***"
PREFIX = "EQUITRAJ_ADDRESS_"  # begins the names of the variables that hold whole addresses
ADDRESS = re.compile(r"[\w+.-]+://")
REST = re.compile(r"(?<=://).+")  # what follows the scheme; a password may contain any character
REST_IN_TEXT = re.compile(r"(?<=://)[^\s\"<>{}`]+")  # where an address ends in a text
SECRET = (  # in the name of a parameter
    "token|secret|passw|pwd|signature|credential|auth(?!or)|session|access[_-]?key|key$|^sig$|^pass$"
)
PARAMETER = re.compile(r"(?<=[?&;#])([^=&;#?/\s]+)=(?!\*\*\*)([^&;#\s]+)")
PARAMETER_IN_TEXT = re.compile(r"(?<=[?&;#])([^=&;#?/\s]+)=(?!\*\*\*)([^&;#\s\"'<>{}\[\]`]+)")


def without_secrets(text: str) -> str:
    """Replace user names, passwords and secret parameters in the addresses of a text by `***`."""
    if ADDRESS.match(text):
        text = REST.sub(_without_user, text)
        text = PARAMETER.sub(_without_value, text)
    text = REST_IN_TEXT.sub(_without_user, text)
    return PARAMETER_IN_TEXT.sub(_without_value, text)


def _without_user(rest: re.Match) -> str:
    """Hide the user name and the password, which stand before the `@` of the host."""
    text = rest[0]
    host = re.split(r"[/?#]", text, maxsplit=1)[0]
    user, at, name = host.rpartition("@")
    if ":" in name:  # a port, or a password that contains a character which ends a host
        user, at, _ = text.rpartition("@")
    if not at:
        return text
    return HIDDEN + text[len(user) :]


def _without_value(parameter: re.Match) -> str:
    name = parameter[1]
    is_secret = re.search(SECRET, name, re.IGNORECASE)
    return f"{name}={HIDDEN}" if is_secret else parameter[0]


def hidden(value: object) -> object:
    """Remove the secrets from all addresses in a configuration value, however nested."""
    return _mapped(value, without_secrets)


def keep(config: dict) -> dict:
    """Return the configuration without secrets; environment variables keep the full addresses.

    Addresses that differ only in their secrets stay different: the second gets `***2`, the third
    `***3`.
    """
    full: dict[str, str] = {}  # by the address that is shown

    def shown(address: str) -> str:
        public = without_secrets(address)
        candidate, number = public, 1
        while candidate != address and full.setdefault(candidate, address) != address:
            number += 1
            candidate = public.replace(HIDDEN, f"{HIDDEN}{number}")
        return candidate

    done: dict[int, object] = {}
    without = {key: _mapped(value, shown, done) for key, value in config.items()}
    for public, address in full.items():
        os.environ[_variable(public)] = address
    return without


def whole(address: str) -> str:
    """Return the full address that `keep` shortened; any other address is returned unchanged."""
    variable = _variable(address)
    return os.environ.get(variable, address)


def _variable(shown: str) -> str:
    checksum = hashlib.sha256(shown.encode()).hexdigest()
    return PREFIX + checksum[:32]


def _mapped(
    value: object, function: Callable[[str], str], done: dict[int, object] | None = None
) -> object:
    """Apply `function` to every text with an address in a nested value.

    `done` holds the new parts by the ids of the old ones, because a YAML anchor may stand in
    several places, or inside itself.
    """
    done = {} if done is None else done
    if isinstance(value, str):
        return function(value) if "://" in value else value
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, dict):
        mapping: dict = {}
        done[id(value)] = mapping  # before its parts, which may contain it
        for key, part in value.items():
            mapping[key] = _mapped(part, function, done)
        return mapping
    if isinstance(value, list):
        items: list = []
        done[id(value)] = items
        for part in value:
            items.append(_mapped(part, function, done))
        return items
    return value

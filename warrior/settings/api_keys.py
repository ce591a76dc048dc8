"""Keys for scripts that command the warrior over HTTP without a browser's session.

A key is shown once, when it is made; only its SHA-256 is kept. It needs no slow hash: nobody
guesses 256 random bits.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any

#: The rule for the name of a key.
NAME_RULE = "A key's name has 1 to 40 letters (a to z), digits, '-', '_' and '.'."

#: The most keys.
MAX_KEYS = 50

_NAME = re.compile(r"[-_.a-zA-Z0-9]{1,40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PREFIX = "warrior-"


@dataclasses.dataclass(frozen=True)
class ApiKey:
    """A kept key; ``made`` is the day, such as 2030-01-31."""

    digest: str = dataclasses.field(repr=False)
    made: str = ""


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def new_key() -> tuple[str, ApiKey]:
    """A new key in the form in which it is sent, and in the form in which it is kept."""
    key = _PREFIX + secrets.token_urlsafe(32)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return key, ApiKey(digest(key), today)


def digest(key: str) -> str:
    """The SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def from_data(value: Any) -> dict[str, ApiKey]:
    """The keys in a settings file, by name. Raises ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError("they are not listed by name")
    keys = {}
    for name, kept in value.items():
        if (not is_name(name) or not isinstance(kept, dict)
                or not isinstance(kept.get("sha256"), str)
                or not _DIGEST.fullmatch(kept["sha256"])
                or not isinstance(kept.get("made", ""), str)):
            raise ValueError(f"{name[:50]!r} is not a key")
        keys[name] = ApiKey(kept["sha256"], kept.get("made", "")[:10])
    return keys


def to_data(keys: Mapping[str, ApiKey]) -> dict[str, dict[str, str]]:
    """The keys in the form of the settings file."""
    return {name: {"sha256": key.digest, "made": key.made} for name, key in keys.items()}

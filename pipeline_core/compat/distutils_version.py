"""``distutils.version``, which nearly every pipeline file imports.

Python 3.12 removed it; on older versions this module avoids the deprecation warning. The rules
are those of distutils: ``StrictVersion`` takes ``1.2``, ``1.2.3`` and pre-releases (``1.2a1``,
``1.2b3``), nothing else.
"""

from __future__ import annotations

import functools
import re
from typing import Any

__all__ = ["LooseVersion", "StrictVersion", "Version"]


@functools.total_ordering
class Version:
    """A version that can be compared with others of its kind, and with their text."""

    version: Any

    def __init__(self, vstring: str | None = None) -> None:
        if vstring is not None:
            self.parse(vstring)

    def parse(self, vstring: str) -> None:
        """Parse the text. Raises ValueError when it is not a version."""
        raise NotImplementedError

    def _key(self) -> Any:
        return self.version

    def _other_key(self, other: object) -> Any:
        if isinstance(other, str):
            other = type(self)(other)
        return other._key() if isinstance(other, Version) else None

    def __eq__(self, other: object) -> bool:
        key = self._other_key(other)
        return key is not None and bool(self._key() == key)

    def __lt__(self, other: object) -> bool:
        key = self._other_key(other)
        if key is None:
            return NotImplemented
        return bool(self._key() < key)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__} ('{self}')"


class StrictVersion(Version):
    """``major.minor[.patch]`` with an optional ``aN`` or ``bN``."""

    version_re = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:([ab])(\d+))?", re.ASCII)
    prerelease: tuple[str, int] | None = None

    def parse(self, vstring: str) -> None:
        match = self.version_re.fullmatch(vstring)
        if not match:
            raise ValueError(f"invalid version number '{vstring}'")
        major, minor, patch, letter, number = match.groups()
        self.version = (int(major), int(minor), int(patch or 0))
        self.prerelease = (letter, int(number)) if letter else None

    def _key(self) -> Any:
        # A release comes after its pre-releases.
        return (self.version, self.prerelease or ("z", 0))

    def __str__(self) -> str:
        parts = self.version if self.version[2] else self.version[:2]
        text = ".".join(map(str, parts))
        return text + (f"{self.prerelease[0]}{self.prerelease[1]}" if self.prerelease else "")


class LooseVersion(Version):
    """Any text: numbers are compared as numbers, the rest as text."""

    component_re = re.compile(r"\d+|[a-z]+|\.", re.ASCII)

    def parse(self, vstring: str) -> None:
        self.vstring = vstring
        self.version = [
            int(part) if part.isdigit() else part
            for part in re.split(r"(\d+|[a-z]+|\.)", vstring) if part and part != "."]

    def _key(self) -> Any:
        # A number and a word in the same place are compared as (kind, value).
        return [(0, part, "") if isinstance(part, int) else (1, 0, part)
                for part in self.version]

    def __str__(self) -> str:
        return self.vstring

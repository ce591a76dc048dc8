"""Names and numbers as the page shows them. Names come from strangers: all of them are text."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timezone

SHOWN_CHARACTERS = 300
"""Longest name that is shown whole."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"))


def visible(name: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Return *name* with everything invisible written out, cut after *limit* characters.

    What controls a terminal, turns the direction of text, has no width or is no character
    becomes ``\\x1b`` or ``\\u202e``, as programs write it. Nothing here escapes HTML: the
    templates do that.
    """
    cut = name[:limit] + "…" if len(name) > limit else name
    return "".join(map(_visible, cut))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def number(value: int) -> str:
    """1234567 as ``1,234,567``."""
    return f"{value:,}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """``1 item``, ``2,000 items``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def size(value: int) -> str:
    """Bytes in steps of 1024, with one decimal where it says something."""
    scaled, unit = float(max(0, value)), 0
    while scaled >= 1023.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1024, unit + 1
    shown = f"{scaled:.1f}" if unit and scaled < 9.95 else f"{scaled:,.0f}"
    return f"{shown} {_UNITS[unit]}"


def roughly(seconds: float) -> str:
    """A span of time in the largest unit that fits: ``about 3 days``."""
    minutes = seconds / 60
    for length, name in ((60 * 24 * 365, "year"), (60 * 24, "day"), (60, "hour")):
        if minutes >= 1.5 * length:
            return f"about {plural(round(minutes / length), name)}"
    return f"about {plural(max(1, round(minutes)), 'minute')}"


def moment(seconds: float) -> str:
    """A time as the page says it before its script runs: ``2026-11-24 13:05 UTC``."""
    return f"{_utc(seconds):%Y-%m-%d %H:%M} UTC"


def machine_moment(seconds: float) -> str:
    """A time for the ``datetime`` of a ``<time>``."""
    return f"{_utc(seconds):%Y-%m-%dT%H:%M:%SZ}"


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)

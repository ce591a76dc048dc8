"""Writes names, numbers and times for people, and reads what people write.

Names come from strangers. Nothing here escapes HTML: the templates do that.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timezone

from tracker.errors import BadValue
from tracker.names import shown

SHOWN_CHARACTERS = 300
"""Longest name that a page shows in full."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"))
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def visible(text: str, limit: int | None = SHOWN_CHARACTERS, keep: str = "") -> str:
    """Return *text*, cut after *limit* characters, with its invisible characters escaped.

    Characters that control a terminal, change the direction of text, have no width or are not
    assigned become ``\\x1b`` or ``\\u202e``. The characters in *keep* stay as they are.
    """
    cut = text if limit is None or len(text) <= limit else text[:limit] + "…"
    return "".join(
        one.encode("unicode_escape").decode()
        if unicodedata.category(one) in _INVISIBLE and one not in keep
        else one
        for one in cut
    )


def number(value: int) -> str:
    """Return 1234567 as ``1,234,567``."""
    return f"{value:,}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 item``, ``2,000 items``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def size(value: int) -> str:
    """Return a number of bytes with its unit: ``512 B``, ``1.5 KiB``, ``20 GiB``."""
    scaled, unit = float(max(0, value)), 0
    while scaled >= 1023.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1024, unit + 1
    digits = f"{scaled:.1f}" if unit and scaled < 9.95 else f"{scaled:,.0f}"
    return f"{digits} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return an approximate time in the largest unit that fits: ``about 3 days``."""
    minutes = seconds / 60
    for length, name in ((60 * 24 * 365, "year"), (60 * 24, "day"), (60, "hour")):
        if minutes >= 1.5 * length:
            return f"about {plural(round(minutes / length), name)}"
    return f"about {plural(max(1, round(minutes)), 'minute')}"


def short_age(seconds: float) -> str:
    """Return an age in its largest whole unit: ``3d``, ``6h``, ``15m``, ``90s``."""
    for unit in "dhm":
        if seconds >= _SECONDS[unit]:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{max(0, int(seconds))}s"


def stamp(seconds: float) -> str:
    """Return a time (seconds of ``time.time()``) as ``2026-01-02T03:04:05Z``."""
    return f"{_utc(seconds):%Y-%m-%dT%H:%M:%SZ}"


def date_and_time(seconds: float) -> str:
    """Return a time as ``2026-11-24 13:05 UTC``."""
    return f"{_utc(seconds):%Y-%m-%d %H:%M} UTC"


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def read_number(text: str, low: int, high: int, name: str = "") -> int:
    """Return the whole number in *text*, the value of *name*.

    Raises BadValue unless it is from *low* to *high*.
    """
    if not re.fullmatch("[0-9]{1,18}", text) or not low <= int(text) <= high:
        raise BadValue(f"{name or shown(text)} must be a number from {low} to {high}.")
    return int(text)


def read_size(text: str) -> int:
    """Return the bytes in *text*: a number, with K, M, G or T for powers of 1024.

    Raises BadValue.
    """
    match = re.fullmatch(r"([0-9]{1,18})([KMGT]?)", text.upper())
    if match is None or not int(match[1]):
        raise BadValue(f"{shown(text)} is not a size. Write a number of bytes, 500M or 20G.")
    return int(match[1]) << 10 * " KMGT".index(match[2] or " ")


def read_age(text: str) -> float:
    """Return the seconds in ``90s``, ``15m``, ``6h``, ``2d`` or ``1w``; raises BadValue."""
    match = re.fullmatch(r"([0-9]{1,8}(?:\.[0-9]{1,6})?)([smhdw])", text)
    if match is None:
        raise BadValue(f"{shown(text)} is not an age. Write 90s, 15m, 6h, 2d or 1w.")
    return float(match[1]) * _SECONDS[match[2]]


def read_time(text: str) -> float:
    """Return the seconds of ``2026-01-02`` or ``2026-01-02T03:04:05Z``; raises BadValue.

    A time without a time zone is UTC.
    """
    try:
        when = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        raise BadValue(
            f"{shown(text)} is not a time. Write 2026-01-02 or 2026-01-02T03:04:05Z."
        ) from None

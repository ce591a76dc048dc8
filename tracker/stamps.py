"""Times and ages as people write them."""

from __future__ import annotations

import datetime
import re

from tracker.errors import BadValue
from tracker.names import shown

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def stamp(seconds: float) -> str:
    """Return seconds of ``time.time()`` as ``2026-01-02T03:04:05Z``."""
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def age(text: str) -> float:
    """Return the seconds that ``90s``, ``15m``, ``6h``, ``2d`` or ``1w`` means; raises BadValue."""
    match = re.fullmatch(r"([0-9]{1,8}(?:\.[0-9]{1,6})?)([smhdw])", text)
    if match is None:
        raise BadValue(f"{shown(text)} is no age: give 90s, 15m, 6h, 2d or 1w.")
    return float(match[1]) * _UNITS[match[2]]


def moment(text: str) -> float:
    """Return the seconds of ``2026-01-02``, ``2026-01-02T03:04:05Z``; UTC unless it says else.

    Raises BadValue.
    """
    try:
        when = datetime.datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        if when.tzinfo is None:
            when = when.replace(tzinfo=datetime.timezone.utc)
        return when.timestamp()
    except (ValueError, OverflowError):
        raise BadValue(
            f"{shown(text)} is no time: give 2026-01-02 or 2026-01-02T03:04:05Z."
        ) from None

"""Decides whether a client is served: it may be blocked, outdated, or ask too often."""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Callable

from tracker.errors import NotAdmitted
from tracker.store.projects import Project
from tracker.store.store import Store

MINUTE = 60.0

UPDATE_NEEDED = 455
"""The status that makes clients get the project's new code."""


class Rates:
    """Counts the requests of the last minute that got items, for each project.

    Only the thread of the database uses it. It is kept in memory: a restart forgets the minute.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def check(self, project: str, limit: int | None) -> None:
        """Raise NotAdmitted (429, with the seconds to wait) if the last minute is full."""
        times, now = self._times.get(project, deque()), self._clock()
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if limit is not None and len(times) >= limit:
            # If the limit was lowered, more than one request must age before there is room.
            wait = times[len(times) - limit] + MINUTE - now
            raise NotAdmitted(
                429,
                f"This project answers {limit} requests for items a minute. Try again later.",
                retry_after=max(1, math.ceil(wait)),
            )

    def count(self, project: str, limit: int | None) -> None:
        """Count a request that got items. ``check`` drops it again after a minute."""
        if limit is None:
            self._times.pop(project, None)
        else:
            self._times.setdefault(project, deque()).append(self._clock())


def admit(store: Store, project: str, downloader: str | None, address: str) -> None:
    """Raise NotAdmitted (403) if the project blocks *downloader* or *address*.

    Raises UnknownProject.
    """
    blocked = store.blocked(project, downloader, address)
    if blocked is not None:
        raise NotAdmitted(403, f"This {blocked} is blocked. Ask the project's operators why.")


def admit_request(
    store: Store, rates: Rates, project: str, downloader: str, address: str, version: object
) -> Project:
    """Return the project if *downloader* may get items from it now.

    Raises NotAdmitted: 403 if blocked, 455 if *version* is older than the project's minimum, 429
    if it asks too often. Raises UnknownProject.
    """
    admit(store, project, downloader, address)
    found = store.project(project)
    if found.min_version is not None and not at_least(version, found.min_version):
        raise NotAdmitted(
            UPDATE_NEEDED,
            f"This project needs version {found.min_version} or later. Update its code.",
        )
    rates.check(project, found.requests_per_minute)
    return found


def at_least(version: object, minimum: str) -> bool:
    """Return whether *version*, as a client sent it, is *minimum* or later.

    Digits compare as numbers: 20260101.10 is later than 20260101.9. A version that is not text
    is older than any other.
    """
    return isinstance(version, str) and _order(version[:1000]) >= _order(minimum)


def _order(version: str) -> list[tuple[int, int, str]]:
    """Return the sort key of *version*: its runs of digits as numbers, its letters as text."""
    parts = re.findall(r"[0-9]{1,100}|[^\W\d_]+", version)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts]

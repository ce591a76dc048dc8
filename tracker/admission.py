"""Decides whether a client is served: blocked, too old, too often, or welcome."""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections import deque
from collections.abc import Callable

from tracker.blocks import Blocks
from tracker.errors import Refused
from tracker.projects import Project, Projects

MINUTE = 60.0

UPDATE_NEEDED = 455
"""The status that tells clients to get the project's new code."""


class Rates:
    """Counts the requests of the last minute that were given items, project by project.

    Used by one thread (the database's). Kept in memory: after a restart the minute is new.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._given: dict[str, deque[float]] = {}

    def check(self, project: str, limit: int | None) -> None:
        """Raise Refused (429, with the seconds until there is room) when the minute is full."""
        times = self._given.get(project)
        if times is None:
            return
        now = self._clock()
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if limit is not None and len(times) >= limit:
            # When the limit was lowered, more than one must pass before there is room.
            wait = times[len(times) - limit] + MINUTE - now
            raise Refused(
                429,
                f"This project hands out items {limit} times a minute; try again later.",
                retry_after=max(1, math.ceil(wait)),
            )

    def count(self, project: str, limit: int | None) -> None:
        """Count a request that got items. ``check`` drops it again after a minute."""
        if limit is None:
            self._given.pop(project, None)
        else:
            self._given.setdefault(project, deque()).append(self._clock())


def admit(
    connection: sqlite3.Connection, project: str, downloader: str | None, address: str
) -> None:
    """Raise Refused (403) when the project's blocks name *downloader* or *address*.

    Raises UnknownProject.
    """
    row = connection.execute("SELECT id FROM projects WHERE name = ?", (project,)).fetchone()
    if row is None:
        Projects(connection).get(project)  # raises the sentence
    found = Blocks(connection).find(row[0], downloader, address)
    if found is not None:
        raise Refused(403, f"This {found} is blocked: ask the people of this project why.")


def admit_request(
    connection: sqlite3.Connection,
    rates: Rates,
    project: str,
    downloader: str,
    address: str,
    version: object,
) -> Project:
    """Return the project when *downloader* may have items of it now.

    Raises Refused: 403 blocked, 455 code older than the project's minimum, 429 too often;
    UnknownProject.
    """
    admit(connection, project, downloader, address)
    its = Projects(connection).get(project)
    if its.min_version is not None and not at_least(version, its.min_version):
        raise Refused(
            UPDATE_NEEDED,
            f"This project needs version {its.min_version} or later: update its code.",
        )
    rates.check(project, its.requests_per_minute)
    return its


def at_least(version: object, minimum: str) -> bool:
    """Say whether *version* (what a client sent) is *minimum* or later.

    Numbers in them count as numbers: 20260101.10 is later than 20260101.9. What is no text is
    older than everything.
    """
    return isinstance(version, str) and _order(version[:1000]) >= _order(minimum)


def _order(version: str) -> list[tuple[int, int, str]]:
    """Return what *version* is sorted by: its runs of digits as numbers, letters as text."""
    parts = re.findall(r"[0-9]{1,100}|[^\W\d_]+", version)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts]

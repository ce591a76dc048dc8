"""Totals that grow with each report: by project, downloader, file group and time.

They are what a page shows; kept here in the transaction that counts the report, they cost
the same with a million items as with ten.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import Any

SPANS = (60, 3600, 86400)
"""Lengths of the periods counted, in seconds."""

MINUTES_KEPT = 2 * 86400
"""Periods of a minute older than so many seconds are dropped: longer ones tell of them."""

MOST_GROUPS = 100
"""File groups counted by name in one project; bytes of any further go to OTHER."""

OTHER = "other"

_MOST_BYTES = 1 << 50  # of one group in one report: what is told beyond it is a mistake
_LONGEST_GROUP = 64


def group_bytes(stats: Mapping[str, Any]) -> dict[str, int]:
    """Return the bytes by file group that a report's *stats* tell; no number, no bytes."""
    told = stats.get("bytes")
    found: dict[str, int] = {}
    for name, size in told.items() if isinstance(told, dict) else ():
        if isinstance(size, bool) or not isinstance(size, int | float) or not size >= 0:
            continue
        group = name if _is_group(name) and len(found) < MOST_GROUPS else OTHER
        found[group] = min(found.get(group, 0) + int(min(size, _MOST_BYTES)), _MOST_BYTES)
    return found


def _is_group(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_GROUP and name.isprintable()


class Tally:
    """Reports added up, to be written at once."""

    def __init__(self) -> None:
        self.projects: dict[int, int] = {}
        self.downloaders: dict[tuple[int, str], tuple[int, int, float, float]] = {}
        self.groups: dict[tuple[int, str], int] = {}
        self.spans: dict[tuple[int, int, int], tuple[int, int]] = {}

    def count(
        self,
        project_id: int,
        downloader: str | None,
        at: float,
        items: int,
        groups: Mapping[str, int],
    ) -> None:
        """Add a report of *items* items, received at *at*, with bytes by *groups*."""
        size = sum(groups.values())
        self.projects[project_id] = self.projects.get(project_id, 0) + size
        if downloader is not None:
            key = (project_id, downloader)
            had = self.downloaders.get(key, (0, 0, at, at))
            self.downloaders[key] = (
                had[0] + items,
                had[1] + size,
                min(had[2], at),
                max(had[3], at),
            )
        for name, more in groups.items():
            self.groups[project_id, name] = self.groups.get((project_id, name), 0) + more
        for seconds in SPANS:
            period = (project_id, seconds, int(at // seconds) * seconds)
            before = self.spans.get(period, (0, 0))
            self.spans[period] = (before[0] + items, before[1] + size)


def write(connection: sqlite3.Connection, tally: Tally) -> None:
    """Add *tally* to the totals, in the caller's transaction."""
    connection.executemany(
        "UPDATE projects SET bytes = bytes + ? WHERE id = ?",
        [(size, project_id) for project_id, size in tally.projects.items()],
    )
    connection.executemany(
        "INSERT INTO downloaders VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "items = items + excluded.items, bytes = bytes + excluded.bytes, "
        "first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)",
        [(*key, *values) for key, values in tally.downloaders.items()],
    )
    for (project_id, name), size in tally.groups.items():
        _write_group(connection, project_id, name, size)
    for period, values in tally.spans.items():
        _write_span(connection, period, values)


def _write_group(connection: sqlite3.Connection, project_id: int, name: str, size: int) -> None:
    """Add *size* to a group: a new one only while the project has not too many."""
    known = "UPDATE groups SET bytes = bytes + ? WHERE project_id = ? AND name = ?"
    if connection.execute(known, (size, project_id, name)).rowcount:
        return
    many = connection.execute("SELECT count(*) FROM groups WHERE project_id = ?", (project_id,))
    kept = name if many.fetchone()[0] < MOST_GROUPS else OTHER
    connection.execute(
        "INSERT INTO groups VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
        (project_id, kept, size),
    )


def _write_span(
    connection: sqlite3.Connection, period: tuple[int, int, int], values: tuple[int, int]
) -> None:
    """Add to a period; a new minute drops the minutes that nobody asks for any more."""
    project_id, seconds, start = period
    known = (
        "UPDATE spans SET items = items + ?, bytes = bytes + ? "
        "WHERE project_id = ? AND seconds = ? AND start = ?"
    )
    if connection.execute(known, (*values, *period)).rowcount:
        return
    oldest = time.time() - MINUTES_KEPT
    if seconds == SPANS[0]:
        connection.execute(
            "DELETE FROM spans WHERE project_id = ? AND seconds = ? AND start < ?",
            (project_id, seconds, oldest),
        )
        if start < oldest:
            return
    connection.execute("INSERT INTO spans VALUES (?, ?, ?, ?, ?)", (*period, *values))

"""Totals that each report adds to: by project, downloader, file group and time.

They are what pages show. The transaction that counts a report updates them, so a page costs
the same with a million items as with ten.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import Any

SPANS = (60, 3600, 86400)
"""Lengths of the spans of time that are counted, in seconds."""

MINUTES_KEPT = 2 * 86400
"""How long counts of single minutes are kept, in seconds; longer spans include them."""

MOST_GROUPS = 100
"""Most file groups of a project that are counted by name; the rest are counted as OTHER."""

OTHER = "other"

_MOST_BYTES = 1 << 50  # of one group in one report: a larger number is a mistake
_LONGEST_GROUP = 64

_ADD_DOWNLOADER = (
    "INSERT INTO downloaders VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "items = items + excluded.items, bytes = bytes + excluded.bytes, "
    "first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)"
)
_ADD_GROUP = (
    "INSERT INTO groups VALUES (?1, CASE WHEN "
    f"(SELECT count(*) FROM groups WHERE project_id = ?1) < {MOST_GROUPS} OR EXISTS "
    f"(SELECT 1 FROM groups WHERE project_id = ?1 AND name = ?2) THEN ?2 ELSE '{OTHER}' END, ?3) "
    "ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes"
)
_ADD_SPAN = (
    "INSERT INTO spans VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "items = items + excluded.items, bytes = bytes + excluded.bytes"
)


def group_bytes(stats: Mapping[str, Any]) -> dict[str, int]:
    """Return the bytes by file group in a report's *stats*, without values that are no numbers."""
    reported = stats.get("bytes")
    found: dict[str, int] = {}
    for name, size in reported.items() if isinstance(reported, dict) else ():
        if isinstance(size, bool) or not isinstance(size, int | float) or not size >= 0:
            continue
        legal = 0 < len(name) <= _LONGEST_GROUP and name.isprintable()
        group = name if legal and len(found) < MOST_GROUPS else OTHER
        found[group] = min(found.get(group, 0) + int(min(size, _MOST_BYTES)), _MOST_BYTES)
    return found


def count_report(
    connection: sqlite3.Connection,
    project_id: int,
    downloader: str | None,
    at: float,
    items: int,
    groups: Mapping[str, int],
) -> None:
    """Add a report of *items* items, received at *at*, with its bytes by *groups*, to the totals.

    Runs inside the caller's transaction.
    """
    size = sum(groups.values())
    connection.execute("UPDATE projects SET bytes = bytes + ? WHERE id = ?", (size, project_id))
    if downloader is not None:
        connection.execute(_ADD_DOWNLOADER, (project_id, downloader, items, size, at, at))
    connection.executemany(_ADD_GROUP, [(project_id, *group) for group in groups.items()])
    connection.executemany(
        _ADD_SPAN,
        [(project_id, length, int(at // length) * length, items, size) for length in SPANS],
    )
    connection.execute(
        "DELETE FROM spans WHERE project_id = ? AND seconds = ? AND start < ?",
        (project_id, SPANS[0], time.time() - MINUTES_KEPT),
    )

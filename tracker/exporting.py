"""Writes out what was done, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tracker.stamps import stamp
from tracker.store import Store

CHUNK = 500
"""Reports read at once: a long export holds up nothing for longer than that takes."""


@dataclass(frozen=True)
class Chunk:
    """Some lines, without their ends, and the id of the last report among them."""

    lines: list[str]
    last: int


def export_chunk(store: Store, project: str, after: int, since: float = 0.0) -> Chunk:
    """Return the reports behind the one of id *after*, oldest first; no lines at the end.

    Only those received at *since* (seconds) or later. A line is one report: its time,
    downloader, the items that it counted, the bytes, and all that was reported. Raises
    UnknownProject.
    """
    rows = store.connection.execute(
        "SELECT id, received_at, downloader, bytes, stats FROM reports "
        "WHERE project_id = ? AND id > ? AND received_at >= ? ORDER BY id LIMIT ?",
        (store.project_id(project), after, since, CHUNK),
    ).fetchall()
    lines = []
    for report_id, at, downloader, size, stats in rows:
        items = store.connection.execute(
            "SELECT name FROM items WHERE report_id = ? ORDER BY position", (report_id,)
        )
        told = {
            "time": stamp(at),
            "downloader": downloader,
            "items": [row[0] for row in items],
            "bytes": size,
            "stats": json.loads(stats),
        }
        lines.append(json.dumps(told))
    return Chunk(lines, rows[-1][0] if rows else after)


def export_lines(store: Store, project: str, since: float = 0.0) -> Iterator[str]:
    """Yield every line of the export; see ``export_chunk``."""
    after = 0
    while (chunk := export_chunk(store, project, after, since)).lines:
        yield from chunk.lines
        after = chunk.last

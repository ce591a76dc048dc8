"""Exports the reports of a project as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tracker.store.store import Store
from tracker.text import stamp

CHUNK = 500
"""Most reports that are read at once, so that a long export delays nothing else."""


def export_chunk(
    store: Store, project: str, after: int, since: float = 0.0
) -> tuple[list[str], int]:
    """Return the next reports whose ids are over *after*, oldest first, and the last id.

    Each report is one line without its end: the time, downloader, items counted, bytes, and the
    statistics as they were reported. *since* (seconds) leaves out earlier reports. At the end
    there are no lines. Raises UnknownProject.
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
        report = {
            "time": stamp(at),
            "downloader": downloader,
            "items": [row[0] for row in items],
            "bytes": size,
            "stats": json.loads(stats),
        }
        lines.append(json.dumps(report))
    return lines, rows[-1][0] if rows else after


def export_lines(store: Store, project: str, since: float = 0.0) -> Iterator[str]:
    """Yield every line of the export; see ``export_chunk``."""
    lines, last = export_chunk(store, project, 0, since)
    while lines:
        yield from lines
        lines, last = export_chunk(store, project, last, since)

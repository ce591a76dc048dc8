"""What pages show and exports contain.

Pages are read from totals and the ends of indexes, never by counting items.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tracker.errors import BadValue
from tracker.store.base import Base
from tracker.store.totals import SPANS
from tracker.text import stamp

SHOWN_NAMES = 3
"""Most names of one report that are read; a multi-item can have thousands."""

CHUNK = 500
"""Most reports that are read at once, so that a long export delays nothing else."""


@dataclass(frozen=True)
class Rank:
    """What one downloader did for a project, and when it last did so (seconds)."""

    downloader: str
    items: int
    bytes: int
    last_at: float


@dataclass(frozen=True)
class Span:
    """What was done in the span of time that begins at *start* (seconds)."""

    start: int
    items: int
    bytes: int


@dataclass(frozen=True)
class Recent:
    """One report; *items* holds the first SHOWN_NAMES of its *count* names."""

    id: int
    at: float
    downloader: str | None
    count: int
    bytes: int
    items: tuple[str, ...]


class Reading(Base):
    """The totals and reports. Every method raises UnknownProject."""

    def leaderboard(self, project: str, limit: int = 100) -> list[Rank]:
        """Return the downloaders that reported most bytes, then most items."""
        rows = self.execute(
            "SELECT downloader, items, bytes, last_at FROM downloaders "
            "WHERE project_id = ? ORDER BY bytes DESC, items DESC, downloader LIMIT ?",
            (self.project_id(project), limit),
        )
        return [Rank(*row) for row in rows]

    def over_time(self, project: str, since: float, step: int) -> list[Span]:
        """Return what was done since *since* (seconds), in spans of *step* seconds.

        *step* is a multiple of 60, else BadValue. Spans in which nothing was done are left out.
        Single minutes are kept for two days.
        """
        if step <= 0 or step % SPANS[0]:
            raise BadValue(f"A step must be a multiple of {SPANS[0]} seconds.")
        seconds = max(length for length in SPANS if step % length == 0)
        rows = self.execute(
            "SELECT start / ?1 * ?1, sum(items), sum(bytes) FROM spans WHERE project_id = ?2 "
            "AND seconds = ?3 AND start >= ?4 GROUP BY start / ?1 ORDER BY start",
            (step, self.project_id(project), seconds, int(since // step) * step),
        )
        return [Span(*row) for row in rows]

    def recent(self, project: str, limit: int = 20) -> list[Recent]:
        """Return the last reports, newest first."""
        rows = self.execute(
            "SELECT id, received_at, downloader, items, bytes FROM reports "
            "WHERE project_id = ? ORDER BY id DESC LIMIT ?",
            (self.project_id(project), limit),
        ).fetchall()
        names = "SELECT name FROM items WHERE report_id = ? ORDER BY id LIMIT ?"
        found = []
        for row in rows:
            items = self.execute(names, (row[0], SHOWN_NAMES)).fetchall()
            found.append(Recent(*[*row, tuple(name for (name,) in items)]))
        return found

    def groups(self, project: str) -> dict[str, int]:
        """Return the bytes reported by file group, most first."""
        rows = self.execute(
            "SELECT name, bytes FROM groups WHERE project_id = ? ORDER BY bytes DESC, name",
            (self.project_id(project),),
        )
        return dict(rows.fetchall())

    def export(
        self, project: str, since: float = 0.0, after: int = 0
    ) -> tuple[list[str], int]:
        """Return the next reports whose ids are over *after*, oldest first, and the last id.

        Each report is one line without its end: the time, downloader, items counted, bytes, and
        the statistics as they were reported. *since* (seconds) leaves out earlier reports. At the
        end there are no lines.
        """
        rows = self.execute(
            "SELECT id, received_at, downloader, bytes, stats FROM reports "
            "WHERE project_id = ? AND id > ? AND received_at >= ? ORDER BY id LIMIT ?",
            (self.project_id(project), after, since, CHUNK),
        ).fetchall()
        names = "SELECT name FROM items WHERE report_id = ? ORDER BY position"
        lines = []
        for report_id, at, downloader, size, stats in rows:
            report = {
                "time": stamp(at),
                "downloader": downloader,
                "items": [row[0] for row in self.execute(names, (report_id,))],
                "bytes": size,
                "stats": json.loads(stats),
            }
            lines.append(json.dumps(report))
        return lines, rows[-1][0] if rows else after

    def export_lines(self, project: str, since: float = 0.0) -> Iterator[str]:
        """Yield every line of the export."""
        lines, last = self.export(project, since)
        while lines:
            yield from lines
            lines, last = self.export(project, since, last)

"""What pages show: read from totals and the ends of indexes, never by counting items."""

from __future__ import annotations

from dataclasses import dataclass

from tracker.errors import BadValue
from tracker.store.store import Table
from tracker.store.totals import SPANS

SHOWN_NAMES = 3
"""Most names of one report that are read; a multi-item can have thousands."""


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
    items: tuple[str, ...]
    count: int
    bytes: int


class Reading(Table):
    """The totals and reports. Every method raises UnknownProject."""

    def leaderboard(self, project: str, limit: int = 100) -> list[Rank]:
        """Return the downloaders that reported most bytes, then most items."""
        rows = self.execute(
            "SELECT downloader, items, bytes, last_at FROM downloaders "
            "WHERE project_id = ? ORDER BY bytes DESC, items DESC, downloader LIMIT ?",
            (self.store.project_id(project), limit),
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
            (step, self.store.project_id(project), seconds, int(since // step) * step),
        )
        return [Span(*row) for row in rows]

    def recent(self, project: str, limit: int = 20) -> list[Recent]:
        """Return the last reports, newest first."""
        rows = self.execute(
            "SELECT id, received_at, downloader, items, bytes FROM reports "
            "WHERE project_id = ? ORDER BY id DESC LIMIT ?",
            (self.store.project_id(project), limit),
        ).fetchall()
        return [
            Recent(report_id, at, downloader, self._names(report_id), count, size)
            for report_id, at, downloader, count, size in rows
        ]

    def groups(self, project: str) -> dict[str, int]:
        """Return the bytes reported by file group, most first."""
        rows = self.execute(
            "SELECT name, bytes FROM groups WHERE project_id = ? ORDER BY bytes DESC, name",
            (self.store.project_id(project),),
        )
        return dict(rows.fetchall())

    def _names(self, report_id: int) -> tuple[str, ...]:
        rows = self.execute(
            "SELECT name FROM items WHERE report_id = ? ORDER BY id LIMIT ?",
            (report_id, SHOWN_NAMES),
        )
        return tuple(row[0] for row in rows)

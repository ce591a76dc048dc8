"""What pages show: read from totals and the ends of indexes, never by counting items."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tracker.errors import BadValue
from tracker.projects import Project, Projects
from tracker.schema import connect
from tracker.totals import SPANS, group_bytes

SHOWN_NAMES = 10
"""Names told of one report; a multi-item can have thousands."""

Summary = Project
"""A project's settings, counts and bytes."""


@dataclass(frozen=True)
class Rank:
    """What one downloader did for a project, and when first and last (seconds)."""

    downloader: str
    items: int
    bytes: int
    first_at: float
    last_at: float


@dataclass(frozen=True)
class Span:
    """What was done in the period that begins at *start* (seconds)."""

    start: int
    items: int
    bytes: int


@dataclass(frozen=True)
class Recent:
    """One report: *items* holds the first SHOWN_NAMES of its *count* names."""

    id: int
    at: float
    downloader: str | None
    items: tuple[str, ...]
    count: int
    bytes: int
    groups: dict[str, int]


class Reading:
    """Reads one database on one connection that cannot write; it blocks, so use it in a thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @classmethod
    def open(cls, path: Path) -> Reading:
        """Open the database at *path*, which must be there; raises FolderUnusable."""
        connection = connect(path, create=False)
        connection.execute("PRAGMA query_only = ON")
        return cls(connection)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def project_summaries(self) -> list[Summary]:
        """Return every project, by name."""
        return Projects(self.connection).list()

    def summary(self, project: str) -> Summary:
        """Return one project; raises UnknownProject."""
        return Projects(self.connection).get(project)

    def leaderboard(self, project: str, limit: int = 100) -> list[Rank]:
        """Return who did most, by bytes and then items; raises UnknownProject."""
        rows = self.connection.execute(
            "SELECT downloader, items, bytes, first_at, last_at FROM downloaders "
            "WHERE project_id = ? ORDER BY bytes DESC, items DESC, downloader LIMIT ?",
            (self._project_id(project), limit),
        )
        return [Rank(*row) for row in rows]

    def over_time(self, project: str, since: float, step: int) -> list[Span]:
        """Return what was done since *since* (seconds), by periods of *step* seconds.

        *step* is a multiple of 60; periods with nothing are left out. Single minutes are known
        for two days. Raises UnknownProject, BadValue.
        """
        if step <= 0 or step % SPANS[0]:
            raise BadValue(f"A step is a multiple of {SPANS[0]} seconds.")
        seconds = max(length for length in SPANS if step % length == 0)
        rows = self.connection.execute(
            "SELECT start / ?1 * ?1, sum(items), sum(bytes) FROM spans WHERE project_id = ?2 "
            "AND seconds = ?3 AND start >= ?4 GROUP BY start / ?1 ORDER BY start",
            (step, self._project_id(project), seconds, int(since // step) * step),
        )
        return [Span(*row) for row in rows]

    def recent(self, project: str, limit: int = 20, after: int = 0) -> list[Recent]:
        """Return the last reports, newest first, those only whose id is over *after*.

        Raises UnknownProject.
        """
        rows = self.connection.execute(
            "SELECT id, received_at, downloader, items, bytes, stats FROM reports "
            "WHERE project_id = ? AND id > ? ORDER BY id DESC LIMIT ?",
            (self._project_id(project), after, limit),
        ).fetchall()
        return [
            Recent(row[0], row[1], row[2], self._names(row[0]), row[3], row[4],
                   group_bytes(json.loads(row[5])))
            for row in rows
        ]  # fmt: skip

    def groups(self, project: str) -> dict[str, int]:
        """Return the bytes reported by file group, most first; raises UnknownProject."""
        rows = self.connection.execute(
            "SELECT name, bytes FROM groups WHERE project_id = ? ORDER BY bytes DESC, name",
            (self._project_id(project),),
        )
        return dict(rows.fetchall())

    def _names(self, report_id: int) -> tuple[str, ...]:
        rows = self.connection.execute(
            "SELECT name FROM items WHERE report_id = ? ORDER BY id LIMIT ?",
            (report_id, SHOWN_NAMES),
        )
        return tuple(row[0] for row in rows)

    def _project_id(self, project: str) -> int:
        row = self.connection.execute("SELECT id FROM projects WHERE name = ?", (project,))
        found = row.fetchone()
        if found is None:
            self.summary(project)  # raises the sentence
        return int(found[0])

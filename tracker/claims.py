"""Claims that an operator looks at, and takes back from who will not come again; work done badly,
which is to be done again."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from tracker.errors import BadValue
from tracker.queues import REDO, Queue
from tracker.store import Store

CHUNK = 1000
"""Claims taken back in one transaction."""


@dataclass(frozen=True)
class Selection:
    """Which claims: each part that is not None narrows it; none at all means every claim."""

    older_than: float | None = None
    """Seconds since the claim, at least."""
    downloader: str | None = None
    pattern: str | None = None
    """Matches the whole name: ``*`` is any text, ``?`` one character, ``[a-z]`` one of these."""

    @property
    def everything(self) -> bool:
        """Whether nothing narrows it."""
        return self == Selection()


@dataclass(frozen=True)
class Claim:
    """One item that is out."""

    name: str
    downloader: str
    claimed_at: float


class Claims:
    """The claims of the store's projects; the methods run inside the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, project: str, chosen: Selection, limit: int = 1000) -> list[Claim]:
        """Return at most *limit* claims, oldest first; raises UnknownProject, BadValue."""
        rows = self._rows("name, downloader, claimed_at", project, chosen, limit)
        return [Claim(*row) for row in rows]

    def release(self, project: str, chosen: Selection, queue: Queue | None = None) -> int:
        """Put up to CHUNK claims, oldest first, back behind what waits; return how many.

        They go to *queue*, or (None) to the one they came from. Ask again until it is 0.
        """
        rows = self._rows("id", project, chosen, CHUNK).fetchall()
        return self._store.put_back(project, [row[0] for row in rows], queue)

    def redo(self, project: str, chosen: Selection, after: int = 0) -> tuple[int, int]:
        """Put up to CHUNK items that are done into the redo queue, those behind the id *after*.

        Return how many, and the last one's id, to go on from; 0 and *after* at the end. An
        age is that of the report. What was counted for the first time stays counted.
        """
        store, latest = self._store, _latest(chosen)
        rows = store.connection.execute(
            "SELECT id FROM items WHERE project_id = ? AND state = 'done' AND id > ? "
            "AND (? IS NULL OR done_at <= ?) AND (? IS NULL OR downloader = ?) "
            "AND (? IS NULL OR name GLOB ?) ORDER BY id LIMIT ?",
            (
                *(store.project_id(project), after),
                *(latest, latest),
                *(chosen.downloader, chosen.downloader),
                *(chosen.pattern, chosen.pattern),
                CHUNK,
            ),
        ).fetchall()
        ids = [row[0] for row in rows]
        return store.put_back(project, ids, Queue(REDO)), ids[-1] if ids else after

    def _rows(self, columns: str, project: str, chosen: Selection, limit: int) -> sqlite3.Cursor:
        latest = _latest(chosen)
        return self._store.connection.execute(
            f"SELECT {columns} FROM items WHERE project_id = ? AND state = 'out' "
            "AND (? IS NULL OR claimed_at <= ?) AND (? IS NULL OR downloader = ?) "
            "AND (? IS NULL OR name GLOB ?) ORDER BY claimed_at, position LIMIT ?",
            (
                self._store.project_id(project),
                *(latest, latest),
                *(chosen.downloader, chosen.downloader),
                *(chosen.pattern, chosen.pattern),
                limit,
            ),
        )


def _latest(chosen: Selection) -> float | None:
    """Return the last moment (seconds) that is old enough; raises BadValue."""
    if chosen.older_than is None:
        return None
    if not 0 <= chosen.older_than < 1e10:
        raise BadValue("An age is a time of at least 0 seconds.")
    return time.time() - chosen.older_than

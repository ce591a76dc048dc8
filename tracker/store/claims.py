"""Claims that an operator lists or releases, and finished items that are handed out again."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from tracker.errors import BadValue
from tracker.store.queues import REDO, Queue
from tracker.store.store import Table

CHUNK = 1000
"""Most items that one call changes."""


_CHOSEN = (
    "project_id = :project AND (:downloader IS NULL OR downloader = :downloader) AND "
    "(:pattern IS NULL OR name GLOB :pattern)"
)
_OUT = (
    f"FROM items WHERE {_CHOSEN} AND state = 'out' AND (:latest IS NULL OR claimed_at <= :latest) "
    "ORDER BY claimed_at, position LIMIT :limit"
)
_DONE = (
    f"FROM items WHERE {_CHOSEN} AND state = 'done' AND (:latest IS NULL OR done_at <= :latest) "
    "AND id > :after ORDER BY id LIMIT :limit"
)


@dataclass(frozen=True)
class Selection:
    """Which items: each part that is not None narrows the selection."""

    older_than: float | None = None
    """Seconds since the claim, or since the report of a finished item."""
    downloader: str | None = None
    pattern: str | None = None
    """Matches the whole name: ``*`` is any text, ``?`` one character, ``[a-z]`` one of these."""

    def confirmed(self, everything: bool, hint: str) -> Selection:
        """Return the selection; raises BadValue with *hint* unless it either is narrower than
        all items, or is meant to select *everything*."""
        if (self == Selection()) != everything:
            raise BadValue(hint)
        return self

    @property
    def latest(self) -> float | None:
        """The last moment (seconds) that is old enough; raises BadValue."""
        if self.older_than is None:
            return None
        if not 0 <= self.older_than < 1e10:
            raise BadValue("An age must be a time of at least 0 seconds.")
        return time.time() - self.older_than


@dataclass(frozen=True)
class Claim:
    """One item that is out."""

    name: str
    downloader: str
    claimed_at: float


class Claims(Table):
    """The items that are out or done. Every method raises UnknownProject and BadValue."""

    def list(self, project: str, chosen: Selection, limit: int = 1000) -> list[Claim]:
        """Return at most *limit* claims, oldest first."""
        rows = self._find(f"SELECT name, downloader, claimed_at {_OUT}", project, chosen, limit)
        return [Claim(*row) for row in rows]

    def release(self, project: str, chosen: Selection, queue: Queue | None = None) -> int:
        """Put up to CHUNK claims, oldest first, at the end of a queue; return how many.

        *queue* None is the queue from which each came. Call it again until it returns 0.
        """
        rows = self._find(f"SELECT id {_OUT}", project, chosen, CHUNK)
        return self.store.put_back(project, [row[0] for row in rows], queue)

    def redo(self, project: str, chosen: Selection, after: int = 0) -> tuple[int, int]:
        """Put up to CHUNK finished items whose ids are over *after* into the redo queue.

        Return how many, and the last id, from which the next call goes on; 0 and *after* at the
        end. The totals of the first reports stay as they are.
        """
        rows = self._find(f"SELECT id {_DONE}", project, chosen, CHUNK, after)
        ids = [row[0] for row in rows]
        return self.store.put_back(project, ids, Queue(REDO)), ids[-1] if ids else after

    def _find(
        self, query: str, project: str, chosen: Selection, limit: int, after: int = 0
    ) -> sqlite3.Cursor:
        return self.execute(
            query,
            {
                "project": self.store.project_id(project),
                "latest": chosen.latest,
                "downloader": chosen.downloader,
                "pattern": chosen.pattern,
                "limit": limit,
                "after": after,
            },
        )

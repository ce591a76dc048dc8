"""Claims that an operator lists or releases, and finished items that are handed out again."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from tracker.errors import BadValue
from tracker.store.items import Items, Queue

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


class Claims(Items):
    """The items that are out or done. Every method raises UnknownProject and BadValue."""

    def claims(self, project: str, chosen: Selection, limit: int = 1000) -> list[Claim]:
        """Return at most *limit* claims, oldest first."""
        rows = self._select(f"SELECT name, downloader, claimed_at {_OUT}", project, chosen, limit)
        return [Claim(*row) for row in rows]

    def requeue(
        self,
        project: str,
        chosen: Selection,
        queue: Queue | None = None,
        done: bool = False,
        after: int = 0,
    ) -> tuple[int, int]:
        """Put up to CHUNK claims, oldest first, or finished items (*done*) at the end of *queue*.

        Return how many, and the last id, which is *after* of the next call; call it until it
        returns 0. *queue* None is the queue from which each came. The totals of reports stay as
        they are.
        """
        rows = self._select(f"SELECT id {_DONE if done else _OUT}", project, chosen, CHUNK, after)
        ids = [row[0] for row in rows]
        return self.put_back(project, ids, queue), ids[-1] if ids else after

    def _select(
        self, query: str, project: str, chosen: Selection, limit: int, after: int = 0
    ) -> sqlite3.Cursor:
        return self.execute(
            query,
            {
                "project": self.project_id(project),
                "latest": chosen.latest,
                "downloader": chosen.downloader,
                "pattern": chosen.pattern,
                "limit": limit,
                "after": after,
            },
        )

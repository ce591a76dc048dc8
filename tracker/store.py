"""What the tracker knows: projects, items, who holds them, and what was reported.

An item is in one of three states: ``todo`` (waits), ``out`` (claimed by one downloader) or
``done``. Every method runs inside the caller's transaction (see ``writer``): either all of
its changes are kept or none. Times are seconds of ``time.time()``.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracker.errors import UnknownItem, UnknownProject
from tracker.names import check_project, shown
from tracker.schema import connect

ANSWER_BYTES = 256 * 1024
"""Names handed out at once stop here (bytes as JSON): an answer names each item twice, and
clients refuse answers of over 1 MiB."""


@dataclass(frozen=True)
class Counts:
    """How many items of a project are in each state."""

    todo: int
    out: int
    done: int


@dataclass(frozen=True)
class Added:
    """What came of adding items: *new* ones, and those *known* before (whatever their state)."""

    new: int
    known: int


@dataclass(frozen=True)
class ItemStatus:
    """One item: its state, who claimed it last, and when (None where it did not happen)."""

    name: str
    state: str
    downloader: str | None
    claimed_at: float | None
    done_at: float | None


class Store:
    """The tracker's tables, on one connection used by one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Store:
        """Open the database at *path*; raises FolderUnusable."""
        return cls(connect(path, create=create))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def add(self, project: str, names: Iterable[str]) -> Added:
        """Queue *names*, in order, behind what waits already; names known before are left alone.

        Makes the project where there is none. Names must have passed ``check_item``.
        """
        self.connection.execute(
            "INSERT OR IGNORE INTO projects (name) VALUES (?)", (check_project(project),)
        )
        project_id = self._project(project)
        position, new, known = self._last_position(project_id), 0, 0
        for name in names:
            position += 1
            cursor = self.connection.execute(
                "INSERT OR IGNORE INTO items (project_id, name, position) VALUES (?, ?, ?)",
                (project_id, name, position),
            )
            new += cursor.rowcount
            known += 1 - cursor.rowcount
        return Added(new, known)

    def claim(self, project: str, downloader: str, number: int) -> list[str]:
        """Give up to *number* waiting items, oldest first, to *downloader*; [] when none waits."""
        project_id = self._project(project)
        rows = self.connection.execute(
            "SELECT id, name FROM items WHERE project_id = ? AND state = 'todo' "
            "ORDER BY position LIMIT ?",
            (project_id, number),
        )
        taken: list[tuple[int, str]] = []
        size = 0
        for item_id, name in rows:
            size += len(json.dumps(name))
            if taken and size > ANSWER_BYTES:
                break
            taken.append((item_id, name))
        now = time.time()
        self.connection.executemany(
            "UPDATE items SET state = 'out', downloader = ?, claimed_at = ? WHERE id = ?",
            [(downloader, now, item_id) for item_id, _ in taken],
        )
        return [name for _, name in taken]

    def release(self, project: str, downloader: str, names: Sequence[str]) -> int:
        """Put those of *names* that *downloader* holds back, behind the others; return how many.

        Behind, because a downloader whose filter refused them would else get the same ones at
        its next request, for ever. Items that it does not hold (any more) stay as they are.
        Raises UnknownItem, with nothing changed, when the project has no such item.
        """
        project_id = self._project(project)
        ids = [self._item(project_id, name) for name in names]
        position, released = self._last_position(project_id), 0
        for item_id in ids:
            cursor = self.connection.execute(
                "UPDATE items SET state = 'todo', downloader = NULL, claimed_at = NULL, "
                "position = ? WHERE id = ? AND state = 'out' AND downloader = ?",
                (position + released + 1, item_id, downloader),
            )
            released += cursor.rowcount
        return released

    def done(self, project: str, downloader: str | None, names: Sequence[str], stats: str) -> int:
        """Count those of *names* that are not done yet as done; return how many were counted.

        Whoever holds the item: the work was done and uploaded, and a finished download is
        never thrown away because its claim went elsewhere. *downloader* None leaves the item
        with whoever claimed it. *stats* (JSON) is kept once per report that counted anything.
        Raises UnknownItem, with nothing changed, when the project has no such item.
        """
        project_id = self._project(project)
        ids = [self._item(project_id, name) for name in names]
        now, counted, report_id = time.time(), 0, None
        for item_id in dict.fromkeys(ids):
            if not self._is_open(item_id):
                continue
            if report_id is None:
                report_id = self.connection.execute(
                    "INSERT INTO reports (project_id, downloader, received_at, stats) "
                    "VALUES (?, ?, ?, ?)",
                    (project_id, downloader, now, stats),
                ).lastrowid
            self.connection.execute(
                "UPDATE items SET state = 'done', downloader = coalesce(?, downloader), "
                "done_at = ?, report_id = ? WHERE id = ?",
                (downloader, now, report_id, item_id),
            )
            counted += 1
        return counted

    def counts(self, project: str) -> Counts:
        """Return how many items are in each state; raises UnknownProject."""
        row = self.connection.execute(
            "SELECT todo, out, done FROM projects WHERE name = ?", (project,)
        ).fetchone()
        if row is None:
            raise self._no_project(project)
        return Counts(*row)

    def projects(self) -> dict[str, Counts]:
        """Return the counts of every project, by name."""
        rows = self.connection.execute("SELECT name, todo, out, done FROM projects ORDER BY name")
        return {name: Counts(*counts) for name, *counts in rows}

    def item(self, project: str, name: str) -> ItemStatus:
        """Return where one item stands; raises UnknownProject, UnknownItem."""
        row = self.connection.execute(
            "SELECT name, state, downloader, claimed_at, done_at FROM items WHERE id = ?",
            (self._item(self._project(project), name),),
        ).fetchone()
        return ItemStatus(*row)

    def _project(self, name: str) -> int:
        row = self.connection.execute("SELECT id FROM projects WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise self._no_project(name)
        return int(row[0])

    @staticmethod
    def _no_project(name: str) -> UnknownProject:
        return UnknownProject(
            f"This tracker has no project {shown(name)}; "
            f"'run-tracker add {name} FILE' makes it and queues its items."
        )

    def _item(self, project_id: int, name: str) -> int:
        row = self.connection.execute(
            "SELECT id FROM items WHERE project_id = ? AND name = ?", (project_id, name)
        ).fetchone()
        if row is None:
            raise UnknownItem(f"This project has no item {shown(name)}.")
        return int(row[0])

    def _is_open(self, item_id: int) -> bool:
        """Say whether the item may still be counted as done."""
        row = self.connection.execute("SELECT state FROM items WHERE id = ?", (item_id,)).fetchone()
        return bool(row[0] != "done")

    def _last_position(self, project_id: int) -> int:
        """Return the place of the last waiting item: only the order among those matters."""
        row = self.connection.execute(
            "SELECT max(position) FROM items WHERE project_id = ? AND state = 'todo'",
            (project_id,),
        ).fetchone()
        return int(row[0] or 0)

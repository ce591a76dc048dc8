"""What the tracker knows: projects, items, who holds them, and what was reported.

An item is in one of three states: ``todo`` (waits), ``out`` (claimed by one downloader) or
``done``. Every method runs inside the caller's transaction (see ``writer``): either all of
its changes are kept or none. Times are seconds of ``time.time()``.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tracker.errors import UnknownItem, UnknownProject
from tracker.names import check_project, shown
from tracker.queues import Queue, wire_name
from tracker.schema import connect
from tracker.totals import Tally, group_bytes, write

NORMAL_QUEUE = Queue()

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
class Claimed:
    """An item handed out: its name, and the name of the queue that it waited in."""

    name: str
    queue: str


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

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the body in one transaction: all of its changes are kept, or none."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            self.connection.rollback()
            raise

    def add(self, project: str, names: Sequence[str], queue: Queue = NORMAL_QUEUE) -> Added:
        """Put *names* into *queue*, in order, behind what waits there; known ones stay as they are.

        Makes the project where there is none. Names must have passed ``check_item``.
        """
        first = self.reserve(project, len(names))
        return self.add_at(project, list(enumerate(names, first)), queue)

    def make_project(self, name: str) -> bool:
        """Make the project where there is none; say whether there was none. Raises BadValue."""
        made = self.connection.execute(
            "INSERT OR IGNORE INTO projects (name, created_at) VALUES (?, ?)",
            (check_project(name), time.time()),
        )
        return made.rowcount == 1

    def reserve(self, project: str, number: int) -> int:
        """Return the first of *number* places behind all others, for ``add_at``.

        Makes the project where there is none.
        """
        self.make_project(project)
        project_id = self.project_id(project)
        first = self._last_position(project_id) + 1
        self._move_position(project_id, number)
        return first

    def add_at(
        self, project: str, placed: Sequence[tuple[int, str]], queue: Queue = NORMAL_QUEUE
    ) -> Added:
        """Put names into *queue*, each at its place; known ones stay as they are."""
        project_id = self.project_id(project)
        rest = (queue.number, queue.reserved_for)
        new = self.connection.executemany(
            "INSERT OR IGNORE INTO items (project_id, position, name, queue, reserved_for) "
            "VALUES (?, ?, ?, ?, ?)",
            ((project_id, position, name, *rest) for position, name in placed),
        ).rowcount
        new = max(0, new)  # -1 when there was nothing to execute
        return Added(new, len(placed) - new)

    def claim(self, project: str, downloader: str, number: int) -> list[Claimed]:
        """Give up to *number* waiting items to *downloader*; [] when none waits for it.

        The downloader's own come first, then queue by queue, oldest first.
        """
        project_id = self.project_id(project)
        own = self.connection.execute(
            "SELECT id, name, queue, reserved_for FROM items WHERE project_id = ? "
            "AND state = 'todo' AND reserved_for = ? ORDER BY position LIMIT ?",
            (project_id, downloader, number),
        )
        shared = self.connection.execute(
            "SELECT id, name, queue, reserved_for FROM items WHERE project_id = ? "
            "AND state = 'todo' AND reserved_for IS NULL ORDER BY queue, position LIMIT ?",
            (project_id, number),
        )
        taken: list[tuple[int, Claimed]] = []
        size = 0
        for item_id, name, queue, reserved_for in islice(chain(own, shared), number):
            size += len(json.dumps(name))
            if taken and size > ANSWER_BYTES:
                break
            taken.append((item_id, Claimed(name, wire_name(queue, reserved_for))))
        now = time.time()
        self.connection.executemany(
            "UPDATE items SET state = 'out', downloader = ?, claimed_at = ? WHERE id = ?",
            [(downloader, now, item_id) for item_id, _ in taken],
        )
        return [claimed for _, claimed in taken]

    def release(self, project: str, downloader: str, names: Sequence[str]) -> int:
        """Put those of *names* that *downloader* holds back, behind the others; return how many.

        Behind, because a downloader whose filter refused them would else get the same ones at
        its next request, for ever. Items that it does not hold (any more) stay as they are.
        Raises UnknownItem, with nothing changed, when the project has no such item.
        """
        project_id = self.project_id(project)
        ids = [self._item(project_id, name) for name in names]
        held = "SELECT 1 FROM items WHERE id = ? AND state = 'out' AND downloader = ?"
        mine = [
            item_id
            for item_id in dict.fromkeys(ids)
            if self.connection.execute(held, (item_id, downloader)).fetchone()
        ]
        return self.put_back(project, mine)

    def put_back(self, project: str, ids: Sequence[int], queue: Queue | None = None) -> int:
        """Put items (by their *ids*) that are out or done back behind the others; return how many.

        They go to *queue*, or (None) to the one they came from.
        """
        project_id = self.project_id(project)
        first = self._last_position(project_id) + 1
        move = "" if queue is None else ", queue = ?, reserved_for = ?"
        to = () if queue is None else (queue.number, queue.reserved_for)
        self.connection.executemany(
            "UPDATE items SET state = 'todo', downloader = NULL, claimed_at = NULL, "
            f"done_at = NULL, position = ?{move} WHERE id = ?",
            [(position, *to, item_id) for position, item_id in enumerate(ids, first)],
        )
        self._move_position(project_id, len(ids))
        return len(ids)

    def done(
        self, project: str, downloader: str | None, names: Sequence[str], stats: dict[str, Any]
    ) -> int:
        """Count those of *names* that are not done yet as done; return how many were counted.

        Whoever holds the item: the work was done and uploaded, and a finished download is
        never thrown away because its claim went elsewhere. *downloader* None counts for
        whoever claimed the first of them. *stats* is kept once per report that counted anything.
        Raises UnknownItem, with nothing changed, when the project has no such item.
        """
        project_id = self.project_id(project)
        ids = [self._item(project_id, name) for name in names]
        still_open = [item_id for item_id in dict.fromkeys(ids) if self._is_open(item_id)]
        if not still_open:
            return 0
        now, groups = time.time(), group_bytes(stats)
        who = downloader or self._holder(still_open[0])
        report_id = self.connection.execute(
            "INSERT INTO reports (project_id, downloader, received_at, stats, items, bytes) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (project_id, who, now, json.dumps(stats), len(still_open), sum(groups.values())),
        ).lastrowid
        self.connection.executemany(
            "UPDATE items SET state = 'done', downloader = coalesce(?, downloader), "
            "done_at = ?, report_id = ? WHERE id = ?",
            [(downloader, now, report_id, item_id) for item_id in still_open],
        )
        tally = Tally()
        tally.count(project_id, who, now, len(still_open), groups)
        write(self.connection, tally)
        return len(still_open)

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
            (self._item(self.project_id(project), name),),
        ).fetchone()
        return ItemStatus(*row)

    def project_id(self, name: str) -> int:
        """Return the number that stands for the project; raises UnknownProject."""
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

    def _holder(self, item_id: int) -> str | None:
        """Return who claimed the item last."""
        row = self.connection.execute("SELECT downloader FROM items WHERE id = ?", (item_id,))
        holder: str | None = row.fetchone()[0]
        return holder

    def _last_position(self, project_id: int) -> int:
        """Return the highest place given yet: new and released items go behind it."""
        row = self.connection.execute(
            "SELECT last_position FROM projects WHERE id = ?", (project_id,)
        ).fetchone()
        return int(row[0])

    def _move_position(self, project_id: int, more: int) -> None:
        """Note that *more* places were given."""
        self.connection.execute(
            "UPDATE projects SET last_position = last_position + ? WHERE id = ?", (more, project_id)
        )

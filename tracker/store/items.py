"""The items of the projects: their queues, who claimed them, and what was reported.

An item is in one of three states: ``todo`` (waits), ``out`` (claimed by a downloader) or ``done``.
Items reserved for one downloader are handed out first, and to that downloader only. The normal
queue follows, then the secondary queue, then the redo queue.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from tracker.errors import BadValue, UnknownItem
from tracker.names import check_downloader, shown
from tracker.store.base import Base
from tracker.store.totals import count_report, group_bytes

RESERVED, NORMAL, SECONDARY, REDO = range(4)

NUMBERS: Mapping[str, int] = {"normal": NORMAL, "secondary": SECONDARY, "redo": REDO}
"""The queues that operators name, by name."""

_NAMES_FOR_CLIENTS = {NORMAL: "todo", SECONDARY: "todo:secondary", REDO: "todo:redo"}


@dataclass(frozen=True)
class Queue:
    """One queue: its *number*, and the downloader that it is reserved for, if any."""

    number: int = NORMAL
    reserved_for: str | None = None

    @property
    def name(self) -> str:
        """The name that clients get: ``todo``, ``todo:secondary``, ``todo:d:NAME``, …"""
        return _NAMES_FOR_CLIENTS.get(self.number, f"todo:d:{self.reserved_for}")


NORMAL_QUEUE = Queue()


def queue_of(name: str | None, downloader: str | None) -> Queue | None:
    """Return the queue called *name* or reserved for *downloader*; None if neither is given.

    Raises BadValue if there is no such queue, or if both are given.
    """
    if downloader is not None:
        if name is not None:
            raise BadValue("An item waits in one queue: give a queue or a downloader, not both.")
        return Queue(RESERVED, check_downloader(downloader))
    if name is None:
        return None
    if name not in NUMBERS:
        raise BadValue(f"There is no queue {shown(name)}. The queues are {', '.join(NUMBERS)}.")
    return Queue(NUMBERS[name])


ANSWER_BYTES = 256 * 1024
"""Most bytes of names (as JSON) that one claim hands out. An answer contains each name twice,
and clients refuse answers of over 1 MiB."""


@dataclass(frozen=True)
class Added:
    """How many items were *new*, and how many were *known* already, whatever their state."""

    new: int
    known: int


@dataclass(frozen=True)
class Claimed:
    """An item that was handed out: its name, and the name of the queue in which it waited."""

    name: str
    queue: str


@dataclass(frozen=True)
class ItemStatus:
    """One item: its state, who claimed it last, and when (None if that did not happen)."""

    name: str
    state: str
    downloader: str | None
    claimed_at: float | None
    done_at: float | None


class Items(Base):
    """The items."""

    def add(self, project: str, names: Sequence[str], queue: Queue = NORMAL_QUEUE) -> Added:
        """Put *names* at the end of *queue*, in order; known items stay as they are.

        Makes the project if it does not exist. ``check_item`` must have accepted the names.
        """
        first = self.reserve(project, len(names))
        return self.add_at(project, list(enumerate(names, first)), queue)

    def reserve(self, project: str, number: int) -> int:
        """Return the first of *number* new positions, behind every position that was ever used.

        Makes the project if it does not exist.
        """
        self.make_project(project)
        row = self.execute(
            "UPDATE projects SET last_position = last_position + ? WHERE name = ? "
            "RETURNING last_position",
            (number, project),
        ).fetchone()
        return int(row[0]) - number + 1

    def add_at(
        self, project: str, placed: Sequence[tuple[int, str]], queue: Queue = NORMAL_QUEUE
    ) -> Added:
        """Put pairs of position and name into *queue*; known items stay as they are."""
        project_id = self.project_id(project)
        rest = (queue.number, queue.reserved_for)
        new = self.connection.executemany(
            "INSERT OR IGNORE INTO items (project_id, position, name, queue, reserved_for) "
            "VALUES (?, ?, ?, ?, ?)",
            ((project_id, position, name, *rest) for position, name in placed),
        ).rowcount
        new = max(0, new)  # -1 if there was nothing to execute
        return Added(new, len(placed) - new)

    def claim(self, project: str, downloader: str, number: int) -> list[Claimed]:
        """Hand out up to *number* waiting items to *downloader*; [] if none waits for it.

        Items reserved for the downloader come first, then queue by queue, oldest first.
        """
        project_id = self.project_id(project)
        waiting = "SELECT id, name, queue, reserved_for FROM items WHERE project_id = ? "
        own = self.execute(
            f"{waiting} AND state = 'todo' AND reserved_for = ? ORDER BY position LIMIT ?",
            (project_id, downloader, number),
        )
        shared = self.execute(
            f"{waiting} AND state = 'todo' AND reserved_for IS NULL "
            "ORDER BY queue, position LIMIT ?",
            (project_id, number),
        )
        taken: list[tuple[int, Claimed]] = []
        size = 0
        for item_id, name, queue, reserved_for in islice(chain(own, shared), number):
            size += len(json.dumps(name))
            if taken and size > ANSWER_BYTES:
                break
            taken.append((item_id, Claimed(name, Queue(queue, reserved_for).name)))
        now = time.time()
        self.connection.executemany(
            "UPDATE items SET state = 'out', downloader = ?, claimed_at = ? WHERE id = ?",
            [(downloader, now, item_id) for item_id, _ in taken],
        )
        return [claimed for _, claimed in taken]

    def release(self, project: str, downloader: str, names: Iterable[str]) -> int:
        """Put the items that *downloader* holds at the end of their queues; return how many.

        At the end, because a downloader whose filter refused them would otherwise get the same
        items again and again. Items that it does not hold stay as they are. Raises UnknownItem,
        and changes nothing, if the project lacks one of the items.
        """
        found = self._find(project, names)
        held = [
            item_id
            for item_id, item in found.items()
            if (item.state, item.downloader) == ("out", downloader)
        ]
        return self.put_back(project, held)

    def put_back(self, project: str, ids: Sequence[int], queue: Queue | None = None) -> int:
        """Put items that are out or done, by their ids, at the end of a queue; return how many.

        *queue* None is the queue from which each came.
        """
        first = self.reserve(project, len(ids))
        move = "" if queue is None else ", queue = ?, reserved_for = ?"
        to = () if queue is None else (queue.number, queue.reserved_for)
        self.connection.executemany(
            "UPDATE items SET state = 'todo', downloader = NULL, claimed_at = NULL, "
            f"done_at = NULL, position = ?{move} WHERE id = ?",
            [(position, *to, item_id) for position, item_id in enumerate(ids, first)],
        )
        return len(ids)

    def done(
        self, project: str, downloader: str | None, names: Iterable[str], stats: dict[str, Any]
    ) -> int:
        """Count the items that are not done yet as done; return how many were counted.

        It does not matter who holds an item: the work was done and uploaded, and is not wasted
        because another downloader has the claim now. *downloader* None credits the one that
        claimed the first item. A report that counted anything is kept with its *stats*. Raises
        UnknownItem, and changes nothing, if the project lacks one of the items.
        """
        found = self._find(project, names)
        project_id = self.project_id(project)
        unfinished = {one: item for one, item in found.items() if item.state != "done"}
        if not unfinished:
            return 0
        now, groups = time.time(), group_bytes(stats)
        who = downloader or next(iter(unfinished.values())).downloader
        report_id = self.execute(
            "INSERT INTO reports (project_id, downloader, received_at, stats, items, bytes) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (project_id, who, now, json.dumps(stats), len(unfinished), sum(groups.values())),
        ).lastrowid
        self.connection.executemany(
            "UPDATE items SET state = 'done', downloader = coalesce(?, downloader), "
            "done_at = ?, report_id = ? WHERE id = ?",
            [(downloader, now, report_id, item_id) for item_id in unfinished],
        )
        count_report(self.connection, project_id, who, now, len(unfinished), groups)
        return len(unfinished)

    def item(self, project: str, name: str) -> ItemStatus:
        """Return the status of one item; raises UnknownProject, UnknownItem."""
        return next(iter(self._find(project, [name]).values()))

    def _find(self, project: str, names: Iterable[str]) -> dict[int, ItemStatus]:
        """Return the items called *names*, by id; raises UnknownProject, UnknownItem."""
        project_id, found = self.project_id(project), {}
        for name in names:
            row = self.execute(
                "SELECT id, name, state, downloader, claimed_at, done_at FROM items "
                "WHERE project_id = ? AND name = ?",
                (project_id, name),
            ).fetchone()
            if row is None:
                raise UnknownItem(f"This project has no item {shown(name)}.")
            found[row[0]] = ItemStatus(*row[1:])
        return found

"""Queues items from files, while a server may be at work on the same database."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import BinaryIO

from tracker.errors import BadValue
from tracker.names import MAX_NAME_BYTES, check_item
from tracker.queues import Queue
from tracker.store import NORMAL_QUEUE, Added, Store

CHUNK = 1000
"""Items in the first transaction; the next ones grow and shrink with the time they take."""

LARGEST_CHUNK = 20_000

HELD_SECONDS = 0.25
"""A transaction keeps the server waiting about so long at most."""

PAUSE_SECONDS = 0.12
"""The server's turn between two transactions, longer than the steps in which it looks."""

BUNCH = 250_000
"""Names that are sorted together, if they have BUNCH_CHARACTERS in all or fewer."""

BUNCH_CHARACTERS = 64 * 1024 * 1024

TOLD_LINES = 100
"""Bad lines told one by one; the rest are only counted."""


@dataclass(frozen=True)
class BadLine:
    """A line that cannot be an item, and why."""

    number: int
    reason: str


@dataclass
class Lines:
    """Reads lines into names, and keeps account of those that cannot be."""

    bad: list[BadLine] = field(default_factory=list)
    """The first TOLD_LINES of them."""
    bad_count: int = 0
    number: int = 0
    """Lines seen so far."""

    def name(self, line: bytes) -> str | None:
        """Return the item's name in the next *line* (without its end); None when it has none."""
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        line = line.removesuffix(b"\r")
        if not line:
            return None
        try:
            return check_item(line.decode("utf-8"))
        except UnicodeDecodeError:
            self._refuse("This is not UTF-8.")
        except BadValue as error:
            self._refuse(str(error))
        return None

    def _refuse(self, reason: str) -> None:
        self.bad_count += 1
        if len(self.bad) < TOLD_LINES:
            self.bad.append(BadLine(self.number, reason))


def item_names(file: BinaryIO, lines: Lines) -> Iterator[str]:
    """Yield the item names in *file*: UTF-8, one a line, verbatim, empty lines skipped.

    Only a line feed ends a line (a carriage return before it and a byte order mark are
    dropped): all else can be part of a name. Lines that cannot be are left out; *lines* has them.
    """
    longest = MAX_NAME_BYTES + 16  # with its end and a byte order mark
    while line := file.readline(longest):
        rest = line
        while not rest.endswith(b"\n") and (rest := file.readline(longest)):
            pass  # too long to be a name: its rest is not kept
        name = lines.name(line.removesuffix(b"\n"))
        if name is not None:
            yield name


def add_items(
    store: Store,
    project: str,
    names: Iterable[str],
    queue: Queue = NORMAL_QUEUE,
    polite: bool = True,
) -> Iterator[Added]:
    """Queue *names*, in order; yields what came of each transaction, once it is durable.

    A *polite* one leaves the database to the server between them: SQLite has no queue of
    writers, and claims must not wait until a million items are in.
    """
    pace, left = _Pace(polite), iter(names)
    with store.transaction():
        store.make_project(project)  # even when there are no names
    while bunch := _bunch(left):
        with store.transaction():
            first = store.reserve(project, len(bunch))
        placed = in_index_order(bunch, first)
        done = 0
        while chunk := placed[done : done + pace.size]:
            start = time.monotonic()
            with store.transaction():
                added = store.add_at(project, chunk, queue)
            yield added
            done += len(chunk)
            pace.held(time.monotonic() - start)


def in_index_order(names: Sequence[str], first: int) -> list[tuple[int, str]]:
    """Return *names* with their places, which begin at *first*, sorted by name.

    The index by name takes neighbours many times faster; each keeps its place in the queue.
    """
    return sorted(enumerate(names, first), key=itemgetter(1))


def _bunch(names: Iterator[str]) -> list[str]:
    """Return the next names, as many as are sorted together."""
    bunch, size = [], 0
    for name in islice(names, BUNCH):
        bunch.append(name)
        size += len(name)
        if size > BUNCH_CHARACTERS:
            break
    return bunch


class _Pace:
    """How many items the next transaction takes, after the time that the last one took."""

    def __init__(self, polite: bool) -> None:
        self.size = CHUNK
        self._polite = polite

    def held(self, seconds: float) -> None:
        """Note how long the database was held, and let the server have its turn."""
        if seconds < HELD_SECONDS / 2 or not self._polite:
            self.size = min(self.size * 2, LARGEST_CHUNK)
        elif seconds > HELD_SECONDS:
            self.size = max(self.size // 2, CHUNK)
        if self._polite:
            time.sleep(min(PAUSE_SECONDS, seconds))

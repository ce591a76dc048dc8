"""Adds items from files, while a server may use the same database."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import BinaryIO

from tracker.errors import BadValue
from tracker.names import MAX_NAME_BYTES, check_item
from tracker.store.queues import Queue
from tracker.store.store import NORMAL_QUEUE, Added, Store

CHUNK = 1000
"""Items in the first transaction; the next ones are larger or smaller, depending on its time."""

LARGEST_CHUNK = 20_000

HELD_SECONDS = 0.25
"""About the longest time for which one transaction makes the server wait."""

PAUSE_SECONDS = 0.12
"""Pause between two transactions, longer than SQLite waits between two tries for the lock."""

BATCH = 250_000
"""Most names that are sorted together."""

BATCH_CHARACTERS = 64 * 1024 * 1024
"""A batch ends when its names have more characters than this."""

REPORTED_LINES = 100
"""Most bad lines that are reported one by one; the rest are only counted."""

LONGEST_LINE = MAX_NAME_BYTES + 16  # with its end and a byte order mark


@dataclass(frozen=True)
class BadLine:
    """A line that cannot be an item, and why."""

    number: int
    reason: str


@dataclass
class Lines:
    """Rotation lines into names, and records the lines that are bad."""

    bad: list[BadLine] = field(default_factory=list)
    """The first REPORTED_LINES of the bad lines."""
    bad_count: int = 0
    number: int = 0
    """Lines read so far."""

    def name(self, line: bytes) -> str | None:
        """Return the item name in the next *line* (without its end); None if it has none."""
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        line = line.removesuffix(b"\r")
        if not line:
            return None
        try:
            return check_item(line.decode("utf-8"))
        except UnicodeDecodeError:
            self._record("This is not UTF-8.")
        except BadValue as error:
            self._record(str(error))
        return None

    def _record(self, reason: str) -> None:
        self.bad_count += 1
        if len(self.bad) < REPORTED_LINES:
            self.bad.append(BadLine(self.number, reason))


def item_names(file: BinaryIO, lines: Lines) -> Iterator[str]:
    """Yield the item names in *file*, which is UTF-8 with one name in each line.

    A name is the whole line, except a carriage return at its end and a byte order mark at the
    start of the file. Only a line feed ends a line. Empty lines are skipped; *lines* records
    those that cannot be names.
    """
    while line := file.readline(LONGEST_LINE):
        rest = line
        while not rest.endswith(b"\n") and (rest := file.readline(LONGEST_LINE)):
            pass  # the line is too long for a name, so the rest of it is dropped
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
    """Queue *names* in order; yield the result of each transaction once it is durable.

    If *polite*, leave the database to the server between transactions: SQLite's lock is not
    fair, and claims must not wait until a million items are added.
    """
    left = iter(names)
    size = CHUNK
    with store.transaction():
        store.make_project(project)  # even if there are no names
    while batch := _next_batch(left):
        with store.transaction():
            first = store.reserve(project, len(batch))
        placed = in_index_order(batch, first)
        done = 0
        while chunk := placed[done : done + size]:
            start = time.monotonic()
            with store.transaction():
                added = store.add_at(project, chunk, queue)
            yield added
            done += len(chunk)
            seconds = time.monotonic() - start
            if seconds < HELD_SECONDS / 2 or not polite:
                size = min(size * 2, LARGEST_CHUNK)
            elif seconds > HELD_SECONDS:
                size = max(size // 2, CHUNK)
            if polite:
                time.sleep(min(PAUSE_SECONDS, seconds))


def in_index_order(names: Sequence[str], first: int) -> list[tuple[int, str]]:
    """Return *names* with their positions, which begin at *first*, sorted by name.

    Neighbours go into the index by name many times faster, and each name keeps its position.
    """
    return sorted(enumerate(names, first), key=itemgetter(1))


def _next_batch(names: Iterator[str]) -> list[str]:
    """Return the next names, as many as are sorted together."""
    batch, size = [], 0
    for name in islice(names, BATCH):
        batch.append(name)
        size += len(name)
        if size > BATCH_CHARACTERS:
            break
    return batch

"""Adds items from lines, while a server may use the same database."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from tracker.errors import BadValue
from tracker.names import MAX_NAME_BYTES, check_item
from tracker.store.items import NORMAL_QUEUE, Added, Queue
from tracker.store.store import Store

CHUNK = 5000
"""Items in one transaction, so that the server does not have to wait for long."""

PAUSE_SECONDS = 0.12
"""Longest pause between two transactions: SQLite waits for less between two tries for the lock."""

BATCH = 50_000
"""Most names that are sorted together. Sorting them does not delay an event loop for long."""

BATCH_CHARACTERS = 1 << 24
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
    """Turns pieces of UTF-8 text into names, one for each line, and records the bad lines.

    A name is the whole line, except a carriage return at its end and a byte order mark at the
    start of the text. Only a line feed ends a line. Empty lines are skipped.
    """

    names: list[str] = field(default_factory=list)
    """The names of the lines that are complete."""
    bad: list[BadLine] = field(default_factory=list)
    """The first REPORTED_LINES of the bad lines."""
    bad_count: int = 0
    number: int = 0
    """Lines read so far."""
    _characters: int = 0
    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> bool:
        """Read the next *piece*; return whether there are enough names for a batch."""
        *whole, rest = piece.split(b"\n")
        for line in whole:
            self._read(bytes(self._rest) + line)
            self._rest.clear()
        if len(self._rest) <= LONGEST_LINE:  # a longer line is bad, whatever follows
            self._rest += rest
        return len(self.names) >= BATCH or self._characters > BATCH_CHARACTERS

    def end(self) -> None:
        """Read the last line, which has no end."""
        if self._rest:
            self._read(bytes(self._rest))

    def take(self) -> list[str]:
        """Return the names read since the last call."""
        names, self.names, self._characters = self.names, [], 0
        return names

    def _read(self, line: bytes) -> None:
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        line = line.removesuffix(b"\r")
        if not line:
            return
        try:
            name = check_item(line.decode("utf-8"))
        except (UnicodeDecodeError, BadValue) as error:
            self.bad_count += 1
            if len(self.bad) < REPORTED_LINES:
                reason = str(error) if isinstance(error, BadValue) else "This is not UTF-8."
                self.bad.append(BadLine(self.number, reason))
        else:
            self.names.append(name)
            self._characters += len(name)


def placed_chunks(names: Sequence[str], first: int) -> Iterator[list[tuple[int, str]]]:
    """Yield *names* with their positions, which begin at *first*, CHUNK at a time.

    They are sorted by name: neighbours go into the index by name many times faster, and each
    name keeps its position.
    """
    placed = sorted(enumerate(names, first), key=itemgetter(1))
    for start in range(0, len(placed), CHUNK):
        yield placed[start : start + CHUNK]


def add_items(
    store: Store,
    project: str,
    names: Sequence[str],
    queue: Queue = NORMAL_QUEUE,
    polite: bool = True,
) -> Iterator[Added]:
    """Queue *names* in order; yield the result of each transaction once it is durable.

    If *polite*, leave the database to the server between transactions: SQLite's lock is not
    fair, and claims must not wait until a million items are added.
    """
    with store.transaction():
        first = store.reserve(project, len(names))
    for chunk in placed_chunks(names, first):
        start = time.monotonic()
        with store.transaction():
            added = store.add_at(project, chunk, queue)
        yield added
        if polite:
            time.sleep(min(PAUSE_SECONDS, time.monotonic() - start))

"""Queues items from files, while a server may be at work on the same database."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import BinaryIO

from tracker.errors import BadValue
from tracker.names import check_item
from tracker.store import Added, Store

CHUNK = 1000
"""Items in one transaction."""

LONGEST_PAUSE = 0.1


def item_names(file: BinaryIO, label: str) -> Iterator[str]:
    """Yield the item names in *file*: UTF-8, one a line, verbatim, empty lines skipped.

    Only a line feed ends a line (a carriage return before it and a byte order mark are
    dropped): all else can be part of a name. Raises BadValue naming *label* and the line.
    """
    for number, line in enumerate(file, start=1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if not line:
            continue
        try:
            yield check_item(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise BadValue(f"{label}, line {number}: this is not UTF-8.") from None
        except BadValue as error:
            raise BadValue(f"{label}, line {number}: {error}") from None


def add_items(store: Store, project: str, names: Iterable[str]) -> Iterator[Added]:
    """Queue *names* in transactions of CHUNK; yields what came of each, once it is durable.

    Between them it leaves the database to the server for as long as it held it: SQLite has no
    queue of writers, and claims must not wait until a million items are in.
    """
    connection, left, first = store.connection, iter(names), True
    while True:
        chunk = list(islice(left, CHUNK))
        if not chunk and not first:
            return
        first = False
        start = time.monotonic()
        connection.execute("BEGIN IMMEDIATE")
        try:
            added = store.add(project, chunk)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
        yield added
        time.sleep(min(LONGEST_PAUSE, time.monotonic() - start))

"""Opens the tracker's SQLite file, and makes it where there is none.

The file is shared by the server and by ``run-tracker add`` in other processes, so it is kept
in WAL mode. ``synchronous=FULL`` makes a commit durable before it returns.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from tracker.errors import FolderUnusable, NewerDatabase
from tracker.tables import STEPS

DATABASE = "tracker.sqlite3"
"""The file's name in the data folder."""

APPLICATION_ID = 0x41547472  # "ATtr": tells our file from another program's
VERSION = len(STEPS)
BUSY_SECONDS = 20.0
"""How long a writer waits for another process before it gives up."""

CACHE_KIB = 64 * 1024
"""Pages kept in memory by a connection: names of a million items are looked up at random."""

CHECKPOINT_PAGES = 10_000
"""Pages (4 KiB) that may wait in the journal: the same ones change again and again."""


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Open the tracker database at *path*, made (with its folder) unless *create* is false.

    Raises FolderUnusable with a sentence when it cannot be opened, is not a tracker's, or
    (NewerDatabase) was written by a newer version.
    """
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            raise FolderUnusable(f"There is no tracker in {path.parent}: {path.name} is missing.")
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise FolderUnusable(f"Cannot open {path}: {error}.") from error
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise FolderUnusable(f"Cannot use {path} as the tracker's database: {error}.") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check whose file it is, set how it is written, and bring its tables up to date."""
    _refuse_foreign(connection, path)
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    if _number(connection, "user_version") == VERSION:
        return  # without waiting for whoever writes
    connection.execute("BEGIN IMMEDIATE")  # two processes may find an empty file at once
    try:
        _refuse_foreign(connection, path)  # again: another process may have been at work
        for step in STEPS[_number(connection, "user_version") :]:
            for statement in _statements(step.script):
                connection.execute(statement)
            step.finish(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raise FolderUnusable when the file holds tables that are not this tracker's."""
    version = _number(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    ours = _number(connection, "application_id") == APPLICATION_ID
    if ours and version > VERSION:
        raise NewerDatabase(
            f"{path} was written by a newer tracker (version {version}, this one knows {VERSION}): "
            "update this program, or name another --data-dir."
        )
    if not ours and (tables or version):
        raise FolderUnusable(f"{path} is another program's database: name another --data-dir.")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; SQLite's own wait does not cover this change, so it is tried again here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _statements(script: str) -> list[str]:
    """Split *script* where SQLite says a statement is complete (executescript would commit)."""
    found, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    return found

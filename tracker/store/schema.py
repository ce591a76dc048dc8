"""Opens the tracker's SQLite file, and creates it if it does not exist.

The server and the commands of ``run-tracker`` share the file from several processes, so it is
in WAL mode. ``synchronous=FULL`` makes a commit durable before it returns.
"""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path

from tracker.errors import FolderUnusable, NewerDatabase
from tracker.store.tables import STEPS

DATABASE = "tracker.sqlite3"
"""Name of the file in the data folder."""

APPLICATION_ID = 0x41547472  # "ATtr": marks the file as this program's
VERSION = len(STEPS)
BUSY_SECONDS = 20.0
"""How long a writer waits for another process before it gives up."""

CACHE_KIB = 64 * 1024
"""Cache of each connection: the names of a million items are looked up in random order."""

CHECKPOINT_PAGES = 10_000
"""Pages (4 KiB) that may wait in the journal, because the same pages change repeatedly."""


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Open the database at *path*; create it and its folder unless *create* is false.

    Raises FolderUnusable if the file cannot be opened or belongs to another program, and
    NewerDatabase if a newer version wrote it.
    """
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            raise FolderUnusable(f"There is no tracker in {path.parent}: {path.name} is missing.")
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise FolderUnusable(f"Cannot use {path} as the tracker's database: {error}.") from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check whose file it is, set the pragmas, and bring the tables up to date."""
    _refuse_foreign(connection, path)
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    if _number(connection, "user_version") == VERSION:
        return  # without waiting for another writer
    connection.execute("BEGIN IMMEDIATE")  # two processes may open an empty file at once
    try:
        _refuse_foreign(connection, path)  # again: another process may have changed it meanwhile
        for script, finish in STEPS[_number(connection, "user_version") :]:
            # executescript() would commit first. Each statement begins with one of these words.
            for statement in re.split(r";\n(?=CREATE|ALTER|DROP)", script):
                connection.execute(statement)
            if finish is not None:
                finish(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raise FolderUnusable if the file is another program's or a newer version's."""
    version = _number(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    ours = _number(connection, "application_id") == APPLICATION_ID
    if ours and version > VERSION:
        raise NewerDatabase(
            f"A newer tracker wrote {path} (version {version}; this program knows {VERSION}). "
            "Update this program, or choose another --data-dir."
        )
    if not ours and (tables or version):
        raise FolderUnusable(f"{path} is another program's database: choose another --data-dir.")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite's own busy timeout does not cover this change, so retry it here."""
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

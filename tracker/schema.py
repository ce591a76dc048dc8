"""Opens the tracker's SQLite file, and makes it where there is none.

The file is shared by the server and by ``run-tracker add`` in other processes, so it is kept
in WAL mode. ``synchronous=FULL`` makes a commit durable before it returns.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from tracker.errors import FolderUnusable, NewerDatabase

APPLICATION_ID = 0x41547472  # "ATtr": tells our file from another program's
VERSION = 1
BUSY_SECONDS = 20.0
"""How long a writer waits for another process before it gives up."""

# The counts of a project are kept by triggers, in the transaction that changes an item: a
# status of millions of items costs as much as one of three.
_SCHEMA = """
CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    todo INTEGER NOT NULL DEFAULT 0,
    out INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    downloader TEXT,
    received_at REAL NOT NULL,
    stats TEXT NOT NULL
);
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'todo' CHECK (state IN ('todo', 'out', 'done')),
    position INTEGER NOT NULL,
    downloader TEXT,
    claimed_at REAL,
    done_at REAL,
    report_id INTEGER REFERENCES reports (id),
    UNIQUE (project_id, name)
);
CREATE INDEX items_waiting ON items (project_id, position) WHERE state = 'todo';
CREATE TRIGGER item_added AFTER INSERT ON items BEGIN
    UPDATE projects SET todo = todo + (NEW.state = 'todo'), out = out + (NEW.state = 'out'),
        done = done + (NEW.state = 'done') WHERE id = NEW.project_id;
END;
CREATE TRIGGER item_moved AFTER UPDATE OF state ON items BEGIN
    UPDATE projects SET todo = todo + (NEW.state = 'todo') - (OLD.state = 'todo'),
        out = out + (NEW.state = 'out') - (OLD.state = 'out'),
        done = done + (NEW.state = 'done') - (OLD.state = 'done') WHERE id = NEW.project_id;
END;
"""


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
    except FolderUnusable:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check whose file it is, set how it is written, and make the tables where missing."""
    _refuse_foreign(connection, path)
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")  # two processes may find an empty file at once
    try:
        if _number(connection, "user_version") == 0:
            for statement in _statements(_SCHEMA):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except sqlite3.Error:
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

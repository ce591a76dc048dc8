"""Opens the tracker's SQLite file, and creates it if it does not exist.

The server and the commands of ``run-tracker`` share the file from several processes, so it is
in WAL mode. ``synchronous=FULL`` makes a commit durable before it returns.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from tracker.errors import FolderUnusable, NewerDatabase
from tracker.store.totals import count_report, group_bytes

DATABASE = "tracker.sqlite3"
"""Name of the file in the data folder."""

APPLICATION_ID = 0x41547472  # "ATtr": marks the file as this program's
BUSY_SECONDS = 20.0
"""How long a writer waits for another process before it gives up."""

CACHE_KIB = 64 * 1024
"""Cache of each connection: the names of a million items are looked up in random order."""

CHECKPOINT_PAGES = 10_000
"""Pages (4 KiB) that may wait in the journal, because the same pages change repeatedly."""

# Triggers keep the counts of a project in the transaction that changes an item, so the status of
# a project with millions of items is as cheap as that of one with three.
_FIRST = """
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

# Queues, settings, and totals that each report adds to, so that no page has to count items.
_SECOND = """
ALTER TABLE projects ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN min_version TEXT;
ALTER TABLE projects ADD COLUMN requests_per_minute INTEGER;
ALTER TABLE projects ADD COLUMN max_items INTEGER;
ALTER TABLE projects ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN created_at REAL NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN last_position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN secondary INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN redo INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN items INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN queue INTEGER NOT NULL DEFAULT 1;
ALTER TABLE items ADD COLUMN reserved_for TEXT;
DROP INDEX items_waiting;
CREATE INDEX items_waiting ON items (project_id, queue, position)
    WHERE state = 'todo' AND reserved_for IS NULL;
CREATE INDEX items_reserved ON items (project_id, reserved_for, position)
    WHERE state = 'todo' AND reserved_for IS NOT NULL;
CREATE TRIGGER item_queued AFTER INSERT ON items WHEN NEW.queue <> 1 BEGIN
    UPDATE projects SET reserved = reserved + (NEW.state = 'todo' AND NEW.queue = 0),
        secondary = secondary + (NEW.state = 'todo' AND NEW.queue = 2),
        redo = redo + (NEW.state = 'todo' AND NEW.queue = 3) WHERE id = NEW.project_id;
END;
CREATE TRIGGER item_requeued AFTER UPDATE OF state, queue ON items
    WHEN NEW.queue <> 1 OR OLD.queue <> 1 BEGIN
    UPDATE projects SET reserved = reserved + (NEW.state = 'todo' AND NEW.queue = 0)
            - (OLD.state = 'todo' AND OLD.queue = 0),
        secondary = secondary + (NEW.state = 'todo' AND NEW.queue = 2)
            - (OLD.state = 'todo' AND OLD.queue = 2),
        redo = redo + (NEW.state = 'todo' AND NEW.queue = 3)
            - (OLD.state = 'todo' AND OLD.queue = 3) WHERE id = NEW.project_id;
END;
CREATE INDEX items_out ON items (project_id, claimed_at) WHERE state = 'out';
CREATE INDEX items_of_report ON items (report_id) WHERE report_id IS NOT NULL;
CREATE INDEX reports_of_project ON reports (project_id, id);
CREATE TABLE downloaders (
    project_id INTEGER NOT NULL REFERENCES projects (id),
    downloader TEXT NOT NULL,
    items INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    PRIMARY KEY (project_id, downloader)
) WITHOUT ROWID;
CREATE TABLE groups (
    project_id INTEGER NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (project_id, name)
) WITHOUT ROWID;
CREATE TABLE spans (
    project_id INTEGER NOT NULL REFERENCES projects (id),
    seconds INTEGER NOT NULL,
    start INTEGER NOT NULL,
    items INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (project_id, seconds, start)
) WITHOUT ROWID;
CREATE TABLE targets (
    id INTEGER PRIMARY KEY,
    project_id INTEGER REFERENCES projects (id),
    url TEXT NOT NULL,
    weight INTEGER NOT NULL DEFAULT 1 CHECK (weight > 0),
    active INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX targets_once ON targets (coalesce(project_id, 0), url);
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY,
    project_id INTEGER REFERENCES projects (id),
    kind TEXT NOT NULL CHECK (kind IN ('name', 'address')),
    value TEXT NOT NULL COLLATE NOCASE,
    first BLOB,
    last BLOB,
    reason TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL
);
CREATE UNIQUE INDEX blocks_once ON blocks (coalesce(project_id, 0), kind, value);
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL UNIQUE,
    created_at REAL NOT NULL
);
"""


def _count_old_reports(connection: sqlite3.Connection) -> None:
    """Add the reports of version 1, which had no totals, to the totals."""
    connection.execute(
        "UPDATE projects SET created_at = coalesce((SELECT min(received_at) FROM reports "
        "WHERE project_id = projects.id), ?), last_position = coalesce((SELECT max(position) "
        "FROM items WHERE project_id = projects.id), 0)",
        (time.time(),),
    )
    connection.execute(
        "UPDATE reports SET items = (SELECT count(*) FROM items WHERE report_id = reports.id), "
        "downloader = coalesce(downloader, (SELECT downloader FROM items WHERE report_id = "
        "reports.id ORDER BY id LIMIT 1))"
    )
    rows = connection.execute(
        "SELECT id, project_id, downloader, received_at, stats, items FROM reports ORDER BY id"
    ).fetchall()
    for report_id, project_id, downloader, at, stats, items in rows:
        groups = group_bytes(json.loads(stats))
        count_report(connection, project_id, downloader, at, items, groups)
        size = sum(groups.values())
        connection.execute("UPDATE reports SET bytes = ? WHERE id = ?", (size, report_id))


STEPS: tuple[tuple[str, Callable[[sqlite3.Connection], None] | None], ...] = (
    (_FIRST, None),
    (_SECOND, _count_old_reports),
)
"""Step N upgrades version N to N+1 (an empty file is version 0): SQL, then code if needed."""

VERSION = len(STEPS)


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
    """Check that the file is a tracker's, set the pragmas, and upgrade the tables."""
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
        _refuse_foreign(connection, path)  # again: another process may have changed it
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

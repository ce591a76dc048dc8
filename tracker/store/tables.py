"""The tables of the tracker's database, as a series of upgrade steps.

A new file takes all of the steps, an older one those that it lacks, so both end up the same.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable

from tracker.store.totals import count_report, group_bytes

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
    """Count the reports from before there were totals."""
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

"""Removes a project and everything that the database has about it, while a server may run."""

from __future__ import annotations

import time
from collections import Counter

from tracker.store.queues import REDO, RESERVED, SECONDARY
from tracker.store.store import Store

CHUNK = 5000
"""Rows in one transaction, so that other projects' claims do not have to wait for long."""

PAUSE_SECONDS = 0.12
"""Pause between two transactions, longer than SQLite waits between two tries for the lock."""

TABLES = ("downloaders", "groups", "spans", "targets", "blocks")
"""The other tables about a project; they have few rows."""


def remove_project(store: Store, project: str, polite: bool = True) -> None:
    """Remove *project*: its items, reports, totals, targets and blocks. Raises UnknownProject.

    The project is paused first, then its rows are removed in several transactions; if *polite*,
    with a pause between two, in which the server can use the database. If this is interrupted,
    the project keeps the rest, and another call removes that too.
    """
    with store.transaction():
        project_id = store.project_id(project)
        store.connection.execute("UPDATE projects SET paused = 1 WHERE id = ?", (project_id,))
    for remove in _remove_items, _remove_reports:
        removed = 1
        while removed:
            with store.transaction():
                removed = remove(store, project_id)
            if polite and removed:
                time.sleep(PAUSE_SECONDS)
    with store.transaction():
        for remove in _remove_items, _remove_reports:  # rows that were added since
            while remove(store, project_id):
                pass
        for table in TABLES:
            store.connection.execute(f"DELETE FROM {table} WHERE project_id = ?", (project_id,))
        store.connection.execute("DELETE FROM projects WHERE id = ?", (project_id,))


def _remove_items(store: Store, project_id: int) -> int:
    """Remove some items and subtract them from the project's counts; return how many."""
    rows = store.connection.execute(
        "SELECT id, state, queue FROM items WHERE project_id = ? LIMIT ?", (project_id, CHUNK)
    ).fetchall()
    store.connection.executemany("DELETE FROM items WHERE id = ?", ((row[0],) for row in rows))
    states = Counter(state for _, state, _ in rows)
    queues = Counter(queue for _, state, queue in rows if state == "todo")
    store.connection.execute(
        "UPDATE projects SET todo = todo - ?, out = out - ?, done = done - ?, "
        "reserved = reserved - ?, secondary = secondary - ?, redo = redo - ? WHERE id = ?",
        (
            *(states["todo"], states["out"], states["done"]),
            *(queues[RESERVED], queues[SECONDARY], queues[REDO]),
            project_id,
        ),
    )
    return len(rows)


def _remove_reports(store: Store, project_id: int) -> int:
    """Remove some reports, whose items are removed already; return how many."""
    return store.connection.execute(
        "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE project_id = ? LIMIT ?)",
        (project_id, CHUNK),
    ).rowcount

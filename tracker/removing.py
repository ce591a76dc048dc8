"""Removes a project with all that the database keeps of it, while a server may be at work on it."""

from __future__ import annotations

import time
from collections import Counter

from tracker.queues import REDO, RESERVED, SECONDARY
from tracker.store import Store

CHUNK = 5000
"""Rows in one transaction: claims of other projects wait for no longer one."""

PAUSE_SECONDS = 0.12
"""The server's turn between two transactions, longer than the steps in which it looks."""

TABLES = ("downloaders", "groups", "spans", "targets", "blocks")
"""What else belongs to a project; few rows, that go with it."""


def remove_project(store: Store, project: str, polite: bool = True) -> None:
    """Remove *project*: its items, reports, totals, targets and blocks. Raises UnknownProject.

    It is paused first, then its rows go some at a time; a *polite* one leaves the database to the
    server between them. When it is cut short the project is there with what is left of it, and
    removing it again goes on.
    """
    with store.transaction():
        project_id = store.project_id(project)
        store.connection.execute("UPDATE projects SET paused = 1 WHERE id = ?", (project_id,))
    for remove in _remove_items, _remove_reports:
        while True:
            with store.transaction():
                number = remove(store, project_id)
            if not number:
                break
            if polite:
                time.sleep(PAUSE_SECONDS)
    with store.transaction():
        for remove in _remove_items, _remove_reports:  # what has come since
            while remove(store, project_id):
                pass
        for table in TABLES:  # names of ours
            store.connection.execute(f"DELETE FROM {table} WHERE project_id = ?", (project_id,))
        store.connection.execute("DELETE FROM projects WHERE id = ?", (project_id,))


def _remove_items(store: Store, project_id: int) -> int:
    """Remove some items, and take them off the project's counts; return how many."""
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
    """Remove some reports, whose items are gone; return how many."""
    return store.connection.execute(
        "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE project_id = ? LIMIT ?)",
        (project_id, CHUNK),
    ).rowcount

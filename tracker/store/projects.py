"""Projects, their settings, and their removal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracker.errors import AlreadyExists, BadValue
from tracker.names import shown
from tracker.store.base import Base
from tracker.store.items import REDO, RESERVED, SECONDARY

MOST_PER_MINUTE = 100_000
MOST_ITEMS = 10_000

CHUNK = 5000
"""Rows in one transaction, so that other projects' claims do not have to wait for long."""

PAUSE_SECONDS = 0.12
"""Pause between two transactions, longer than SQLite waits between two tries for the lock."""

TABLES = ("downloaders", "groups", "spans", "targets", "blocks")
"""The other tables about a project; they have few rows."""

SETTINGS = ("title", "min_version", "requests_per_minute", "max_items", "paused")

_LONGEST = {"title": 200, "min_version": 64}  # in characters
_MOST = {"requests_per_minute": MOST_PER_MINUTE, "max_items": MOST_ITEMS}


@dataclass(frozen=True)
class Project:
    """A project: its settings, the counts of its items, the bytes reported, and its age."""

    name: str
    title: str
    min_version: str | None
    """Older code is told to update (455). None admits any version."""
    requests_per_minute: int | None
    """Most requests that get items, of all downloaders together. None means no limit."""
    max_items: int | None
    """Most items in one answer. None means as many as were asked for."""
    paused: bool
    """Whether the project hands out no items now."""
    created_at: float
    todo: int
    out: int
    done: int
    bytes: int
    reserved: int
    """Items reserved for one downloader; they are part of *todo*, as are the next two."""
    secondary: int
    redo: int

    @property
    def counts(self) -> dict[str, int]:
        """How many items are in each state."""
        return {"todo": self.todo, "out": self.out, "done": self.done}

    @property
    def summary(self) -> str:
        return f"{self.todo} to do, {self.out} out, {self.done} done"

    @property
    def queues(self) -> tuple[int, int, int, int]:
        """How many items wait in each queue, in the order of the queues' numbers."""
        normal = self.todo - self.reserved - self.secondary - self.redo
        return self.reserved, normal, self.secondary, self.redo


_SELECT = (
    "SELECT name, title, min_version, requests_per_minute, max_items, paused, created_at, "
    "todo, out, done, bytes, reserved, secondary, redo FROM projects "
)


class Projects(Base):
    """The projects."""

    def create_project(self, name: str, settings: Mapping[str, object]) -> Project:
        """Make a project; raises AlreadyExists, BadValue."""
        if not self.make_project(name):
            raise AlreadyExists(f"There is already a project {shown(name)}.")
        return self.change_project(name, settings)

    def change_project(self, name: str, settings: Mapping[str, object]) -> Project:
        """Change the *settings* given, all or none; raises UnknownProject, BadValue."""
        checked = {name: _check_setting(name, value) for name, value in settings.items()}
        if checked:
            columns = ", ".join(f"{column} = ?" for column in checked)  # all are in SETTINGS
            self.execute(f"UPDATE projects SET {columns} WHERE name = ?", (*checked.values(), name))
        return self.project(name)

    def project(self, name: str) -> Project:
        """Return the project; raises UnknownProject."""
        rows = self.execute(f"{_SELECT} WHERE id = ?", (self.project_id(name),))
        return _project(rows.fetchone())

    def projects(self) -> list[Project]:
        """Return every project, by name."""
        return [_project(row) for row in self.execute(f"{_SELECT} ORDER BY name")]

    def remove_project(self, name: str, polite: bool = True) -> None:
        """Remove the project: its items, reports, totals, targets and blocks.

        Makes its own transactions: the project is paused in the first one, and the others remove
        its rows. If *polite*, pause between them, so that the server can use the database. After
        an interruption the project keeps the rest, and another call removes that too. Raises
        UnknownProject.
        """
        with self.transaction():
            project_id = self.project_id(name)
            self.execute("UPDATE projects SET paused = 1 WHERE id = ?", (project_id,))
        for remove in self._remove_items, self._remove_reports:
            removed = 1
            while removed:
                with self.transaction():
                    removed = remove(project_id)
                if polite and removed:
                    time.sleep(PAUSE_SECONDS)
        with self.transaction():
            for remove in self._remove_items, self._remove_reports:  # rows that were added since
                while remove(project_id):
                    pass
            for table in TABLES:
                self.execute(f"DELETE FROM {table} WHERE project_id = ?", (project_id,))
            self.execute("DELETE FROM projects WHERE id = ?", (project_id,))

    def _remove_items(self, project_id: int) -> int:
        """Remove some items and subtract them from the project's counts; return how many."""
        rows = self.execute(
            "SELECT id, state, queue FROM items WHERE project_id = ? LIMIT ?", (project_id, CHUNK)
        ).fetchall()
        self.connection.executemany("DELETE FROM items WHERE id = ?", ((row[0],) for row in rows))
        states = Counter(state for _, state, _ in rows)
        queues = Counter(queue for _, state, queue in rows if state == "todo")
        self.execute(
            "UPDATE projects SET todo = todo - ?, out = out - ?, done = done - ?, "
            "reserved = reserved - ?, secondary = secondary - ?, redo = redo - ? WHERE id = ?",
            (
                *(states["todo"], states["out"], states["done"]),
                *(queues[RESERVED], queues[SECONDARY], queues[REDO]),
                project_id,
            ),
        )
        return len(rows)

    def _remove_reports(self, project_id: int) -> int:
        """Remove some reports, whose items are removed already; return how many."""
        return self.execute(
            "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE project_id = ? LIMIT ?)",
            (project_id, CHUNK),
        ).rowcount


def _project(row: Any) -> Project:
    values = list(row)
    values[5] = bool(values[5])  # paused
    return Project(*values)  # the columns of _SELECT are in the order of the fields


def _check_setting(name: str, value: object) -> object:
    """Return the value of a setting as the database keeps it; raises BadValue."""
    if name in _LONGEST:
        if name == "min_version" and value in (None, ""):
            return None
        if isinstance(value, str) and len(value) <= _LONGEST[name] and value.isprintable():
            return value
        raise BadValue(f"{name} must be one line of at most {_LONGEST[name]} characters.")
    if name in _MOST:
        if value is None or value == 0:
            return None
        if isinstance(value, int) and value is not True and 0 < value <= _MOST[name]:
            return value
        raise BadValue(f"{name} must be a number from 1 to {_MOST[name]}, or 0 for no limit.")
    if name != "paused":
        raise BadValue(f"There is no setting {shown(name)}. The settings: {', '.join(SETTINGS)}.")
    if not isinstance(value, bool):
        raise BadValue("paused must be true or false.")
    return int(value)

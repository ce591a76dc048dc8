"""Projects and their settings."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tracker.errors import AlreadyThere, BadValue, UnknownProject
from tracker.names import check_project, shown

MOST_TITLE = 200
"""Longest title, in characters."""

MOST_VERSION = 64
"""Longest version, in characters."""

MOST_PER_MINUTE = 100_000
MOST_ITEMS = 10_000


@dataclass(frozen=True)
class Project:
    """One project: its settings, counts of items, bytes reported, and when it was made."""

    name: str
    title: str
    min_version: str | None
    """Older code is told to update (455); None: any will do."""
    requests_per_minute: int | None
    """Requests that are given items, of all downloaders together; None: no limit."""
    max_items: int | None
    """Most items for one request; None: what it asks for."""
    paused: bool
    """Whether no items are handed out now."""
    created_at: float
    todo: int
    out: int
    done: int
    bytes: int
    reserved: int
    """Items that wait for one downloader; like the next two a part of *todo*."""
    secondary: int
    redo: int

    @property
    def queues(self) -> tuple[int, int, int, int]:
        """How many items wait in each queue, in the order of their numbers."""
        normal = self.todo - self.reserved - self.secondary - self.redo
        return self.reserved, normal, self.secondary, self.redo


_COLUMNS = (
    "name, title, min_version, requests_per_minute, max_items, paused, created_at, "
    "todo, out, done, bytes, reserved, secondary, redo"
)


def check_settings(values: Mapping[str, object]) -> dict[str, object]:
    """Return *values* (settings by name) as they are kept; raises BadValue for what cannot be."""
    checks = {
        "title": _title,
        "min_version": _version,
        "requests_per_minute": lambda value: _number("requests_per_minute", value, MOST_PER_MINUTE),
        "max_items": lambda value: _number("max_items", value, MOST_ITEMS),
        "paused": _truth,
    }
    for name in values:
        if name not in checks:
            raise BadValue(f"No setting is called {shown(name)}; there are {', '.join(checks)}.")
    return {name: checks[name](value) for name, value in values.items()}


class Projects:
    """The table of projects; its methods run inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def create(self, name: str, settings: Mapping[str, object]) -> Project:
        """Make a project; raises AlreadyThere, BadValue."""
        check_project(name)
        made = self._connection.execute(
            "INSERT OR IGNORE INTO projects (name, created_at) VALUES (?, ?)", (name, time.time())
        )
        if made.rowcount != 1:
            raise AlreadyThere(f"There is a project {shown(name)} already.")
        return self.change(name, settings)

    def change(self, name: str, settings: Mapping[str, object]) -> Project:
        """Set what *settings* names, all or none; raises UnknownProject, BadValue."""
        kept = check_settings(settings)
        if kept:
            places = ", ".join(f"{column} = ?" for column in kept)  # names of ours, checked
            self._connection.execute(
                f"UPDATE projects SET {places} WHERE name = ?", (*kept.values(), name)
            )
        return self.get(name)

    def get(self, name: str) -> Project:
        """Return the project; raises UnknownProject."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM projects WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            raise UnknownProject(
                f"This tracker has no project {shown(name)}: 'run-tracker projects' lists what "
                f"there is, 'run-tracker create {name}' makes it."
            )
        return _project(row)

    def list(self) -> list[Project]:
        """Return every project, by name."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM projects ORDER BY name")
        return [_project(row) for row in rows]


def _project(row: tuple[object, ...]) -> Project:
    values = list(row)
    values[5] = bool(values[5])
    return Project(*values)  # type: ignore[arg-type]  # columns in the order of the fields


def _title(value: object) -> str:
    if not isinstance(value, str) or len(value) > MOST_TITLE or not value.isprintable():
        raise BadValue(f"A title is one line of at most {MOST_TITLE} characters.")
    return value


def _version(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MOST_VERSION or not value.isprintable():
        raise BadValue(f"A version is one line of at most {MOST_VERSION} characters.")
    return value


def _number(name: str, value: object, most: int) -> int | None:
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
        raise BadValue(f"{name} is a number from 1 to {most}, or 0 for no limit.")
    return value


def _truth(value: object) -> int:
    if not isinstance(value, bool):
        raise BadValue("paused is true or false.")
    return int(value)

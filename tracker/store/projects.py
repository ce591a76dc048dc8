"""Projects and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracker.errors import AlreadyExists, BadValue
from tracker.names import shown
from tracker.store.store import Counts, Table

LONGEST_TITLE = 200
"""Longest title, in characters."""

LONGEST_VERSION = 64
"""Longest version, in characters."""

MOST_PER_MINUTE = 100_000
MOST_ITEMS = 10_000

SETTINGS = ("title", "min_version", "requests_per_minute", "max_items", "paused")


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
    def counts(self) -> Counts:
        """How many items are in each state."""
        return Counts(self.todo, self.out, self.done)

    @property
    def queues(self) -> tuple[int, int, int, int]:
        """How many items wait in each queue, in the order of the queues' numbers."""
        normal = self.todo - self.reserved - self.secondary - self.redo
        return self.reserved, normal, self.secondary, self.redo


_SELECT = (
    "SELECT name, title, min_version, requests_per_minute, max_items, paused, created_at, "
    "todo, out, done, bytes, reserved, secondary, redo FROM projects "
)


class Projects(Table):
    """The projects."""

    def create(self, name: str, settings: Mapping[str, object]) -> Project:
        """Make a project; raises AlreadyExists, BadValue."""
        if not self.store.make_project(name):
            raise AlreadyExists(f"There is already a project {shown(name)}.")
        return self.change(name, settings)

    def change(self, name: str, settings: Mapping[str, object]) -> Project:
        """Change the *settings* given, all or none; raises UnknownProject, BadValue."""
        checked = check_settings(settings)
        if checked:
            columns = ", ".join(f"{column} = ?" for column in checked)  # all are in SETTINGS
            self.execute(f"UPDATE projects SET {columns} WHERE name = ?", (*checked.values(), name))
        return self.get(name)

    def get(self, name: str) -> Project:
        """Return the project; raises UnknownProject."""
        rows = self.execute(f"{_SELECT} WHERE id = ?", (self.store.project_id(name),))
        return _project(rows.fetchone())

    def list(self) -> list[Project]:
        """Return every project, by name."""
        return [_project(row) for row in self.execute(f"{_SELECT} ORDER BY name")]


def _project(row: Any) -> Project:
    values = list(row)
    values[5] = bool(values[5])  # paused
    return Project(*values)  # the columns of _SELECT are in the order of the fields


def check_settings(values: Mapping[str, object]) -> dict[str, object]:
    """Return the settings in *values* as the database keeps them; raises BadValue."""
    return {name: _check_setting(name, value) for name, value in values.items()}


def _check_setting(name: str, value: object) -> object:
    if name == "title":
        return _line(name, value, LONGEST_TITLE)
    if name == "min_version":
        return None if value in (None, "") else _line(name, value, LONGEST_VERSION)
    if name == "requests_per_minute":
        return _limit(name, value, MOST_PER_MINUTE)
    if name == "max_items":
        return _limit(name, value, MOST_ITEMS)
    if name != "paused":
        raise BadValue(f"There is no setting {shown(name)}. The settings: {', '.join(SETTINGS)}.")
    if not isinstance(value, bool):
        raise BadValue("paused must be true or false.")
    return int(value)


def _line(name: str, value: object, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise BadValue(f"{name} must be one line of at most {longest} characters.")
    return value


def _limit(name: str, value: object, most: int) -> int | None:
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
        raise BadValue(f"{name} must be a number from 1 to {most}, or 0 for no limit.")
    return value

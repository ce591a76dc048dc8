"""The upload targets that the database keeps."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tracker.errors import AlreadyThere, BadValue, UnknownEntry
from tracker.names import shown
from tracker.store import Store
from tracker.targets import Target, check_target

MOST_WEIGHT = 1000


@dataclass(frozen=True)
class KeptTarget:
    """One target of the database; *project* None: of every project without its own."""

    id: int
    project: str | None
    url: str
    weight: int
    active: bool


class TargetTable:
    """The table of targets; its methods run inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(
        self, project_id: int | None, url: str, weight: int = 1, active: bool = True
    ) -> KeptTarget:
        """Add a target; raises AlreadyThere, BadValue."""
        made = self._connection.execute(
            "INSERT OR IGNORE INTO targets (project_id, url, weight, active) VALUES (?, ?, ?, ?)",
            (project_id, check_target(url), _weight(weight), active),
        )
        if made.rowcount != 1:
            raise AlreadyThere(f"{shown(url)} is a target there already.")
        return self._get(project_id, url)

    def change(
        self,
        project_id: int | None,
        url: str,
        weight: int | None = None,
        active: bool | None = None,
    ) -> KeptTarget:
        """Set the weight, or whether it is used; None leaves either. Raises UnknownEntry."""
        self._connection.execute(
            "UPDATE targets SET weight = coalesce(?, weight), active = coalesce(?, active) "
            "WHERE project_id IS ? AND url = ?",
            (None if weight is None else _weight(weight), active, project_id, url),
        )
        return self._get(project_id, url)

    def remove(self, project_id: int | None, url: str) -> None:
        """Forget a target; raises UnknownEntry."""
        self._get(project_id, url)
        self._connection.execute(
            "DELETE FROM targets WHERE project_id IS ? AND url = ?", (project_id, url)
        )

    def of(self, project_id: int | None) -> list[Target]:
        """Return the targets of one project, or (None) those for every project."""
        rows = self._connection.execute(
            "SELECT url, weight, active FROM targets WHERE project_id IS ? ORDER BY id",
            (project_id,),
        )
        return [Target(url, weight, bool(active)) for url, weight, active in rows]

    def list(self) -> list[KeptTarget]:
        """Return every target, those for every project first, in the order of their making."""
        rows = self._connection.execute(
            "SELECT targets.id, name, url, weight, active FROM targets "
            "LEFT JOIN projects ON projects.id = project_id ORDER BY name, targets.id"
        )
        return [
            KeptTarget(number, project, url, weight, bool(active))
            for number, project, url, weight, active in rows
        ]

    def _get(self, project_id: int | None, url: str) -> KeptTarget:
        row = self._connection.execute(
            "SELECT id FROM targets WHERE project_id IS ? AND url = ?", (project_id, url)
        ).fetchone()
        if row is None:
            raise UnknownEntry(f"{shown(url)} is no target there: 'run-tracker targets' lists.")
        return next(target for target in self.list() if target.id == row[0])


def kept_targets(store: Store, project: str) -> tuple[list[Target], list[Target]]:
    """Return the project's own targets, and those for every project; raises UnknownProject."""
    table = TargetTable(store.connection)
    return table.of(store.project_id(project)), table.of(None)


def _weight(weight: object) -> int:
    if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= MOST_WEIGHT:
        raise BadValue(f"A weight is a number from 1 to {MOST_WEIGHT}.")
    return weight

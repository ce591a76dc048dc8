"""The upload targets in the database."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from tracker.errors import AlreadyExists, BadValue, UnknownEntry
from tracker.names import shown
from tracker.store.base import Base

MOST_WEIGHT = 1000

_SELECT = (
    "SELECT url, weight, active, name, targets.id FROM targets "
    "LEFT JOIN projects ON projects.id = project_id"
)


@dataclass(frozen=True)
class Target:
    """One upload target.

    It gets *weight* uploads for each one that a target of weight 1 gets; an inactive target gets
    none. *project* None is for every project that has no targets of its own.
    """

    url: str
    weight: int = 1
    active: bool = True
    project: str | None = None
    id: int | None = None
    """None for a target of the server's command line."""


class Targets(Base):
    """The targets of every project."""

    def add_target(
        self,
        project: str | None,
        url: str,
        weight: int | None = None,
        active: bool | None = None,
    ) -> Target:
        """Add a target, active and of weight 1 by default.

        Raises AlreadyExists, BadValue, UnknownProject.
        """
        made = self.execute(
            "INSERT OR IGNORE INTO targets (project_id, url, weight, active) "
            "VALUES (?, ?, coalesce(?, 1), coalesce(?, 1))",
            (self.scope_id(project), check_target(url), _check_weight(weight), active),
        )
        if made.rowcount != 1:
            where = project or "every project"
            raise AlreadyExists(f"{shown(url)} is already a target of {where}.")
        return self._target(project, url)

    def change_target(
        self, project: str | None, url: str, weight: int | None = None, active: bool | None = None
    ) -> Target:
        """Change the weight, or whether the target is active; None leaves either as it is.

        Raises UnknownEntry, BadValue, UnknownProject.
        """
        self.execute(
            "UPDATE targets SET weight = coalesce(?, weight), active = coalesce(?, active) "
            "WHERE id = ?",
            (_check_weight(weight), active, self._target(project, url).id),
        )
        return self._target(project, url)

    def remove_target(self, project: str | None, url: str) -> None:
        """Remove a target; raises UnknownEntry, UnknownProject."""
        self.execute("DELETE FROM targets WHERE id = ?", (self._target(project, url).id,))

    def targets_of(self, project: str) -> list[Target]:
        """Return the targets of *project* and those of every project, in the order of adding."""
        where = "WHERE project_id IS NULL OR project_id = ?"
        rows = self.execute(
            f"{_SELECT} {where} ORDER BY targets.id", (self.project_id(project),)
        )
        return [_row(row) for row in rows]

    def targets(self) -> list[Target]:
        """Return every target; those for every project come first."""
        return [_row(row) for row in self.execute(f"{_SELECT} ORDER BY name, targets.id")]

    def _target(self, project: str | None, url: str) -> Target:
        row = self.execute(
            f"{_SELECT} WHERE project_id IS ? AND url = ?", (self.scope_id(project), url)
        ).fetchone()
        if row is None:
            where = project or "every project"
            raise UnknownEntry(
                f"{shown(url)} is not a target of {where}: see 'run-tracker targets'."
            )
        return _row(row)


def _row(row: tuple[str, int, int, str | None, int]) -> Target:
    return Target(row[0], row[1], bool(row[2]), *row[3:])


def check_target(url: str, called: str = "") -> str:
    """Return *url* if clients can upload to it; raises BadValue, which begins with *called*."""
    called = called or url
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and not parts.netloc.startswith("-")
    except ValueError as error:
        raise BadValue(f"{called}: {error}.") from None
    if parts.scheme not in ("rsync", "http", "https") or not named:
        raise BadValue(f"{called}: write rsync://HOST/…/, http://HOST/…/ or https://HOST/…/.")
    if not url.endswith("/") or not url.isprintable() or " " in url:
        raise BadValue(
            f"{called}: a target must end with '/', because clients append the name of the file, "
            "and must not contain spaces."
        )
    return url


def _check_weight(weight: object) -> int | None:
    if weight is None:
        return None
    if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= MOST_WEIGHT:
        raise BadValue(f"A weight must be a number from 1 to {MOST_WEIGHT}.")
    return weight

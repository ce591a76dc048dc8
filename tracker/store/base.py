"""The connection that all parts of the store share."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from tracker.errors import UnknownProject
from tracker.names import check_project, shown
from tracker.store.schema import connect


class Base:
    """One connection to the database at *path*, which one thread uses."""

    def __init__(self, path: Path, *, create: bool = True, read_only: bool = False) -> None:
        """Open the database, or make it if *create*; raises FolderUnusable."""
        self.connection = connect(path, create=create and not read_only)
        self.execute = self.connection.execute
        self.execute(f"PRAGMA query_only = {int(read_only)}")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the body in one transaction, which keeps all of its changes or none."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self.connection.rollback()
            raise

    def project_id(self, name: str) -> int:
        """Return the number of the project; raises UnknownProject."""
        row = self.execute("SELECT id FROM projects WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise UnknownProject(
                f"This tracker has no project {shown(name)}. 'run-tracker projects' lists the "
                f"projects; 'run-tracker create {name}' or 'run-tracker add {name} FILE' makes it."
            )
        return int(row[0])

    def scope_id(self, project: str | None) -> int | None:
        """Return the number of *project*, None (every project) for None; raises UnknownProject."""
        return None if project is None else self.project_id(project)

    def make_project(self, name: str) -> bool:
        """Make the project if it does not exist; return whether it is new. Raises BadValue."""
        made = self.execute(
            "INSERT OR IGNORE INTO projects (name, created_at) VALUES (?, ?)",
            (check_project(name), time.time()),
        )
        return made.rowcount == 1

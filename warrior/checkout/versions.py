"""The versions of projects on disk.

    checkouts/<project>/incoming              what is being fetched
    checkouts/<project>/<project>-<commit>    a version, at the path where it is installed
    checkouts/<project>/<that name>.json      its record

The record is written before the folder exists, and says "ready" only when everything is done. So
what a crash leaves behind can be told apart, and a folder without a record is never removed.
Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Collection
from typing import Any

from pipeline_core.engine.files import make_folder, write_whole
from warrior.checkout.tree import remove_tree

#: The advice for most errors: nobody has to do anything.
AGAIN = "It will be tried again automatically."

_RECORD = re.compile(r".+-[0-9a-f]{12}(-[0-9]+)?\.json")


@dataclasses.dataclass(frozen=True)
class Version:
    """A version of a project. ``path`` is the folder with its pipeline.py (absolute); ``commit``
    has 40 hex digits: git's commit, or the digest of a copied folder."""

    project: str
    path: str
    commit: str

    @property
    def short(self) -> str:
        """The first 7 characters of the commit."""
        return self.commit[:7]


class CheckoutError(Exception):
    """A project's code cannot be fetched or installed; ``str()`` is a sentence that says why.

    ``code`` is git, install, disk or refused; ``advice`` says what to do; ``output`` is the end of
    what git or the installer printed. ``reached`` is False if the remote's host did not answer;
    ``damaged`` says that files on this disk may be the cause.
    """

    def __init__(
        self, reason: str, *, code: str, advice: str = "", output: str = "", reached: bool = True,
        damaged: bool = False,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.advice = advice
        self.output = output
        self.reached = reached
        self.damaged = damaged
        #: When the remote may be asked again (monotonic); None if no remote has failed.
        self.next_try: float | None = None
        #: The seconds that the remote has asked us to wait (Retry-After).
        self.silence: float | None = None


@dataclasses.dataclass(frozen=True)
class _Record:
    """What is known of a version; the newest version has the highest number."""

    version: Version
    repository: str = ""
    number: int = 0
    ready: bool = False
    loaded: bool = False


class VersionStore:
    """The versions of all projects in one folder."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.abspath(folder)

    def place(self, project: str) -> str:
        """Return the folder of a project's versions, which may not exist."""
        return os.path.join(self.folder, project)

    def incoming(self, project: str) -> str:
        """Return the path where new code of a project is fetched to."""
        return os.path.join(self.place(project), "incoming")

    def clear(self, project: str) -> str:
        """Make the project's folder, remove what is half made, and return :meth:`incoming`."""
        make_folder(self.place(project))
        remove_tree(self.incoming(project))
        for record in self._records(project):
            if not record.ready:
                self.remove(record.version)
        return self.incoming(project)

    def find(self, project: str, commit: str, repository: str) -> Version | None:
        """Return the ready version of this commit, and make it the newest one."""
        ready = self._ready(project)
        for record in ready:
            if (record.version.commit, record.repository) == (commit, repository):
                if record != ready[0]:
                    self._write(dataclasses.replace(record, number=ready[0].number + 1))
                return record.version
        return None

    def of_commit(self, project: str, commit: str) -> Version | None:
        """Return a ready version of this commit, whatever its repository."""
        return next((record.version for record in self._ready(project)
                     if record.version.commit == commit), None)

    def newest(self, project: str, *, loaded: bool = False) -> Version | None:
        """Return the newest ready version; with ``loaded``, the newest that could be loaded."""
        return next((record.version for record in self._ready(project)
                     if record.loaded or not loaded), None)

    def put(self, project: str, commit: str, repository: str) -> Version:
        """Move :meth:`incoming` to the path where it will stay. The version is not ready yet."""
        base = path = os.path.join(self.place(project), f"{project}-{commit[:12]}")
        number = 1
        while os.path.lexists(path) or os.path.lexists(path + ".json"):
            number += 1
            path = f"{base}-{number}"
        version = Version(project, path, commit)
        self._write(_Record(version, repository))
        os.rename(self.incoming(project), path)
        return version

    def finish(self, version: Version) -> None:
        """Record that the version is ready, and the newest one."""
        # First bring to the disk what git and an installer have written: a power cut would
        # leave a ready version of empty files.
        os.sync()
        newest = max((record.number for record in self._records(version.project)), default=0)
        self._change(version, number=newest + 1, ready=True)

    def mark_loaded(self, version: Version) -> None:
        """Record that the version could be loaded: it stays until a newer one could be."""
        self._change(version, loaded=True)

    def remove(self, version: Version) -> None:
        """Remove a version if it has a record. Raises OSError."""
        if os.path.lexists(version.path + ".json"):
            self._change(version, ready=False)  # before the first file is removed
            remove_tree(version.path)
            remove_tree(version.path + ".json")

    def leftovers(self, project: str, keep: Collection[Version]) -> list[Version]:
        """Return the versions that may be removed: all but those in ``keep``, the newest ready
        one, and the newest that could be loaded."""
        newest = (self.newest(project), self.newest(project, loaded=True))
        kept = {version.path for version in (*keep, *newest) if version is not None}
        return [record.version for record in self._records(project)
                if record.version.path not in kept]

    def projects(self) -> list[str]:
        """Return the names of the projects that have a folder here."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not name.startswith(".")
                      and os.path.isdir(self.place(name)))

    # -- records ---------------------------------------------------------------
    def _records(self, project: str) -> list[_Record]:
        """Return all records, the newest first."""
        place = self.place(project)
        try:
            names = os.listdir(place)
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = [_read(project, os.path.join(place, name.removesuffix(".json")))
                 for name in names if _RECORD.fullmatch(name) and name.startswith(f"{project}-")]
        return sorted(found, key=lambda one: (one.number, one.version.path), reverse=True)

    def _ready(self, project: str) -> list[_Record]:
        return [record for record in self._records(project) if record.ready
                and os.path.isfile(os.path.join(record.version.path, "pipeline.py"))]

    def _change(self, version: Version, **changes: Any) -> None:
        if os.path.lexists(version.path + ".json"):
            self._write(dataclasses.replace(_read(version.project, version.path), **changes))

    def _write(self, record: _Record) -> None:
        values = dataclasses.asdict(record)
        values["commit"] = values.pop("version")["commit"]
        # Private: an address can hold a password.
        write_whole(record.version.path + ".json", json.dumps(values).encode())


def _read(project: str, path: str) -> _Record:
    try:
        with open(path + ".json", encoding="utf-8") as file:
            values = json.load(file)
        return _Record(
            Version(project, path, str(values["commit"])), str(values["repository"]),
            int(values["number"]), values["ready"] is True, values["loaded"] is True)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # It is half written, or has just been removed, so the version is not ready. Other
        # errors say nothing about the version.
        return _Record(Version(project, path, ""))

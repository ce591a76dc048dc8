"""The versions of projects on disk: which are ready, which were left half made.

    checkouts/<project>/incoming              what is being fetched
    checkouts/<project>/<project>-<commit>    a version, at the path where it is installed
    checkouts/<project>/<that name>.json      its record

The record is written before the folder is there and says "ready" only when all is done,
so what a crash leaves behind is known for what it is, and nothing that has no record
is ever removed. All of this blocks: for a thread.
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

#: What follows of itself after most troubles, as advice.
AGAIN = "It will be tried again automatically."

_PIPELINE = "pipeline.py"
_RECORD = re.compile(r".+-[0-9a-f]{12}(-[0-9]+)?\.json")


@dataclasses.dataclass(frozen=True)
class Version:
    """A version of a project that is ready to be loaded.

    ``path`` is the folder that holds its pipeline.py, absolute; ``commit`` 40 hex digits: of
    git, or of what a copied folder held.
    """

    project: str
    path: str
    commit: str

    @property
    def short(self) -> str:
        """The commit as people write it: 7 characters."""
        return self.commit[:7]


class CheckoutError(Exception):
    """A project's code cannot be had: ``str()`` says why in a sentence.

    ``code`` is git, install, disk or refused; ``advice`` what to do about it; ``output``
    the last that git or the installer printed. ``next_try`` is when the remote may be asked
    again (monotonic), None where no remote has failed. ``reached`` is False where the remote's
    host did not answer.
    """

    def __init__(
        self, reason: str, *, code: str, advice: str = "", output: str = "", reached: bool = True
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.advice = advice
        self.output = output
        self.reached = reached
        self.next_try: float | None = None
        #: The seconds of silence that the remote has asked for (Retry-After).
        self.silence: float | None = None


@dataclasses.dataclass(frozen=True)
class _Record:
    """What is known of the version in the folder ``name``; the highest number is the newest."""

    name: str
    commit: str = ""
    repository: str = ""
    number: int = 0
    ready: bool = False
    loaded: bool = False


class VersionStore:
    """The versions of all projects in one folder."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.abspath(folder)

    def place(self, project: str) -> str:
        """The folder of a project's versions, which need not be there."""
        return os.path.join(self.folder, project)

    def incoming(self, project: str) -> str:
        """Where new code of a project is fetched to."""
        return os.path.join(self.place(project), "incoming")

    def clear(self, project: str) -> str:
        """Make the project's folder, without anything half made; returns :meth:`incoming`."""
        make_folder(self.place(project))
        remove_tree(self.incoming(project))
        for record in self._records(project):
            if not record.ready:
                self.remove(self._version(project, record))
        return self.incoming(project)

    def find(self, project: str, commit: str, repository: str) -> Version | None:
        """The ready version of this commit; from then on it is the newest one."""
        for record in reversed(self._ready(project)):
            if (record.commit, record.repository) == (commit, repository):
                newest = self._ready(project)[-1]
                if record != newest:
                    self._write(project, dataclasses.replace(
                        record, number=newest.number + 1))
                return self._version(project, record)
        return None

    def of_commit(self, project: str, commit: str) -> Version | None:
        """A ready version of this commit, of whatever repository."""
        for record in reversed(self._ready(project)):
            if record.commit == commit:
                return self._version(project, record)
        return None

    def newest(self, project: str, *, loaded: bool = False) -> Version | None:
        """What was ready last; with ``loaded``, of those that could be loaded."""
        for record in reversed(self._ready(project)):
            if record.loaded or not loaded:
                return self._version(project, record)
        return None

    def put(self, project: str, commit: str, repository: str) -> Version:
        """Move :meth:`incoming` to the path where it will stay; it is not ready yet."""
        base = name = f"{project}-{commit[:12]}"
        number = 1
        place = self.place(project)
        while os.path.lexists(os.path.join(place, name)) or \
                os.path.lexists(os.path.join(place, name + ".json")):
            number += 1
            name = f"{base}-{number}"
        record = _Record(name, commit, repository)
        self._write(project, record)
        os.rename(self.incoming(project), os.path.join(place, name))
        return self._version(project, record)

    def finish(self, version: Version) -> None:
        """It is ready, and the newest one."""
        # What git and an installer have written has to be on the disk before the word
        # that it is: a power cut would leave a ready version of empty files.
        os.sync()
        newest = max((record.number for record in self._records(version.project)), default=0)
        self._change(version, number=newest + 1, ready=True)

    def mark_loaded(self, version: Version) -> None:
        """It could be loaded: it is not removed before another one could be."""
        self._change(version, loaded=True)

    def remove(self, version: Version) -> None:
        """Remove a version, if it is one of ours. Raises OSError."""
        record = self._record_of(version)
        if record is None:
            return
        # Not ready any more before the first file goes.
        self._write(version.project, dataclasses.replace(record, ready=False))
        remove_tree(version.path)
        remove_tree(self._record_path(version.project, record.name))

    def leftovers(self, project: str, keep: Collection[Version]) -> list[Version]:
        """What may be removed: half made, or neither in ``keep`` nor the newest one.

        The newest that could be loaded stays too.
        """
        kept = {version.path for version in keep}
        kept.update(version.path for version in
                    (self.newest(project), self.newest(project, loaded=True)) if version)
        versions = (self._version(project, record) for record in self._records(project))
        return [version for version in versions if version.path not in kept]

    def projects(self) -> list[str]:
        """The projects that have a folder here."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not name.startswith(".")
                      and os.path.isdir(self.place(name)))

    # -- records ---------------------------------------------------------------
    def _records(self, project: str) -> list[_Record]:
        try:
            names = os.listdir(self.place(project))
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = [self._read(project, name[:-len(".json")])
                 for name in names if _RECORD.fullmatch(name) and name.startswith(f"{project}-")]
        return sorted(found, key=lambda record: (record.number, record.name))

    def _ready(self, project: str) -> list[_Record]:
        return [record for record in self._records(project)
                if record.ready and os.path.isfile(
                    os.path.join(self.place(project), record.name, _PIPELINE))]

    def _record_of(self, version: Version) -> _Record | None:
        for record in self._records(version.project):
            if self._version(version.project, record).path == version.path:
                return record
        return None

    def _version(self, project: str, record: _Record) -> Version:
        return Version(project, os.path.join(self.place(project), record.name), record.commit)

    def _change(self, version: Version, **changes: Any) -> None:
        record = self._record_of(version)
        if record is not None:
            self._write(version.project, dataclasses.replace(record, **changes))

    def _record_path(self, project: str, name: str) -> str:
        return os.path.join(self.place(project), name + ".json")

    def _read(self, project: str, name: str) -> _Record:
        try:
            with open(self._record_path(project, name), encoding="utf-8") as file:
                values = json.load(file)
            return _Record(
                name, str(values["commit"]), str(values["repository"]), int(values["number"]),
                values["ready"] is True, values["loaded"] is True)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            # Half written, or gone meanwhile: it does not say "ready". Any other trouble
            # of reading says nothing about the version.
            return _Record(name)

    def _write(self, project: str, record: _Record) -> None:
        values = dataclasses.asdict(record)
        del values["name"]
        # For this user alone: an address can hold a password.
        write_whole(self._record_path(project, record.name), json.dumps(values).encode())

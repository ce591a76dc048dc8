"""The record of a sealed item, stored as JSON in the journal and in the item's own folder. The
item's other properties are never stored: they can contain cookies."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline_core.engine.terminal import shown_name

#: A copy of the record in the folder of a sealed item, used when the journal cannot be read. It
#: is only a copy, so it is not fsynced.
MANIFEST = ".sealed.json"

#: The version of the record's format; a manifest of another version is not read.
FORMAT = 1


class State(enum.Enum):
    """How far a sealed item is."""

    #: The files are complete; every step from here on may be repeated.
    SEALED = "sealed"
    #: The upload task is done.
    UPLOADED = "uploaded"
    #: The tracker has confirmed ``done``.
    ACKNOWLEDGED = "acknowledged"


@dataclasses.dataclass(frozen=True)
class SealedFile:
    """The state of one file at the seal: ``path`` resolved, ``size`` in bytes (None: the file did
    not exist), ``mtime`` in nanoseconds, ``digest`` of its content (BLAKE2b, 32 bytes, hex)."""

    path: str
    size: int | None
    mtime: int
    digest: str


@dataclasses.dataclass(frozen=True)
class Sealed:
    """The record of a sealed item.

    ``steps`` are the names of all tasks. ``position`` is the number of the task before which the
    item was sealed, ``next`` the number of the task at which it is resumed. ``upload`` and
    ``done`` are what the upload and the report need, as realized (see
    :mod:`pipeline_core.recovery.description`); with ``plain`` they need no project code.
    ``version`` identifies the project's code. ``folder`` is the item's folder, resolved.
    ``lost`` and ``lost_attributes`` name the properties and attributes that were not kept.
    ``trouble`` says why the item last failed.
    """

    item_id: str
    number: int
    name: str
    project: str
    version: str
    folder: str
    position: int
    steps: tuple[str, ...]
    downloader: str
    upload: Mapping[str, Any]
    done: Mapping[str, Any] | None
    plain: bool
    files: tuple[SealedFile, ...]
    properties: Mapping[str, Any]
    lost: tuple[str, ...]
    lost_attributes: tuple[str, ...]
    sealed_at: float
    state: State = State.SEALED
    next: int = 0
    trouble: str = ""

    @property
    def size(self) -> int:
        """The total size of its files in bytes."""
        return sum([file.size or 0 for file in self.files])

    @property
    def over(self) -> bool:
        """Whether only the removal of its files is left to do."""
        return self.next >= len(self.steps)

    def describe(self) -> str:
        """Return the item's name and id for people, on one line."""
        name = shown_name(self.name.encode("utf-8", "replace").decode())
        return f"{name[:80]}… ({self.item_id})" if len(name) > 80 else f"{name} ({self.item_id})"


class NotARecord(ValueError):
    """The text is not a valid record; ``str()`` says why."""


def to_json(sealed: Sealed) -> str:
    """Return the record as JSON, without state, next and trouble, which change. ASCII only."""
    values = dataclasses.asdict(sealed)
    for name in ("state", "next", "trouble"):
        del values[name]
    return json.dumps({"format": FORMAT, **values})


def from_json(
    text: str | bytes, state: State = State.SEALED, next: int | None = None, trouble: str = ""
) -> Sealed:
    """Return the record in the text. Raises NotARecord."""
    try:
        values = json.loads(text)
        if values.pop("format") != FORMAT:
            raise NotARecord("its format has another version")
        values["files"] = tuple(SealedFile(**file) for file in values["files"])
        for name in ("steps", "lost", "lost_attributes"):
            values[name] = tuple(values[name])
        values.update(state=state, next=values["position"] if next is None else next,
                      trouble=trouble)
        sealed = Sealed(**values)
        _check(sealed)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotARecord(f"it is not the record of a sealed item: {error}") from error
    return sealed


def _check(sealed: Sealed) -> None:
    texts = [sealed.item_id, sealed.name, sealed.project, sealed.version, sealed.folder,
             sealed.downloader, *sealed.steps, *(file.path for file in sealed.files)]
    numbers = [sealed.number, sealed.position, sealed.next]
    if not (all(isinstance(text, str) for text in texts)
            and all(isinstance(number, int) for number in numbers)
            and isinstance(sealed.upload, dict) and isinstance(sealed.properties, dict)
            and isinstance(sealed.done, (dict, type(None)))
            and os.path.basename(sealed.folder) == sealed.item_id
            and 0 <= sealed.position <= sealed.next):
        raise NotARecord("its values have the wrong types")


# -- manifests. All of this blocks -----------------------------------------------------
def write_manifest(sealed: Sealed) -> None:
    """Write a copy of the record to the item's folder. Raises OSError.

    Nothing is written when a whole folder that would contain it is uploaded: the manifest must
    not be uploaded.
    """
    path = os.path.join(sealed.folder, MANIFEST)
    for folder in sealed.upload.get("folders", ()):
        if os.path.commonpath((folder, path)) == folder:
            return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(to_json(sealed))


def remove_manifest(folder: str) -> None:
    """Remove the manifest, so that the folder no longer counts as sealed. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, MANIFEST))


def find_manifests(folders: Iterable[str]) -> Iterator[tuple[str, Sealed | None]]:
    """Yield ``(folder, record)`` for each item folder with a manifest; an unreadable record is
    None."""
    for folder in folders:
        try:
            with open(os.path.join(folder, MANIFEST), "rb") as file:
                sealed = from_json(file.read())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, NotARecord):
            yield folder, None
            continue
        yield folder, sealed if sealed.folder == os.path.realpath(folder) else None

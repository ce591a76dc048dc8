"""What is kept of an item from its seal on: a value, as JSON in the journal and in the item's
own folder. Never the item's other properties, which can hold cookies."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline_core.engine.terminal import shown_name

#: In the folder of a sealed item: the same record again, for the day on which the journal
#: itself cannot be read. It is a copy at best, and so is not fsynced.
MANIFEST = ".sealed.json"

#: How a record is written; a manifest of another number is not understood.
FORMAT = 1


class State(enum.Enum):
    """How far a sealed item is."""

    #: Its files are complete; every step from here on may be repeated.
    SEALED = "sealed"
    #: The task that uploads is behind it.
    UPLOADED = "uploaded"
    #: The tracker has its ``done``.
    ACKNOWLEDGED = "acknowledged"


@dataclasses.dataclass(frozen=True)
class SealedFile:
    """One file as it was at the seal: ``path`` resolved, ``size`` in bytes (None: it was not
    there), ``mtime`` in nanoseconds, ``digest`` of its content (BLAKE2b, 32 bytes, hex)."""

    path: str
    size: int | None
    mtime: int
    digest: str


@dataclasses.dataclass(frozen=True)
class Sealed:
    """A sealed item. ``position`` is the number of the task before which it was sealed, of
    ``steps``, the names of all tasks; ``next`` the one that it enters when it is carried on.

    ``upload`` and ``done`` are what the upload and the report need, as realized (see
    :mod:`pipeline_core.recovery.description`); with ``plain`` no code of the project is needed for
    them. ``version`` names the project's code, ``folder`` is the item's, resolved.
    ``lost`` are the names of properties, ``lost_attributes`` those of attributes, that the
    item had and that are not kept. ``trouble`` says why it failed last.
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
        """Bytes of all its files."""
        return sum(file.size or 0 for file in self.files)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do but to remove its files."""
        return self.next >= len(self.steps)

    def describe(self) -> str:
        """The item as people know it, on one line."""
        name = shown_name(self.name.encode("utf-8", "replace").decode())
        return f"{name[:80]}… ({self.item_id})" if len(name) > 80 else f"{name} ({self.item_id})"


class NotARecord(ValueError):
    """The text is no record; ``str()`` says what is wrong with it."""


def to_json(sealed: Sealed) -> str:
    """The record without state, next and trouble, which change. ASCII only."""
    values = dataclasses.asdict(sealed)
    for name in ("state", "next", "trouble"):
        del values[name]
    return json.dumps({"format": FORMAT, **values})


def from_json(
    text: str | bytes, state: State = State.SEALED, next: int | None = None, trouble: str = ""
) -> Sealed:
    """The record in the text. Raises NotARecord."""
    try:
        values = json.loads(text)
        if values.pop("format") != FORMAT:
            raise NotARecord("it is of another version")
        values["files"] = tuple(SealedFile(**file) for file in values["files"])
        for name in ("steps", "lost", "lost_attributes"):
            values[name] = tuple(values[name])
        values.update(state=state, next=values["position"] if next is None else next,
                      trouble=trouble)
        sealed = Sealed(**values)
        _check(sealed)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotARecord(f"it is no record of a sealed item: {error}") from error
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
        raise NotARecord("its values are of the wrong kind")


# -- manifests. All of this blocks -----------------------------------------------------
def write_manifest(sealed: Sealed) -> None:
    """Put a copy into the item's folder. Raises OSError.

    None where a whole folder that holds it is uploaded: nothing of ours goes along.
    """
    path = os.path.join(sealed.folder, MANIFEST)
    for folder in sealed.upload.get("folders", ()):
        if os.path.commonpath((folder, path)) == folder:
            return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(to_json(sealed))


def remove_manifest(folder: str) -> None:
    """The folder stays, but what lies in it is sealed no longer. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, MANIFEST))


def find_manifests(folders: Iterable[str]) -> Iterator[tuple[str, Sealed | None]]:
    """``(folder, record)`` of each item folder with a manifest; None where it is unreadable."""
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

"""What a pipeline file needs of this machine, and what of it is not here.

:func:`record_lookups` keeps what the file looks for while it is loaded;
``whatitneeds.gather`` makes a :class:`Needs` of that, of its tasks and of its source.
``run-pipeline --check`` prints it, the warrior shows it on the project's card.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(frozen=True)
class Tried:
    """A path where a program was looked for, and why it is not the wanted one ('' if it is)."""

    path: str
    why: str


@dataclasses.dataclass(frozen=True)
class ProgramNeed:
    """A program. ``version`` is the wanted one in words ('' any), ``found`` its path or ''.

    ``wanted_by`` says who needs it; with ``optional`` the file goes on without it.
    """

    name: str
    version: str
    found: str
    tried: tuple[Tried, ...]
    wanted_by: str
    optional: bool = False


@dataclasses.dataclass(frozen=True)
class ModuleNeed:
    """A Python module that is neither of the standard library nor of the project.

    ``version`` is that of the installed package where it is known. ``later`` says where it
    is imported when not at the beginning, such as ``in Fetch.process (pipeline.py:31)``.
    """

    name: str
    found: bool
    version: str
    later: str = ""
    optional: bool = False


@dataclasses.dataclass(frozen=True)
class Missing:
    """What is not here: ``kind`` is program or module; ``reason`` a sentence, ``advice`` how
    to get it."""

    kind: str
    name: str
    reason: str
    advice: str


@dataclasses.dataclass(frozen=True)
class Deprecated:
    """Something that works and should not be used any more: what, what to do, and where."""

    what: str
    instead: str
    file: str
    lines: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Newer:
    """Something that old toolkits do not know: what the file does, and where."""

    what: str
    file: str
    lines: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Needs:
    """All that is known of a file's needs; empty where nothing is.

    ``unseen`` names the tasks whose program only an item decides, ``newer`` is what old
    toolkits lack.
    """

    programs: tuple[ProgramNeed, ...] = ()
    modules: tuple[ModuleNeed, ...] = ()
    missing: tuple[Missing, ...] = ()
    deprecated: tuple[Deprecated, ...] = ()
    unseen: tuple[str, ...] = ()
    newer: tuple[Newer, ...] = ()

    @property
    def done_without(self) -> tuple[str, ...]:
        """Programs and modules that are not here, and that the file goes on without."""
        names = [one.name for one in self.programs if one.optional and not one.found]
        names += [one.name for one in self.modules if one.optional and not one.found]
        return tuple(dict.fromkeys(names))

    @property
    def reason(self) -> str:
        """What is missing, in sentences; '' when nothing is."""
        return " ".join(one.reason for one in self.missing)

    @property
    def advice(self) -> str:
        """How to get it, in sentences; '' when nothing is missing."""
        return " ".join(dict.fromkeys(one.advice for one in self.missing))


#: Why a path that was tried is not the wanted program, where chmod helps.
NOT_EXECUTABLE = "is not executable"

# -- what is looked for while a file is loaded --------------------------------------------

class Lookup:
    """One program that the file looks for: what was tried so far, what was found."""

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version
        self.tried: list[Tried] = []
        self.found = ""


class Lookups(list[Lookup]):
    """All of one load, in order. ``current`` is the one in the midst of its paths."""

    current: Lookup | None = None


_lookups: contextvars.ContextVar[Lookups | None] = contextvars.ContextVar("lookups", default=None)


@contextlib.contextmanager
def record_lookups() -> Iterator[Lookups]:
    """Keep what is looked for inside, in this context."""
    lookups = Lookups()
    token = _lookups.set(lookups)
    try:
        yield lookups
    finally:
        _lookups.reset(token)


@contextlib.contextmanager
def looking_for(name: str, version: Any) -> Iterator[None]:
    """What is tried inside belongs to one lookup."""
    lookups = _lookups.get()
    if lookups is None or lookups.current is not None:
        yield
        return
    lookups.current = Lookup(name, version_in_words(version))
    lookups.append(lookups.current)
    try:
        yield
    finally:
        lookups.current = None


def note_tried(name: str, version: Any, path: str, why: str) -> None:
    """A path was tried; ``why`` says why it is not the wanted program, '' that it is."""
    lookups = _lookups.get()
    if lookups is None:
        return
    lookup = lookups.current
    if lookup is None:
        lookup = Lookup(name, version_in_words(version))
        lookups.append(lookup)
    lookup.tried.append(Tried(str(path), why))
    if not why:
        lookup.found = str(path)


def version_in_words(version: Any) -> str:
    """What ``find_executable`` was given as version, for people; '' for any."""
    if version is None:
        return ""
    if isinstance(version, str):
        return version
    pattern = getattr(version, "pattern", None)
    if pattern is not None:
        return f"one that matches {pattern}"
    if isinstance(version, (list, tuple, set, frozenset)):
        return " or ".join(filter(None, map(version_in_words, version)))
    return f"as {type(version).__name__} decides"

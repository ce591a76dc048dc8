"""What a pipeline file needs on this machine, and what of that is missing.

:func:`record_lookups` records the programs that the file looks for while it is loaded.
``collect.gather`` makes a :class:`Needs` from that, from its tasks and from its source.
``run-pipeline --check`` prints it, and the warrior shows it on the project's card.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(frozen=True)
class Tried:
    """A path that was tried for a program, and why it is not the wanted one ('' if it is)."""

    path: str
    why: str


@dataclasses.dataclass(frozen=True)
class ProgramNeed:
    """A program. ``version`` is the wanted one in words ('' for any), ``found`` its path or ''.

    ``wanted_by`` says what needs it. ``optional``: the file also works without it.
    """

    name: str
    version: str
    found: str
    tried: tuple[Tried, ...]
    wanted_by: str
    optional: bool = False


@dataclasses.dataclass(frozen=True)
class ModuleNeed:
    """A Python module that belongs neither to the standard library nor to the project.

    ``version`` is that of the installed package, if known. ``later`` says where it is imported
    if not at load time, such as ``in Fetch.process (pipeline.py:31)``.
    """

    name: str
    found: bool
    version: str
    later: str = ""
    optional: bool = False


@dataclasses.dataclass(frozen=True)
class Missing:
    """A missing program or module: ``kind`` says which, ``reason`` is a sentence, ``advice`` says
    how to get it."""

    kind: str
    name: str
    reason: str
    advice: str


@dataclasses.dataclass(frozen=True)
class Deprecated:
    """A deprecated feature: what the file does, what to do instead, and where."""

    what: str
    instead: str
    file: str
    lines: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Newer:
    """A feature that old toolkits do not have: what the file does, and where."""

    what: str
    file: str
    lines: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Needs:
    """All that is known of a file's needs; empty when nothing is known.

    ``unseen`` names the tasks whose program depends on the item; ``newer`` lists the features
    that old toolkits do not have.
    """

    programs: tuple[ProgramNeed, ...] = ()
    modules: tuple[ModuleNeed, ...] = ()
    missing: tuple[Missing, ...] = ()
    deprecated: tuple[Deprecated, ...] = ()
    unseen: tuple[str, ...] = ()
    newer: tuple[Newer, ...] = ()

    @property
    def done_without(self) -> tuple[str, ...]:
        """Names of missing programs and modules that the file also works without."""
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


#: The reason why a path is not the wanted program when chmod helps.
NOT_EXECUTABLE = "is not executable"

# -- the programs that a file looks for while it is loaded ---------------------------------

@dataclasses.dataclass
class Lookup:
    """One program that the file looks for: the versions it takes, in words; the paths tried so
    far; the first path found."""

    versions: list[str] = dataclasses.field(default_factory=list)
    tried: list[Tried] = dataclasses.field(default_factory=list)
    found: str = ""


#: The programs that a load looks for, by name.
Lookups = dict[str, Lookup]

_lookups: contextvars.ContextVar[Lookups | None] = contextvars.ContextVar("lookups", default=None)


@contextlib.contextmanager
def record_lookups() -> Iterator[Lookups]:
    """Record the lookups made inside the block, in this context."""
    lookups: Lookups = {}
    token = _lookups.set(lookups)
    try:
        yield lookups
    finally:
        _lookups.reset(token)


def lookup_of(name: str, version: Any) -> Lookup:
    """Return the record of a program; outside of :func:`record_lookups` nobody reads it."""
    lookups = _lookups.get()
    lookup = Lookup() if lookups is None else lookups.setdefault(name, Lookup())
    words = version_in_words(version)
    if words and words not in lookup.versions:
        lookup.versions.append(words)
    return lookup


def version_in_words(version: Any) -> str:
    """Return the version argument of ``find_executable`` in words; '' for any version."""
    if version is None:
        return ""
    if isinstance(version, str):
        return version
    pattern = getattr(version, "pattern", None)
    if pattern is not None:
        return f"matching {pattern}"
    if isinstance(version, (list, tuple, set, frozenset)):
        return " or ".join(filter(None, map(version_in_words, version)))
    return f"as {type(version).__name__} decides"

"""Reads the files of a project that its pipeline file imports, without running them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

from pipeline_core.requirements.source_reader import Import, Reading, read_source

if TYPE_CHECKING:
    from pipeline_core.compat.project_imports import ImportSpace

#: The most files that are read; some projects contain whole packages.
MOST_FILES = 200
#: The most bytes that are read of a file.
MOST_BYTES = 2 << 20


@dataclasses.dataclass(frozen=True)
class FileRead:
    """One file: its path, what is in it, and the imports that read no file of the project."""

    path: str
    reading: Reading
    foreign: tuple[Import, ...]


def read_files(path: str, space: ImportSpace) -> list[FileRead]:
    """Read the file and the project's files that it imports, at load time or in a function."""
    # (path, where it is imported if later, whether the project works without it)
    waiting: list[tuple[str, str, bool]] = [(path, "", False)]
    seen = {path}
    read: list[FileRead] = []
    while waiting and len(read) < MOST_FILES:
        this, later, optional = waiting.pop(0)
        source = _source(this)
        if source is None:
            continue
        reading = read_source(source, os.path.relpath(this, space.directory),
                              lambda top: _own_spec(top, space) is not None)
        foreign = []
        for one in reading.imports:
            one = dataclasses.replace(
                one, later=later or one.later, optional=optional or one.optional)
            if one.level == 0 and _own_spec(one.name, space) is None:
                foreign.append(one)
                continue
            for file in _own_files(one, this, space):
                if file not in seen:
                    seen.add(file)
                    waiting.append((file, one.later, one.optional))
        read.append(FileRead(this, reading, tuple(foreign)))
    return read


def _source(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return None


def _own_files(one: Import, path: str, space: ImportSpace) -> Iterator[str]:
    """Yield the files of the project that the import reads."""
    parts = one.name.split(".") if one.name else []
    if one.level:
        places = [path]
        for _ in range(one.level):
            places = [os.path.dirname(places[0])]
    else:
        spec = _own_spec(one.name, space)
        if spec is None:
            return
        if spec.origin is not None and spec.origin.endswith(".py"):
            yield spec.origin
        places, parts = list(spec.submodule_search_locations or ()), parts[1:]
    for more in ((), *((name,) for name in one.names)):
        yield from _in_package(places, [*parts, *more])


def _own_spec(name: str, space: ImportSpace) -> ModuleSpec | None:
    try:
        return space.find(name.partition(".")[0])
    except (ImportError, ValueError):
        return None


def _in_package(places: list[str], parts: list[str]) -> Iterator[str]:
    """Yield the existing files of ``a``, ``a.b`` … in the folders of a package."""
    for place in places:
        for number in range(1, len(parts) + 1):
            base = os.path.join(place, *parts[:number])
            for file in (base + ".py", os.path.join(base, "__init__.py")):
                if os.path.isfile(file):
                    yield file

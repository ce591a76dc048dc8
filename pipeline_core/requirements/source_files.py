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
class FileImport:
    """One import of a file. ``own``: a file of the project is imported. ``later`` says where the
    import happens if not at load time ('' if it does)."""

    name: str
    later: str
    optional: bool
    own: bool


@dataclasses.dataclass(frozen=True)
class FileRead:
    """One file: its path, the name that is shown, what is in it."""

    path: str
    name: str
    reading: Reading
    imports: tuple[FileImport, ...]


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
        name = os.path.relpath(this, space.directory)
        reading = read_source(source, name, lambda top: _own_spec(top, space) is not None)
        imports = []
        for one in reading.imports:
            when = later or (f"in {one.function} ({name}:{one.line})" if one.function else "")
            own = list(_own_files(one, this, space))
            imports.append(FileImport(one.name, when, optional or one.optional,
                                      one.level > 0 or _own_spec(one.name, space) is not None))
            for file in own:
                if file not in seen:
                    seen.add(file)
                    waiting.append((file, when, optional or one.optional))
        read.append(FileRead(this, name, reading, tuple(imports)))
    return read


def _source(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return None


def _own_files(one: Import, path: str, space: ImportSpace) -> Iterator[str]:
    """Yield the files of the project that the import reads."""
    if one.level:
        folder = os.path.dirname(path)
        for _ in range(one.level - 1):
            folder = os.path.dirname(folder)
        parts = one.name.split(".") if one.name else []
        yield from _in_package([folder], [*parts])
        for name in one.names:
            yield from _in_package([folder], [*parts, name])
        return
    _, *parts = one.name.split(".")
    spec = _own_spec(one.name, space)
    if spec is None:
        return
    if spec.origin is not None and spec.origin.endswith(".py"):
        yield spec.origin
    places = list(spec.submodule_search_locations or ())
    if places:
        yield from _in_package(places, parts)
        for name in one.names:
            yield from _in_package(places, [*parts, name])


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

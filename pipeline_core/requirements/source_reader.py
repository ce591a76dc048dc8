"""Reads the files of a project without running them: imports, started programs, deprecated and new
features."""

from __future__ import annotations

import ast
import dataclasses
import os
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

from pipeline_core.compat.features import Features
from pipeline_core.engine.quiet import warnings_ignored
from pipeline_core.requirements.needs import Deprecated, Newer

if TYPE_CHECKING:
    from pipeline_core.compat.project_imports import ImportSpace


#: The most files that are read; some projects contain whole packages.
MOST_FILES = 200
#: The most bytes that are read of a file.
MOST_BYTES = 2 << 20


@dataclasses.dataclass(frozen=True)
class Import:
    """One import. ``level`` counts the dots before ``name``; ``names`` are those after
    ``from … import``.

    ``later`` says where the import happens if not at load time ('' if it does). ``optional``: the
    code also runs without it, or the import depends on the Python version.
    """

    name: str
    level: int
    names: tuple[str, ...]
    later: str
    optional: bool


@dataclasses.dataclass(frozen=True)
class Reading:
    """What was found in one file. ``started`` are the programs that functions start by name with
    ``subprocess``, and where. ``heads`` are variables that come first in a list inside a function
    (so possibly a program), with the class or function. ``looked_up`` are variables set from
    ``find_executable``, with the name of the program."""

    imports: tuple[Import, ...] = ()
    started: tuple[tuple[str, str], ...] = ()
    deprecated: tuple[Deprecated, ...] = ()
    heads: frozenset[tuple[str, str]] = frozenset()
    looked_up: tuple[tuple[str, str], ...] = ()
    newer: tuple[Newer, ...] = ()


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


def read_source(source: bytes, file: str, is_own: Callable[[str], bool]) -> Reading:
    """Read the source; the result is empty when it is not valid Python.

    ``file`` is the name to show; ``is_own`` tells whether a module belongs to the project.
    """
    try:
        with warnings_ignored(Warning):
            tree = ast.parse(source)
        reader = _Reader(file, is_own)
        reader.visit(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Reading()
    return Reading(tuple(reader.imports), tuple(reader.started), reader.features.deprecated(),
                   frozenset(reader.heads), tuple(reader.looked_up), reader.features.newer())


class _Reader(ast.NodeVisitor):
    """Walks over one file, and tracks the current function and what is guarded."""

    def __init__(self, file: str, is_own: Callable[[str], bool]) -> None:
        self._file = file
        self.imports: list[Import] = []
        self.started: list[tuple[str, str]] = []
        self.heads: set[tuple[str, str]] = set()
        self.looked_up: list[tuple[str, str]] = []
        self.features = Features(file, is_own)
        self._scope: list[str] = []
        self._functions = 0
        self._guards = 0
        self._name_guards: dict[type[ast.AST], int] = {ast.Name: 0, ast.Attribute: 0}

    def visit(self, node: ast.AST) -> None:
        guards = self._guards + self._name_guards.get(type(node), 0)
        self.features.look(node, guarded=guards > 0)
        super().visit(node)

    # -- where it is -----------------------------------------------------------
    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        self._scope.append(getattr(node, "name", "a lambda"))
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1
        self._scope.pop()

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope.append(node.name)
        self.generic_visit(node)
        self._scope.pop()

    def visit_Try(self, node: ast.Try) -> None:
        guards = any(_goes_on_without_import(handler) for handler in node.handlers)
        names = {kind: any(_catches(handler, error) for handler in node.handlers)
                 for kind, error in ((ast.Name, "NameError"), (ast.Attribute, "AttributeError"))}
        for kind, caught in names.items():
            self._name_guards[kind] += caught
        self._guarded(node.body, guards)
        for kind, caught in names.items():
            self._name_guards[kind] -= caught
        for handler in node.handlers:
            # A fallback import is not required when the first import succeeds.
            self._guarded(handler.body, _catches(handler, *_NO_IMPORT))
        self._guarded([*node.orelse, *node.finalbody], False)

    visit_TryStar = visit_Try

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._guarded([*node.body, *node.orelse], _asks_which_python(node.test))

    def _guarded(self, nodes: list[ast.stmt], guarded: bool) -> None:
        self._guards += guarded
        for node in nodes:
            self.visit(node)
        self._guards -= guarded

    # -- what is there ---------------------------------------------------------
    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(alias.name, 0, (), node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._import(node.module or "", node.level, tuple(alias.name for alias in node.names), node)

    def _import(self, name: str, level: int, names: tuple[str, ...], node: ast.stmt) -> None:
        later = f"in {self._place(node)}" if self._functions else ""
        self.imports.append(Import(name, level, names, later, self._guards > 0))

    def _place(self, node: ast.stmt | ast.expr, verb: str = "") -> str:
        """Return the function, file and line of the node."""
        return f"{'.'.join(self._scope)}{verb} ({self._file}:{node.lineno})"

    def visit_Call(self, node: ast.Call) -> None:
        if dotted(node.func) in _STARTERS and node.args and self._functions:
            command = node.args[0]
            if isinstance(command, (ast.List, ast.Tuple)) and command.elts \
                    and isinstance(command.elts[0], ast.Constant) \
                    and isinstance(command.elts[0].value, str) and command.elts[0].value:
                self.started.append((command.elts[0].value, self._place(node, " runs it")))
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        value = node.value
        if isinstance(value, ast.Call) and dotted(value.func).endswith("find_executable") \
                and value.args and isinstance(value.args[0], ast.Constant):
            self.looked_up.extend((target.id, str(value.args[0].value)) for target in node.targets
                                  if isinstance(target, ast.Name))
        self.generic_visit(node)

    def visit_List(self, node: ast.List) -> None:
        if self._functions and node.elts and isinstance(node.elts[0], ast.Name):
            self.heads.add((self._scope[0], node.elts[0].id))
        self.generic_visit(node)


_STARTERS = frozenset(f"subprocess.{name}" for name in (
    "run", "Popen", "call", "check_call", "check_output"))


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` as text; '' for anything but names and dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


_NO_IMPORT = ("ImportError", "ModuleNotFoundError")


def _catches(handler: ast.ExceptHandler, *errors: str) -> bool:
    kind = handler.type
    if kind is None:
        return True
    names = [dotted(one) for one in (kind.elts if isinstance(kind, ast.Tuple) else [kind])]
    return any(name in (*errors, "Exception", "BaseException") for name in names)


def _goes_on_without_import(handler: ast.ExceptHandler) -> bool:
    """Return whether the handler catches a missing module and continues."""
    gives_up = any(
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Call)
            and dotted(node.func) in ("sys.exit", "exit", "quit", "os._exit"))
        for statement in handler.body for node in ast.walk(statement))
    return _catches(handler, *_NO_IMPORT) and not gives_up


def _asks_which_python(test: ast.AST) -> bool:
    return any(name.endswith(("version_info", "hexversion", "PY2", "PY3", "TYPE_CHECKING",
                              "platform", "os.name"))
               for name in map(dotted, ast.walk(test)) if name)

"""Features of the contract that are deprecated (they still work, but new pipelines should not use
them), and those that old toolkits do not have (docs/from-seesaw.md lists them)."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Set

from pipeline_core.compat.python2 import MODULES, PYTHON_2_ATTRIBUTES
from pipeline_core.requirements.install_hints import GONE, PYTHON_2_MODULES
from pipeline_core.requirements.needs import Deprecated, Newer

#: Deprecated feature -> what the file does, and what to do instead.
_DEPRECATED = {
    "distutils": (
        "imports distutils, which Python 3.12 removed (this toolkit provides distutils.version)",
        "leave out the comparison of versions, or compare tuples of numbers"),
    "star": (
        "imports all names of a module with `import *`, including modules such as os and json",
        "import the names that are used"),
    "preexec_fn": (
        "passes preexec_fn, which is ignored: a program runs in its own process group, so a "
        "Ctrl-C in the terminal does not reach it",
        "leave it out"),
    "instance": (
        "uses IOLoop.instance()",
        "write `async def process(self, item)`, or use IOLoop.current()"),
    "HTTPClient": (
        "uses the synchronous HTTPClient, which blocks all other code of the project",
        "write `async def process(self, item)` and await AsyncHTTPClient().fetch(…)"),
    "AsyncPopen": (
        "starts programs with AsyncPopen",
        "use ExternalProcess, or asyncio.create_subprocess_exec in `async def process`"),
    "patched": (
        "assigns to a name in seesaw's modules, which has no effect",
        "leave it out"),
    "replaced": (
        "replaces an event of a task with a function",
        "add the function: task.on_… += function"),
    "python2": (
        "has code for Python 2, which never runs",
        "leave it out"),
}
#: New feature -> what the file does.
_NEW = {
    "item_filter": "gives GetItemFromTracker an item_filter",
    "ReleaseItemsToTracker": "uses ReleaseItemsToTracker",
    "items": "reads item['items'] or item['queues']",
    "delays": "sets RETRY_DELAY_INCREMENT or MAX_RETRY_DELAY",
    "async": "has `async def process`",
}
_EVENTS = frozenset(f"on_{what}_item" for what in ("start", "complete", "fail", "finish"))
_DELAYS = frozenset({"RETRY_DELAY_INCREMENT", "MAX_RETRY_DELAY"})
#: The position of item_filter in the arguments of GetItemFromTracker.
_FILTER_POSITION = 3
#: Built-in names that Python 3 no longer has -> what it has instead.
_NAMES = {"unicode": "str", "xrange": "range", "basestring": "str", "raw_input": "input"}
#: Everything that only Python 2 has -> what Python 3 has instead.
_ONLY_PYTHON_2 = {**_NAMES, **PYTHON_2_ATTRIBUTES, **PYTHON_2_MODULES}


class Features:
    """Collects deprecated and new features from the syntax nodes of a file."""

    def __init__(self, file: str, is_own: Callable[[str], bool]) -> None:
        self._file = file
        self._is_own = is_own
        self._old: dict[str, set[int]] = {}
        self._new: dict[str, set[int]] = {}
        self._own_names: set[str] = set()

    def deprecated(self) -> tuple[Deprecated, ...]:
        """Return one entry for each deprecated feature, ordered by its first line."""
        return tuple(Deprecated(*_words(key), file=self._file, lines=lines)
                     for key, lines in _by_line(self._old)
                     if key.partition(".")[0] not in self._own_names)

    def newer(self) -> tuple[Newer, ...]:
        """Return one entry for each new feature, ordered by its first line."""
        return tuple(Newer(_NEW[key], self._file, lines) for key, lines in _by_line(self._new))

    def look(self, node: ast.AST, *, guarded: bool) -> None:
        """Record the features in this node (not in the nodes below it).

        ``guarded``: the code also runs without the names that only Python 2 has.
        """
        self._own_names |= _NAMES.keys() & _defined(node)
        self._own_names |= MODULES & _defined(node, but_modules=True)
        key = self._deprecated_in(node)
        if key:
            key = "python2" if guarded and key in _ONLY_PYTHON_2 else key
            self._old.setdefault(key, set()).add(getattr(node, "lineno", 0))
        for key, line in _new_in(node):
            self._new.setdefault(key, set()).add(line)

    def _deprecated_in(self, node: ast.AST) -> str:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            key = _of_import(node)
            # A file of the project may have such a name: that is no Python 2 module.
            return "" if key in _ONLY_PYTHON_2 and self._is_own(key.partition(".")[0]) else key
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) \
                and isinstance(node.ctx, ast.Load):
            key = f"{node.value.id}.{node.attr}"
            return key if key in PYTHON_2_ATTRIBUTES and not self._is_own(node.value.id) else ""
        if isinstance(node, ast.Call):
            return _of_call(node)
        if isinstance(node, ast.Assign):
            return _of_assignment(node)
        if isinstance(node, ast.ClassDef):
            return "AsyncPopen" if {"AsyncPopen", "AsyncPopen2"} & set(map(_last, node.bases)) \
                else ""
        return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) \
            and node.id in _NAMES else ""


def _by_line(found: Mapping[str, Set[int]]) -> list[tuple[str, tuple[int, ...]]]:
    return sorted(((key, tuple(sorted(lines))) for key, lines in found.items()),
                  key=lambda seen: seen[1][0])


def _words(key: str) -> tuple[str, str]:
    if key in GONE:
        return f"imports {key}, which Python {GONE[key]} removed", "use another module"
    if key in _ONLY_PYTHON_2:
        verb = "imports" if key in PYTHON_2_MODULES else "uses"
        return (f"{verb} {key}, which only Python 2 has: Python 3 fails at this line",
                f"use {_ONLY_PYTHON_2[key]}")
    return _DEPRECATED[key]


def _new_in(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Call):
        given = [one.value for one in node.keywords if one.arg == "item_filter"]
        if _last(node.func) == "GetItemFromTracker":
            given += node.args[_FILTER_POSITION:_FILTER_POSITION + 1]
        if any(not (isinstance(one, ast.Constant) and one.value is None) for one in given):
            yield "item_filter", node.lineno
    elif isinstance(node, (ast.Name, ast.Attribute)) and _last(node) == "ReleaseItemsToTracker":
        yield "ReleaseItemsToTracker", node.lineno
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) \
            and _last(node.value) == "item" and isinstance(node.slice, ast.Constant) \
            and node.slice.value in ("items", "queues"):
        yield "items", node.lineno
    elif isinstance(node, ast.ClassDef):
        for statement in node.body:
            if isinstance(statement, ast.AsyncFunctionDef) and statement.name == "process":
                yield "async", statement.lineno
            elif isinstance(statement, ast.Assign) \
                    and _DELAYS & set(map(_last, statement.targets)):
                yield "delays", statement.lineno


def _defined(node: ast.AST, *, but_modules: bool = False) -> set[str]:
    """Return the names that the node defines in the file.

    ``but_modules`` leaves out what ``import urllib`` and ``import urllib.request`` define.
    """
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return {node.id}
    if isinstance(node, ast.Import) and but_modules:
        return {alias.asname for alias in node.names if alias.asname not in (None, alias.name)}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name for alias in node.names}
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    return {node.arg} if isinstance(node, ast.arg) else set()


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _of_import(node: ast.Import | ast.ImportFrom) -> str:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif node.level:
        return ""
    else:
        names = [node.module or ""]
    for name in names:
        top = name.partition(".")[0]
        if top == "distutils" or top in GONE or top in PYTHON_2_MODULES:
            return top
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if f"{name}.{alias.name}" in PYTHON_2_ATTRIBUTES:
                    return f"{name}.{alias.name}"
                if alias.name == "*" and top in ("seesaw", "pipeline_core"):
                    return "star"
    return ""


def _of_call(node: ast.Call) -> str:
    name = _last(node.func)
    if name == "instance" and isinstance(node.func, ast.Attribute) \
            and _last(node.func.value) == "IOLoop":
        return "instance"
    if any(keyword.arg == "preexec_fn" for keyword in node.keywords) \
            and not (isinstance(node.func, ast.Attribute)
                     and _last(node.func.value) == "subprocess"):
        return "preexec_fn"
    return {"AsyncPopen2": "AsyncPopen"}.get(name, name) \
        if name in ("HTTPClient", "AsyncPopen", "AsyncPopen2") else ""


def _of_assignment(node: ast.Assign) -> str:
    for target in node.targets:
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant) \
                and target.slice.value == "preexec_fn":
            return "preexec_fn"
        if isinstance(target, ast.Attribute):
            if target.attr in _EVENTS:
                return "replaced"
            root: ast.expr = target
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in ("seesaw", "pipeline_core"):
                return "patched"
    return ""


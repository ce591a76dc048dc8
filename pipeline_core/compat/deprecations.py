"""Deprecated features: they still work, but new pipelines should not use them."""

from __future__ import annotations

import ast
from collections.abc import Callable

from pipeline_core.compat.python2 import MODULES, PYTHON_2_ATTRIBUTES
from pipeline_core.requirements.install_hints import GONE, PYTHON_2_MODULES
from pipeline_core.requirements.needs import Deprecated

#: Feature -> what the file does, and what to do instead.
_WAYS = {
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
_EVENTS = frozenset(f"on_{what}_item" for what in ("start", "complete", "fail", "finish"))
#: Built-in names that Python 3 no longer has -> what it has instead.
_PYTHON_2_NAMES = {"unicode": "str", "xrange": "range", "basestring": "str", "raw_input": "input"}


class Deprecations:
    """Collects deprecated features from the syntax nodes of a file; :meth:`found` returns them."""

    def __init__(self, file: str, is_own: Callable[[str], bool]) -> None:
        self._file = file
        self._is_own = is_own
        self._lines: dict[str, list[int]] = {}
        self._own_names: set[str] = set()

    def found(self) -> tuple[Deprecated, ...]:
        """Return one entry for each deprecated feature, ordered by its first line."""
        return tuple(
            Deprecated(*self._words(key), file=self._file, lines=tuple(sorted(set(lines))))
            for key, lines in sorted(self._lines.items(), key=lambda seen: min(seen[1]))
            if key.partition(".")[0] not in self._own_names)

    def _words(self, key: str) -> tuple[str, str]:
        if key in GONE:
            return (f"imports {key}, which Python {GONE[key]} removed",
                    "use another module")
        if key in PYTHON_2_MODULES:
            return (f"imports {key}, which only Python 2 has: Python 3 fails at this line",
                    f"use {PYTHON_2_MODULES[key]}")
        if key in PYTHON_2_ATTRIBUTES:
            return (f"uses {key}, which only Python 2 has: Python 3 fails at this line",
                    f"use {PYTHON_2_ATTRIBUTES[key]}")
        if key in _PYTHON_2_NAMES:
            return (f"uses {key}, which only Python 2 has: Python 3 fails at this line",
                    f"use {_PYTHON_2_NAMES[key]}")
        return _WAYS[key]

    def look(self, node: ast.AST, *, guarded: bool) -> None:
        """Record the deprecated features in this node (not in the nodes below it).

        ``guarded``: the code also runs without the names that only Python 2 has.
        """
        self._own_names.update(_PYTHON_2_NAMES.keys() & _defined(node))
        self._own_names.update(MODULES & _defined(node, but_modules=True))
        key = self._key(node)
        if guarded and (key in PYTHON_2_MODULES or key in _PYTHON_2_NAMES
                        or key in PYTHON_2_ATTRIBUTES):
            key = "python2"
        if key:
            self._lines.setdefault(key, []).append(getattr(node, "lineno", 0))

    def _key(self, node: ast.AST) -> str:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            key = _of_import(node)
            # A file of the project may have such a name: that is no Python 2 module.
            only_python_2 = key in PYTHON_2_MODULES or key in PYTHON_2_ATTRIBUTES
            return "" if only_python_2 and self._is_own(key.partition(".")[0]) else key
        if isinstance(node, ast.Attribute):
            return self._of_attribute(node)
        if isinstance(node, ast.Call):
            return _of_call(node)
        if isinstance(node, ast.Assign):
            return _of_assignment(node)
        if isinstance(node, ast.ClassDef):
            bases = [_last(base) for base in node.bases]
            return "AsyncPopen" if {"AsyncPopen", "AsyncPopen2"} & set(bases) else ""
        return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) \
            and node.id in _PYTHON_2_NAMES else ""

    def _of_attribute(self, node: ast.Attribute) -> str:
        if not isinstance(node.value, ast.Name) or not isinstance(node.ctx, ast.Load):
            return ""
        key = f"{node.value.id}.{node.attr}"
        return key if key in PYTHON_2_ATTRIBUTES and not self._is_own(node.value.id) else ""


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
    names = ([node.module or ""] if isinstance(node, ast.ImportFrom)
             else [alias.name for alias in node.names])
    if isinstance(node, ast.ImportFrom) and node.level:
        return ""
    for name in names:
        top = name.partition(".")[0]
        if top == "distutils" or top in GONE:
            return top
        if top in PYTHON_2_MODULES:
            return top
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if f"{name}.{alias.name}" in PYTHON_2_ATTRIBUTES:
                    return f"{name}.{alias.name}"
        if top in ("seesaw", "pipeline_core") and isinstance(node, ast.ImportFrom) \
                and any(alias.name == "*" for alias in node.names):
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
    return {"HTTPClient": "HTTPClient", "AsyncPopen": "AsyncPopen",
            "AsyncPopen2": "AsyncPopen"}.get(name, "")


def _of_assignment(node: ast.Assign) -> str:
    for target in node.targets:
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant) \
                and target.slice.value == "preexec_fn":
            return "preexec_fn"
        if isinstance(target, ast.Attribute):
            if target.attr in _EVENTS:
                return "replaced"
            if _root(target) in ("seesaw", "pipeline_core"):
                return "patched"
    return ""


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""

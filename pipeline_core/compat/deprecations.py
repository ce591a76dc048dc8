"""What of the contract still works, and new pipelines should not use."""

from __future__ import annotations

import ast
from collections.abc import Callable

from pipeline_core.compat.python2 import MODULES, PYTHON_2_ATTRIBUTES
from pipeline_core.requirements.install_hints import GONE, PYTHON_2_MODULES
from pipeline_core.requirements.needs import Deprecated

#: What is seen -> what it is, and what to do instead.
_WAYS = {
    "distutils": (
        "imports distutils, which Python 3.12 has dropped (here distutils.version lives on)",
        "leave the comparison of versions out, or compare tuples of numbers"),
    "star": (
        "takes all names of a module with `import *`, also modules such as os and json",
        "import by name what is used"),
    "preexec_fn": (
        "gives preexec_fn, which is ignored: a program has a group of its own, so a Ctrl-C of "
        "the terminal does not reach it",
        "leave it out"),
    "instance": (
        "uses IOLoop.instance()",
        "write `async def process(self, item)`, or use IOLoop.current()"),
    "HTTPClient": (
        "asks with the synchronous HTTPClient, during which no other code of the project runs",
        "write `async def process(self, item)` and await AsyncHTTPClient().fetch(…)"),
    "AsyncPopen": (
        "starts programs with AsyncPopen",
        "use ExternalProcess, or asyncio.create_subprocess_exec in `async def process`"),
    "patched": (
        "assigns to a name in seesaw's modules, which nothing of seesaw looks at",
        "leave it out"),
    "replaced": (
        "puts a function in the place of an event of a task",
        "add it: task.on_… += function"),
    "python2": (
        "has code for Python 2, which never runs",
        "leave it out"),
}
_EVENTS = frozenset(f"on_{what}_item" for what in ("start", "complete", "fail", "finish"))
#: What Python 3 has no more by this name -> what it has instead.
_PYTHON_2_NAMES = {"unicode": "str", "xrange": "range", "basestring": "str", "raw_input": "input"}


class Deprecations:
    """Looks at one node after the other of a file; :meth:`found` has what was seen."""

    def __init__(self, file: str, is_own: Callable[[str], bool]) -> None:
        self._file = file
        self._is_own = is_own
        self._lines: dict[str, list[int]] = {}
        self._own_names: set[str] = set()

    def found(self) -> tuple[Deprecated, ...]:
        """One for each old way, in the order of the lines where it is met first."""
        return tuple(
            Deprecated(*self._words(key), file=self._file, lines=tuple(sorted(set(lines))))
            for key, lines in sorted(self._lines.items(), key=lambda seen: min(seen[1]))
            if key.partition(".")[0] not in self._own_names)

    def _words(self, key: str) -> tuple[str, str]:
        if key in GONE:
            return (f"imports {key}, which Python {GONE[key]} has dropped",
                    "use another module")
        if key in PYTHON_2_MODULES:
            return (f"imports {key}, which only Python 2 has: Python 3 fails where it gets there",
                    f"use {PYTHON_2_MODULES[key]}")
        if key in PYTHON_2_ATTRIBUTES:
            return (f"uses {key}, which only Python 2 has: Python 3 fails where it gets there",
                    f"use {PYTHON_2_ATTRIBUTES[key]}")
        if key in _PYTHON_2_NAMES:
            return (f"uses {key}, which only Python 2 has: Python 3 fails where it gets there",
                    f"use {_PYTHON_2_NAMES[key]}")
        return _WAYS[key]

    def look(self, node: ast.AST, *, guarded: bool) -> None:
        """Note what is old in this node (not in those below it).

        ``guarded`` says that the code goes on without what only Python 2 has.
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
            # A file of the project may have such a name.
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
    """Names that the node gives a meaning of the file's own.

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

"""Features of the contract that old toolkits do not have; docs/from-seesaw.md lists them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pipeline_core.requirements.needs import Newer

#: Feature -> what the file does.
_WAYS = {
    "item_filter": "gives GetItemFromTracker an item_filter",
    "ReleaseItemsToTracker": "uses ReleaseItemsToTracker",
    "items": "reads item['items'] or item['queues']",
    "delays": "sets RETRY_DELAY_INCREMENT or MAX_RETRY_DELAY",
    "async": "has `async def process`",
}
_DELAYS = frozenset({"RETRY_DELAY_INCREMENT", "MAX_RETRY_DELAY"})
_KEYS = frozenset({"items", "queues"})
#: Arguments of GetItemFromTracker up to item_filter.
_FILTER_POSITION = 4


class Additions:
    """Collects new features from the syntax nodes of a file; :meth:`found` returns them."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[str, set[int]] = {}

    def found(self) -> tuple[Newer, ...]:
        """Return one entry for each new feature, ordered by its first line."""
        return tuple(Newer(_WAYS[key], self._file, tuple(sorted(lines)))
                     for key, lines in sorted(self._lines.items(), key=lambda seen: min(seen[1])))

    def look(self, node: ast.AST) -> None:
        """Record the new features in this node."""
        for key, line in _keys(node):
            self._lines.setdefault(key, set()).add(line)


def _keys(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Call) and _gives_filter(node):
        yield "item_filter", node.lineno
    elif isinstance(node, (ast.Name, ast.Attribute)) and _last(node) == "ReleaseItemsToTracker":
        yield "ReleaseItemsToTracker", node.lineno
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) \
            and _last(node.value) == "item" and isinstance(node.slice, ast.Constant) \
            and node.slice.value in _KEYS:
        yield "items", node.lineno
    elif isinstance(node, ast.ClassDef):
        yield from _of_class(node)


def _gives_filter(node: ast.Call) -> bool:
    given = [one.value for one in node.keywords if one.arg == "item_filter"]
    if _last(node.func) == "GetItemFromTracker":
        given += node.args[_FILTER_POSITION - 1:_FILTER_POSITION]
    return any(not (isinstance(one, ast.Constant) and one.value is None) for one in given)


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    for statement in node.body:
        if isinstance(statement, ast.AsyncFunctionDef) and statement.name == "process":
            yield "async", statement.lineno
        elif isinstance(statement, ast.Assign) and _DELAYS & set(map(_last, statement.targets)):
            yield "delays", statement.lineno


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")

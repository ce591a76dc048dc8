"""Holds the arrows between the packages and between their rooms (see ARCHITECTURE.md).

A room is a package of modules, such as ``pipeline_core.net``. The contract's modules, directly in
``pipeline_core``, share one room with ``pipeline_core.engine``: both are sides of the same classes.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: Package -> what its modules must not import.
FORBIDDEN = {
    "pipeline_core": ("warrior", "tracker", "tornado.web", "tornado.httpserver", "sockjs", "jinja2"),
    "warrior": ("tracker", "tests"),
    "tracker": ("warrior", "pipeline_core", "seesaw"),
}
#: Only these of warrior may know the web package, or HTTP.
WEB = {"warrior/daemon/app.py", "warrior/standalone/run.py"}
#: How much the docstring of a room has to say, in characters.
SHORTEST_DOCSTRING = 40

#: Module -> the modules that it imports.
Graph = Mapping[str, set[str]]
Statement = ast.Import | ast.ImportFrom


# -- reading imports ------------------------------------------------------------------------
def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def import_statements(node: ast.AST, for_types: bool = False) -> Iterator[tuple[Statement, bool]]:
    """Each import, in functions too, and whether it stands under ``if TYPE_CHECKING``."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node, for_types
    guard = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    for child in ast.iter_child_nodes(node):
        body = guard and child in node.body  # type: ignore[attr-defined]
        yield from import_statements(child, for_types or body)


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@functools.cache
def imports_of(path: Path) -> list[tuple[Statement, bool]]:
    return list(import_statements(tree(path)))


def named(statement: Statement) -> Iterator[str]:
    """The full names that a statement imports, and the module that it imports them from."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    assert statement.module and not statement.level, f"line {statement.lineno}: a relative import"
    yield statement.module
    yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def imported(path: Path) -> Iterator[str]:
    for statement, _ in imports_of(path):
        yield from named(statement)


def breaks(name: str, forbidden: tuple[str, ...]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in forbidden)


# -- the graph ------------------------------------------------------------------------------
def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def sources() -> dict[str, Path]:
    """Name of a module of ours -> its file."""
    return {module_name(path): path for package in FORBIDDEN for path in modules(package)}


def targets(statement: Statement) -> set[str]:
    """The modules of ours that a statement needs.

    ``from package import module`` needs the module. That Python imports the package first says
    nothing about who needs whom.
    """
    names = {name for name in named(statement) if name in sources()}
    if isinstance(statement, ast.ImportFrom) and len(names) == len(statement.names) + 1:
        names.discard(statement.module or "")
    return names


@functools.cache
def graph(with_types: bool) -> Graph:
    """Who imports whom at run time; ``with_types``: or for its types alone."""
    return {
        name: set().union(*(
            targets(statement)
            for statement, for_types in imports_of(path)
            if with_types or not for_types)) - {name}
        for name, path in sources().items()}


def package_of(module: str) -> str:
    """The package in which a module stands; for a package, the package itself."""
    return module if sources()[module].name == "__init__.py" else module.rpartition(".")[0]


def room_of(module: str) -> str:
    """The room in which a module stands."""
    package = package_of(module)
    # What lies below a room belongs to it.
    package = ".".join(package.split(".")[:2])
    return "pipeline_core" if package == "pipeline_core.engine" else package


def shortest_path(arrows: Graph, start: str, end: str) -> list[str]:
    """The modules from one to the other along the imports; none when there is no way."""
    before = {start: start}
    queue = deque([start])
    while queue and end not in before:
        module = queue.popleft()
        for other in sorted(arrows[module] - before.keys()):
            before[other] = module
            queue.append(other)
    if end not in before:
        return []
    path = [end]
    while path[-1] != start:
        path.append(before[path[-1]])
    return path[::-1]


def cycles(arrows: Graph, between_rooms: bool = False) -> list[str]:
    """The shortest cycle through each import; ``between_rooms``: through each import from one room
    into another."""
    found: dict[frozenset[str], str] = {}
    for module in sorted(arrows):
        for other in sorted(arrows[module]):
            if between_rooms and room_of(module) == room_of(other):
                continue
            path = shortest_path(arrows, other, module)
            if path:
                found.setdefault(frozenset(path), " -> ".join([module, *path]))
    return list(found.values())


def message(found: list[str]) -> str:
    return f"{len(found)} cycles of imports:\n" + "\n".join(found)


# -- the rules ------------------------------------------------------------------------------
def test_no_import_cycle_at_run_time() -> None:
    """No module needs itself by way of others when it is imported or when it runs."""
    found = cycles(graph(with_types=False))
    assert not found, message(found)


def test_cycles_for_types_stay_in_one_room() -> None:
    """Two modules may name each other's types only when they stand in the same room."""
    found = cycles(graph(with_types=True), between_rooms=True)
    assert not found, message(found)


def test_each_room_says_what_it_is_for() -> None:
    """The docstring of each package is a sentence."""
    silent = [name for name, path in sources().items() if path.name == "__init__.py"
              and len(ast.get_docstring(tree(path)) or "") < SHORTEST_DOCSTRING]
    assert silent == []


def importers(package: str) -> list[str]:
    """The other packages whose modules import this package or a module in it at run time."""
    return sorted({package_of(module) for module, others in graph(with_types=False).items()
                   if package_of(module) != package
                   and any(package_of(other) == package for other in others)})


@pytest.mark.parametrize("package", sorted(
    name for name, path in sources().items() if path.name == "__init__.py"))
def test_each_package_says_who_imports_it(package: str) -> None:
    """Its docstring ends with the names of the packages that do."""
    text = " ".join((ast.get_docstring(tree(sources()[package])) or "").split())
    said = re.search(r"Imported by: (.*)\.$", text)
    assert said is not None and said[1] == (", ".join(importers(package)) or "nothing"), (
        f"end the docstring of {package} with:\n"
        f"Imported by: {', '.join(importers(package)) or 'nothing'}.")


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_arrows_point_one_way(package: str) -> None:
    """No module imports what lies above it."""
    found = [f"{path.relative_to(ROOT)} imports {name}" for path in modules(package)
             for name in imported(path) if breaks(name, FORBIDDEN[package])]
    assert modules(package)
    assert found == []


def test_only_web_knows_http() -> None:
    """Outside warrior/web nothing of warrior imports the web framework or the console."""
    forbidden = ("tornado.web", "tornado.httpserver", "sockjs", "jinja2", "warrior.web")
    found = [f"{path.relative_to(ROOT)} imports {name}" for path in modules("warrior")
             for name in imported(path)
             if "web" not in path.relative_to(ROOT).parts
             and str(path.relative_to(ROOT)) not in WEB and breaks(name, forbidden)]
    assert found == []


#: What asks others -> the only modules that may use it. Each takes a turn of the governor first
#: (see ARCHITECTURE.md), or gives what it has found to one that does.
ASKING = {
    "tornado.simple_httpclient.SimpleAsyncHTTPClient": {"pipeline_core/net/http.py"},
    "pipeline_core.net.http.post": {"warrior/projects/hq.py"},
    "pipeline_core.net.http.find": {"warrior/checkout/git_address.py"},
    "warrior.checkout.git_address.locate": {"warrior/checkout/git.py"},
    "warrior.checkout.git.Git": {
        "warrior/checkout/checkout.py", "warrior/checkout/sources.py",
        "warrior/standalone/auto_update.py", "warrior/standalone/worktree.py"},
    "warrior.checkout.sources.source_of": {"warrior/checkout/checkout.py"},
    "warrior.standalone.worktree.Worktree": {"warrior/standalone/auto_update.py"},
}


@pytest.mark.parametrize("name", sorted(ASKING))
def test_nothing_bypasses_the_governor(name: str) -> None:
    """Only these modules send requests; `http.post` itself demands a turn."""
    users = {str(path.relative_to(ROOT)) for package in ("pipeline_core", "warrior")
             for path in modules(package) if name in imported(path)}
    assert users == ASKING[name]


# -- the rules notice -----------------------------------------------------------------------
def test_the_rule_is_noticed_when_it_is_broken() -> None:
    """The check sees an import by its full name and by `from`."""
    assert breaks("tornado.web", FORBIDDEN["pipeline_core"])
    assert breaks("warrior.web.app", ("warrior",))
    assert not breaks("warriors", ("warrior",))


def test_imports_are_read_wherever_they_stand() -> None:
    """In a function as well; those for types are told apart, and what stands in the else is not
    one of them."""
    module = ast.parse(
        "import a\n"
        "if typing.TYPE_CHECKING:\n    from b import c\nelse:\n    import d\n"
        "def function():\n    try:\n        import e\n    except ImportError:\n        pass\n")
    found = {(tuple(named(statement)), for_types)
             for statement, for_types in import_statements(module)}
    assert found == {(("a",), False), (("b", "b.c"), True), (("d",), False), (("e",), False)}


def test_a_module_out_of_a_package_is_what_is_needed() -> None:
    """The package itself is needed only for a name that is defined in it."""
    def needed(line: str) -> set[str]:
        [(statement, _)] = import_statements(ast.parse(line))
        return targets(statement)

    assert needed("from pipeline_core.net import http, governor") == {
        "pipeline_core.net.http", "pipeline_core.net.governor"}
    assert needed("from pipeline_core import util, __version__") == {
        "pipeline_core.util", "pipeline_core"}
    assert needed("from pipeline_core.util import find_executable") == {"pipeline_core.util"}
    assert needed("import pipeline_core.net.http, os") == {"pipeline_core.net.http"}


def test_a_cycle_is_shown() -> None:
    """Once, however many imports it has, and with the way back to its beginning."""
    task, item, http = "pipeline_core.task", "pipeline_core.engine.base_task", "pipeline_core.net.http"
    arrows = {task: {item}, item: {task, http}, http: set[str]()}
    assert cycles(arrows) == [f"{item} -> {task} -> {item}"]
    assert cycles(arrows, between_rooms=True) == []
    arrows[http] = {task}
    assert cycles(arrows, between_rooms=True) == [f"{item} -> {http} -> {task} -> {item}"]

"""Holds the arrows between the packages (see ARCHITECTURE.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
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


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def breaks(name: str, forbidden: tuple[str, ...]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in forbidden)


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
    "warrior.checkout.git.Git": {"warrior/checkout/checkout.py", "warrior/checkout/sources.py", "warrior/standalone/auto_update.py",
                        "warrior/standalone/worktree.py"},
    "warrior.checkout.sources.source_of": {"warrior/checkout/checkout.py"},
    "warrior.standalone.worktree.Worktree": {"warrior/standalone/auto_update.py"},
}


@pytest.mark.parametrize("name", sorted(ASKING))
def test_nothing_bypasses_the_governor(name: str) -> None:
    """Only these modules send requests; `http.post` itself demands a turn."""
    users = {str(path.relative_to(ROOT)) for package in ("pipeline_core", "warrior")
             for path in modules(package) if name in imported(path)}
    assert users == ASKING[name]


def test_the_rule_is_noticed_when_it_is_broken() -> None:
    """The check sees an import by its full name and by `from`."""
    assert breaks("tornado.web", FORBIDDEN["pipeline_core"])
    assert breaks("warrior.web.app", ("warrior",))
    assert not breaks("warriors", ("warrior",))

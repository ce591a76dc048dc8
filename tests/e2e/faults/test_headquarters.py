"""Warrior HQ changes its mind about a project at work: dropped, renamed, moved, named ../x.

Real code from a git server, at work in a real warrior without page; what HQ says is given to
the catalogue as its answers are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.git_remote import GitServer, Repository, copy_repository, git_server
from tests.support.scripted_hq import project
from tests.warrior.parts import WORKS, Parts, make_parts


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "git") as server:
        Repository(tmp_path / "git" / "one").commit({"pipeline.py": WORKS.format(title="One")})
        yield server


def at_work(
    folder: Path, server: GitServer, test: Callable[[Parts], Awaitable[None]]
) -> None:
    """Run the test while the project ``one`` of HQ works on two items."""
    async def go() -> None:
        parts = await make_parts(folder, {})
        try:
            await offer(parts, project("one", server.url("one")))
            await parts.warrior.select(["one"])
            await parts.until(lambda: "one" in parts.supervisor.runs and parts.named("one") == 2)
            await test(parts)
        finally:
            await parts.close()

    asyncio.run(asyncio.wait_for(go(), 100))


async def offer(parts: Parts, *projects: dict[str, Any]) -> None:
    """HQ answers this."""
    await parts.catalogue.apply({"projects": list(projects)})


@pytest.mark.parametrize("how", ["dropped", "renamed", "nothing left", "turned to a file"])
def test_a_project_that_is_not_offered_any_more(
    tmp_path: Path, server: GitServer, how: str
) -> None:
    """Its items finish, no new one begins, and it stops; the card says that it is gone."""
    async def test(parts: Parts) -> None:
        runner = parts.runner("one")
        await offer(parts, *{
            "dropped": [project("two", server.url("two"))],
            "renamed": [project("uno", server.url("one"))],
            "nothing left": [],
            "turned to a file": [project("one", f"file://{tmp_path}/git/one"),
                                 project("two", server.url("two"))],
        }[how])
        await parts.until(lambda: parts.supervisor.runs["one"].draining)
        assert parts.named("one") == 2
        parts.go("one", "go-1")
        parts.go("one", "go-2")
        await parts.until(lambda: not parts.supervisor.runs)
        assert runner.counts["completed"] == 2 and runner.item_count == 2
        assert [card.source for card in parts.overview.cards() if card.name == "one"] == ["gone"]

    at_work(tmp_path, server, test)


def test_a_project_that_comes_back(tmp_path: Path, server: GitServer) -> None:
    """Offered again while its items still finish, it goes on as if nothing had been."""
    async def test(parts: Parts) -> None:
        await offer(parts)
        await parts.until(lambda: parts.supervisor.runs["one"].draining)
        await offer(parts, project("one", server.url("one")))
        await parts.until(lambda: not parts.supervisor.runs["one"].draining)
        parts.go("one", "go-1")
        await parts.until(lambda: parts.runner("one").item_count == 3)

    at_work(tmp_path, server, test)


def test_a_project_that_has_moved(tmp_path: Path, server: GitServer) -> None:
    """The code is cloned anew from there; the items at work finish on the old one."""
    async def test(parts: Parts) -> None:
        old = parts.supervisor.runs["one"].current
        copy_repository(Repository(tmp_path / "git" / "one"), tmp_path / "git" / "moved")
        await offer(parts, project("one", server.url("moved")))
        await parts.until(lambda: parts.supervisor.runs["one"].current is not old)
        new = parts.supervisor.runs["one"].current
        assert new.version.path != old.version.path
        origin = Repository(Path(new.version.path)).git("remote", "get-url", "origin")
        assert origin == server.url("moved")
        assert Path(old.version.path).is_dir() and parts.named("one") == 2

    at_work(tmp_path, server, test)


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", "..", ".hidden", "a\0b", "auto", "-x", "x" * 65])
def test_a_name_that_would_be_a_path(tmp_path: Path, server: GitServer, name: str) -> None:
    """It is refused with a sentence, nothing is made of it, and the project at work goes on."""
    async def test(parts: Parts) -> None:
        before = {path.name for path in (tmp_path / "state" / "checkouts").iterdir()}
        await offer(parts, project("one", server.url("one")), project(name, server.url("one")))
        assert any("a project is named" in sentence for sentence in parts.catalogue.refused)
        assert name not in parts.catalogue.entries and not parts.supervisor.runs["one"].draining
        assert {path.name for path in (tmp_path / "state" / "checkouts").iterdir()} == before
        assert parts.named("one") == 2

    at_work(tmp_path, server, test)


def test_a_clone_that_was_cut_off(tmp_path: Path, server: GitServer) -> None:
    """What a kill in the midst of fetching leaves is cleared away; the code is fetched anew."""
    place = tmp_path / "state" / "checkouts" / "one"
    half = place / "one-0123456789ab"
    for folder in (place / "incoming" / ".git" / "objects", half / ".git"):
        folder.mkdir(parents=True)
    (place / "incoming" / ".git" / "HEAD").write_text("ref: refs/hea")
    (place / "one-0123456789ab.json").write_text('{"commit": "0123')

    async def test(parts: Parts) -> None:
        assert not half.exists() and not (place / "incoming").exists()

    at_work(tmp_path, server, test)

"""A checkout made by hand, against real remotes: looked at, and pulled forward only."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.child import Children
from pipeline_core.net.governor import Governor
from tests.support.git_remote import Repository, git_server, silent_server
from warrior.checkout.git import Git
from warrior.checkout.versions import CheckoutError
from warrior.standalone.worktree import Newer, Worktree, top_folder


class Bench:
    """A remote, and a clone with the pipeline in a folder of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote = Repository(folder / "remote")
        self.first = self.remote.commit({"sub/pipeline.py": "one\n", "other.txt": "one\n"})
        self.remote.git("clone", "--quiet", str(self.remote.path), str(folder / "clone"))
        self.clone = Repository(folder / "clone")
        self.file = self.clone.path / "sub" / "pipeline.py"

    def use(self, action: Callable[[Worktree], Awaitable[Any]], timeout: float = 60.0,
            file: Path | None = None, **environment: str) -> Any:
        async def main() -> Any:
            children = Children(asyncio.get_running_loop())
            git = Git(children, timeout=timeout, environment={**os.environ, **environment})
            try:
                return await action(Worktree(git, str(file or self.file), timeout=timeout,
                                             remote=Governor().repository))
            finally:
                children.close()

        return asyncio.run(main())

    def look(self, **options: Any) -> Newer | None:
        newer: Newer | None = self.use(lambda worktree: worktree.look(), **options)
        return newer

    def pull(self, **options: Any) -> Newer:
        async def action(worktree: Worktree) -> Newer:
            newer = await worktree.look()
            assert newer is not None
            await worktree.pull(newer)
            return newer

        newer: Newer = self.use(action, **options)
        return newer

    def trouble(self, pull: bool = False, **options: Any) -> str:
        with pytest.raises(CheckoutError) as caught:
            (self.pull if pull else self.look)(**options)
        return str(caught.value)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_nothing_new(bench: Bench) -> None:
    """Neither where nothing was published nor where the checkout is ahead."""
    assert bench.look() is None
    bench.clone.commit({"mine.txt": "mine"})
    assert bench.look() is None


def test_what_is_new_is_pulled(bench: Bench) -> None:
    """The files change with the pull, not with the look; files unknown to git stay."""
    second = bench.remote.commit({"sub/pipeline.py": "two\n"})
    (bench.clone.path / "STOP").write_text("mine")
    assert bench.look() == Newer(bench.first, second)
    assert bench.file.read_text() == "one\n"
    assert bench.pull() == Newer(bench.first, second)
    assert bench.file.read_text() == "two\n" and bench.clone.head == second
    assert (bench.clone.path / "STOP").read_text() == "mine"
    assert bench.look() is None


def test_hooks_do_not_run(bench: Bench) -> None:
    """Nothing of a repository runs before it is loaded."""
    hook = bench.clone.write(".git/hooks/post-merge", "#!/bin/sh\ntouch hooked\n", executable=True)
    bench.remote.commit({"sub/pipeline.py": "two\n"})
    bench.pull()
    assert hook.exists() and not list(bench.clone.path.rglob("hooked"))


def test_submodules_come_along(bench: Bench) -> None:
    """New ones, and newer commits of old ones."""
    library = Repository(bench.folder / "library")
    library.commit({"lib.py": "one\n"})
    bench.remote.add_submodule("../library", "lib")
    bench.pull()
    assert (bench.clone.path / "lib" / "lib.py").read_text() == "one\n"
    library.commit({"lib.py": "two\n"})
    bench.remote.git("submodule", "--quiet", "update", "--remote")
    bench.remote.commit()
    bench.pull()
    assert (bench.clone.path / "lib" / "lib.py").read_text() == "two\n"


def test_half_of_an_update_is_taken_back(bench: Bench) -> None:
    """When a submodule does not come, the files are what they were."""
    library = Repository(bench.folder / "library")
    library.commit({"lib.py": "one\n"})
    bench.remote.add_submodule("../library", "lib")
    bench.remote.commit({"sub/pipeline.py": "two\n"})
    library.path.rename(bench.folder / "gone")
    assert "The submodules cannot be updated" in bench.trouble(pull=True)
    assert bench.clone.head == bench.first and bench.file.read_text() == "one\n"
    assert bench.clone.git("status", "--porcelain", "--untracked-files=no") == ""


def test_what_another_has_pulled_is_new_too(bench: Bench) -> None:
    """Newer than what was here when this one began."""
    async def action(worktree: Worktree) -> Newer | None:
        await worktree.remember()
        bench.remote.commit({"sub/pipeline.py": "two\n"})
        bench.clone.git("pull", "--quiet", "--ff-only")
        newer = await worktree.look()
        assert newer is not None
        await worktree.pull(newer)
        return newer

    assert bench.use(action) == Newer(bench.first, bench.remote.head)


def _detached(bench: Bench) -> None:
    bench.clone.git("checkout", "--quiet", "--detach")


def _no_upstream(bench: Bench) -> None:
    bench.clone.git("branch", "--unset-upstream")


def _diverged(bench: Bench) -> None:
    bench.remote.commit({"sub/pipeline.py": "two\n"})
    bench.clone.commit({"mine.txt": "mine"})


def _rewritten(bench: Bench) -> None:
    bench.remote.rewrite({"sub/pipeline.py": "another history\n"})


def _dirty(bench: Bench) -> None:
    bench.remote.commit({"sub/pipeline.py": "two\n"})
    bench.clone.write("other.txt", "changed")


def _staged(bench: Bench) -> None:
    bench.remote.commit({"sub/pipeline.py": "two\n"})
    bench.clone.write("other.txt", "changed")
    bench.clone.git("add", "other.txt")


def _in_the_way(bench: Bench) -> None:
    bench.remote.commit({"new.txt": "theirs"})
    bench.clone.write("new.txt", "mine")


def _branch_gone(bench: Bench) -> None:
    bench.clone.git("config", "branch.main.merge", "refs/heads/nowhere")


def _remote_gone(bench: Bench) -> None:
    bench.remote.path.rename(bench.folder / "moved")


@pytest.mark.parametrize(("spoil", "reason"), [
    (_detached, "No branch is checked out"), (_no_upstream, "main in .* follows no branch"),
    (_diverged, "has commits of its own"), (_rewritten, "has commits of its own"),
    (_dirty, r"uncommitted changes, for example in other\.txt\."), (_staged, r"for example in other\.txt\."),
    (_in_the_way, "cannot be put into .*new.txt"), (_branch_gone, "does not know @{upstream}"),
    (_remote_gone, "There is no git repository at"),
])
def test_what_is_in_the_way_is_said(
    bench: Bench, spoil: Callable[[Bench], None], reason: str
) -> None:
    """At the look, before any item has been waited for; and nothing of the user's changes."""
    spoil(bench)
    head, files = bench.clone.head, bench.clone.git("status", "--porcelain")
    assert re.search(reason, bench.trouble())
    assert (bench.clone.head, bench.clone.git("status", "--porcelain")) == (head, files)


def test_no_checkout_at_all(bench: Bench) -> None:
    """A folder without git, and a file that somebody put into a checkout."""
    plain = bench.folder / "pipeline.py"
    plain.write_text("")
    assert "is not a git checkout" in bench.trouble(file=plain)
    loose = bench.clone.write("loose.py", "")
    assert "loose.py is not part of the git checkout" in bench.trouble(file=loose)
    assert top_folder(str(plain)) == ""
    assert top_folder(str(bench.file)) == str(bench.clone.path)


def test_remotes_that_ask_hang_or_are_not_there(bench: Bench) -> None:
    """No question is asked on the terminal, and nothing waits for ever."""
    with git_server(bench.folder) as server:
        bench.clone.git("remote", "set-url", "origin", server.url("remote"))
        assert bench.look() is None
        server.password = True
        assert "requires a user name and a password" in bench.trouble()
    with silent_server() as port:
        bench.clone.git("remote", "set-url", "origin", f"http://127.0.0.1:{port}/remote")
        assert "did not answer within 2 seconds" in bench.trouble(timeout=2.0)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        bench.clone.git("remote", "set-url", "origin",
                        f"http://127.0.0.1:{unused.getsockname()[1]}/remote")
        assert "cannot be reached" in bench.trouble()


def test_without_git(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "git cannot be started" in bench.trouble(PATH="/nonexistent")


def test_one_changes_the_checkout_at_a_time(bench: Bench) -> None:
    """The lock is held by whoever pulls; others wait, and say so in the end."""
    holder = subprocess.Popen(
        ["flock", str(bench.clone.path / ".git" / "run-pipeline.lock"), "sh", "-c",
         "echo held; read wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert "Another program has been updating" in bench.trouble(timeout=1.0)
    finally:
        holder.communicate("\n", timeout=30)
    assert bench.look() is None

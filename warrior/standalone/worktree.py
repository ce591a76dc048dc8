"""Updates a git checkout of the user's own: finds out whether its remote is newer, and pulls.

It only fast-forwards, and never touches a commit, a change or an untracked file of the user's.
Everything raises CheckoutError, with a sentence, if git does not allow it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net.endpoints import Endpoint
from warrior.checkout.git import LOOK_TIMEOUT, Git
from warrior.checkout.git_messages import error_lines, explain, shown
from warrior.checkout.versions import CheckoutError
from warrior.process.threads import in_thread, uninterrupted


@dataclasses.dataclass(frozen=True)
class Newer:
    """The commit that runs, and the newer one."""

    here: str
    there: str

    def __str__(self) -> str:
        return f"{self.here[:7]} to {self.there[:7]}"


def top_folder(path: str) -> str:
    """Return the checkout that contains the file; '' for none. Blocks briefly."""
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.exists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return ""
        folder = parent
    return folder


class Worktree:
    """The checkout that contains ``file``. ``timeout`` (seconds) limits a run of git that asks a
    remote; ``remote(url)`` returns the governor's endpoint for it, and ``on_held`` gets the reason
    while the remote may not be asked."""

    def __init__(
        self, git: Git, file: str, *, remote: Callable[[str], Endpoint],
        timeout: float = LOOK_TIMEOUT, on_held: Callable[[Waiting], object] = lambda waiting: None,
    ) -> None:
        self._git = git
        self._remote = remote
        self._on_held = on_held
        self._file = os.path.abspath(file)
        self._timeout = timeout
        self._folder = ""
        #: The commit that runs: what was checked out at the start.
        self._running = ""

    async def remember(self) -> None:
        """Remember the commit that is checked out, before the file is loaded. If that fails,
        :meth:`look` says why."""
        self._folder = await in_thread(top_folder, self._file)
        with contextlib.suppress(CheckoutError):
            self._running = await self._commit("HEAD") if self._folder else ""

    async def look(self) -> Newer | None:
        """Ask the remote; return None if nothing is newer than what runs."""
        self._folder = await in_thread(top_folder, self._file)
        if not self._folder:
            raise _trouble(f"{os.path.dirname(self._file)} is not a git checkout.")
        await self._check_file()
        self._running = self._running or await self._commit("HEAD")
        await self._fetch()
        here = await self._commit("HEAD")
        there = await self._commit("@{upstream}")
        if here == there or await self._true("merge-base", "--is-ancestor", there, here):
            # Another process that runs from this checkout, or a person, may have pulled.
            return None if here == self._running else Newer(self._running, here)
        if not await self._true("merge-base", "--is-ancestor", here, there):
            raise _trouble(f"The checkout {self._folder} has commits of its own, so a pull is not "
                           "possible.")
        changed = await self._say("status", "--porcelain", "--untracked-files=no",
                                  "--ignore-submodules=all")
        if changed:
            name = changed.splitlines()[0].strip().partition(" ")[2].strip()
            raise _trouble(f"The checkout {self._folder} has uncommitted changes, for example in "
                           f"{name}.")
        await self._must(self._not_put(), "read-tree", "-n", "-u", "-m", here, there)
        return Newer(here, there)

    async def pull(self, newer: Newer) -> None:
        """Update the files to what :meth:`look` found, completely or not at all."""
        async with self._alone():
            before = await self._commit("HEAD")
            if not await self._true("merge-base", "--is-ancestor", newer.there, before):
                await uninterrupted(self._must(
                    self._not_put(), "merge", "--ff-only", "--quiet", newer.there,
                    timeout=self._timeout))
            if not await in_thread(os.path.isfile, os.path.join(self._folder, ".gitmodules")):
                return
            try:
                await self._must(
                    "The submodules cannot be updated", "submodule", "--quiet", "update", "--init",
                    "--recursive", timeout=self._timeout)
            except BaseException:
                # A half-updated checkout would be worse than the old version.
                await uninterrupted(self._back_to(before))
                raise

    def _not_put(self) -> str:
        return f"The new version cannot be put into {self._folder}"

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Lock the checkout, so that only one process at a time changes it."""
        git_dir = os.path.join(self._folder, await self._say("rev-parse", "--git-dir"))
        descriptor = os.open(os.path.join(git_dir, "run-pipeline.lock"),
                             os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            ends = time.monotonic() + self._timeout
            while not _locked(descriptor):
                if time.monotonic() > ends:
                    raise _trouble(f"Another program has been updating {self._folder} for "
                                   f"{self._timeout:g} seconds.")
                await asyncio.sleep(0.1)
            yield
        finally:
            os.close(descriptor)

    async def _check_file(self) -> None:
        name = os.path.relpath(self._file, self._folder)
        ended = await self._git.run(self._folder, "ls-files", "--error-unmatch", "--", name)
        if "did not match any file" in ended.output:
            raise _trouble(f"{name} is not part of the git checkout {self._folder}.")
        if ended.returncode != 0:
            raise explain(ended.output, self._folder, self._folder)

    async def _fetch(self) -> None:
        branch = await self._say("symbolic-ref", "--quiet", "--short", "HEAD")
        if not branch:
            raise _trouble(f"No branch is checked out in {self._folder}, so there is nothing to "
                           "follow.")
        remote = await self._say("config", f"branch.{branch}.remote")
        if not remote:
            raise _trouble(f"The branch {branch} in {self._folder} follows no branch of a remote.")
        if remote == ".":
            return
        url = await self._say("config", f"remote.{remote}.url") or remote
        turn = await self._remote(url).turn(self._on_held)
        asked = False
        try:
            async with self._alone():
                asked = True
                ended = await self._git.run(
                    self._folder, "fetch", "--quiet", "--recurse-submodules=no", "--", remote,
                    timeout=self._timeout)
            if ended.timed_out:
                raise CheckoutError(
                    f"{shown(url)} did not answer within {self._timeout:g} seconds.", code="git",
                    reached=False)
            if ended.returncode != 0:
                raise explain(ended.output, url, self._folder)
            turn.succeeded()
        except CheckoutError as error:
            if asked:
                turn.refused(str(error), Fault.PROJECT, "git", answered=error.reached)
            raise
        finally:
            turn.abandoned()

    async def _back_to(self, commit: str) -> None:
        await self._git.run(self._folder, "reset", "--quiet", "--keep", commit)
        await self._git.run(self._folder, "submodule", "--quiet", "update", "--recursive",
                            timeout=self._timeout)

    async def _commit(self, name: str) -> str:
        return await self._must(
            f"git does not know {name} in {self._folder}", "rev-parse", "--verify",
            name + "^{commit}")

    async def _must(
        self, failure: str, *arguments: str, timeout: float = LOOK_TIMEOUT
    ) -> str:
        """Run git and return its output; if it fails, raise an error that begins with
        ``failure``."""
        ended = await self._git.run(self._folder, *arguments, timeout=timeout)
        if ended.timed_out:
            raise _trouble(f"{failure}: git did not finish within {timeout:g} seconds")
        if ended.returncode != 0:
            why = (error_lines(ended.output) or ["git does not say why"])[0]
            raise _trouble(f"{failure}: {why}")
        return ended.output.strip()

    async def _true(self, *arguments: str) -> bool:
        return (await self._git.run(self._folder, *arguments)).returncode == 0

    async def _say(self, *arguments: str) -> str:
        ended = await self._git.run(self._folder, *arguments)
        return ended.output.strip() if ended.returncode == 0 else ""


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _trouble(reason: str) -> CheckoutError:
    return CheckoutError(reason, code="git")

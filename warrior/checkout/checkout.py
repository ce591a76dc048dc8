"""Fetches the code of projects beside the running versions, and makes it ready.

Each version has a folder of its own, which never changes under running items. New code is cloned
or copied to a temporary folder, checked, renamed to its final path, installed there, and finally
recorded as ready. An error on the way raises CheckoutError and leaves the ready versions alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping

from pipeline_core.engine.child import RESOURCE_ERRORS, Children
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net.endpoints import SHORTEST_DELAY
from pipeline_core.net.governor import Governor
from warrior.checkout.data_folder import link_data
from warrior.checkout.git import Git
from warrior.checkout.git_messages import shown
from warrior.checkout.installer import INSTALLER, install
from warrior.checkout.sources import Source, source_of
from warrior.checkout.tree import remove_tree
from warrior.checkout.versions import AGAIN, VersionStore
from warrior.checkout.versions import CheckoutError as CheckoutError
from warrior.checkout.versions import Version as Version
from warrior.process.threads import in_thread
from warrior.projects.entry import NAME_RULE, Entry, is_project_name

logger = logging.getLogger(__name__)

#: Seconds between two requests to a remote, however often somebody clicks.
HURRY_PAUSE = 10.0

OnOutput = Callable[[str], object]


class Checkouts:
    """The versions of all projects, in ``<state_dir>/checkouts``.

    Times are in seconds. ``python`` is what ``python3`` means to an installer. Only one fetch of
    a project runs at a time; several projects may be fetched together.
    """

    def __init__(
        self,
        state_dir: str,
        data_dir: str,
        *,
        python: str = sys.executable,
        git_timeout: float = 600.0,
        install_timeout: float = 1800.0,
        environment: Mapping[str, str] | None = None,
        children: Children,
        governor: Governor | None = None,
    ) -> None:
        self._versions = VersionStore(os.path.join(state_dir, "checkouts"))
        self._data_dir = os.path.abspath(data_dir)
        self._python = python
        self._install_timeout = install_timeout
        self._environment = os.environ if environment is None else environment
        self._children = children
        self._git = Git(children, timeout=git_timeout, environment=self._environment)
        self._governor = governor or Governor()
        self._locks: dict[str, asyncio.Lock] = {}

    async def latest(
        self, entry: Entry, *, on_output: OnOutput, installer_may_fail: bool = False,
        on_held: Callable[[Waiting | None], object] = lambda waiting: None,
    ) -> Version:
        """Return the newest version of a project, ready to be loaded; fetch it if it is new.

        ``on_output`` gets the output of git and the installer. ``on_held`` gets the reason while
        the remote may not be asked, and None when it may. With ``installer_may_fail`` (somebody
        said so) a failing installer is only reported. Raises CheckoutError.
        """
        if not is_project_name(entry.name):
            raise CheckoutError(f"A project cannot be named {entry.name!r}: {NAME_RULE}.",
                                code="refused")
        async with self._lock(entry.name):
            try:
                version, ready = await self._ask_remote(entry, on_output, on_held)
                if not ready:
                    await self._make_ready(version, on_output, installer_may_fail)
            except OSError as error:
                raise _disk_error(error, self._versions.folder) from error
        return version

    def hurry(self, entry: Entry) -> None:
        """Ask the remote sooner than planned, because somebody wants the newest version now."""
        self._governor.repository(entry.repository).hurry(HURRY_PAUSE)

    def newest_ready(self, project: str, *, loaded: bool = False) -> Version | None:
        """Return the newest ready version, also one from before a restart; None if there is none.

        With ``loaded``, only versions passed to :meth:`mark_loaded` count. Reads a few small
        files.
        """
        with _logged("The versions of %s cannot be read", project):
            return self._versions.newest(project, loaded=loaded)
        return None

    async def ready_versions(self, wanted: Collection[tuple[str, str]]) -> list[Version]:
        """Return those of the ``(project, commit)`` that are ready."""
        def find() -> list[Version]:
            found = (self._versions.of_commit(*one) for one in wanted if is_project_name(one[0]))
            return [version for version in found if version is not None]

        with _logged("The versions in %s cannot be read", self._versions.folder):
            return await in_thread(find)
        return []

    async def mark_loaded(self, version: Version) -> None:
        """Record that this version could be loaded: :meth:`sweep` keeps the newest such one."""
        with _logged("The record of %s cannot be written", version.path):
            await in_thread(self._versions.mark_loaded, version)

    async def remove(self, version: Version) -> None:
        """Remove a version that nothing needs any more (its data folder stays)."""
        # If this fails, the version is no longer ready, so the next sweep tries again.
        with _logged("%s cannot be removed", version.path):
            await in_thread(self._versions.remove, version)

    async def sweep(self, keep: Collection[Version]) -> None:
        """Remove the half-made and old versions that a crash or an update left.

        Keep those in ``keep`` and, of each project, the newest ready version and the newest that
        could be loaded. Skip projects that are being fetched now.
        """
        with _logged("%s cannot be swept", self._versions.folder):
            for project in await in_thread(self._versions.projects):
                if not self._lock(project).locked():
                    async with self._lock(project):
                        for version in await in_thread(self._versions.leftovers, project, keep):
                            await self.remove(version)
                        await self._remove_incoming(project)

    # -- one project -----------------------------------------------------------
    async def _ask_remote(
        self, entry: Entry, on_output: OnOutput, on_held: Callable[[Waiting | None], object]
    ) -> tuple[Version, bool]:
        """Return the newest version, in its place, and whether it is ready already."""
        source = await in_thread(source_of, entry, self._git)
        if not source.remote:
            return await self._look_and_fetch(entry.name, source, on_output)
        endpoint = self._governor.repository(source.remote)
        # Even when all is well, clicks ask at most once a second.
        moment = Waiting("The repository has just been asked.", Fault.NOBODY,
                         endpoint.asked_at + SHORTEST_DELAY, "queue")
        turn = await endpoint.turn(on_held, own=moment)
        on_held(None)
        try:
            found = await self._look_and_fetch(entry.name, source, on_output)
            turn.succeeded()
            return found
        except CheckoutError as error:
            if error.code in ("git", "refused"):
                error.next_try = turn.refused(
                    str(error), Fault.PROJECT, "git", answered=error.reached,
                    silence=error.silence).next_try
            raise
        finally:
            turn.abandoned()

    async def _look_and_fetch(
        self, project: str, source: Source, on_output: OnOutput
    ) -> tuple[Version, bool]:
        incoming = await in_thread(self._versions.clear, project)
        commit = await source.look(self._versions.place(project))
        version = await in_thread(self._versions.find, project, commit, source.repository)
        if version is not None:
            return version, True
        try:
            old = await in_thread(self._versions.newest, project)
            commit = await source.fetch(incoming, old.path if old else "", on_output)
            # The branch may have moved since it was looked at.
            version = await in_thread(self._versions.find, project, commit, source.repository)
            if version is not None:
                return version, True
            if not await in_thread(os.path.lexists, os.path.join(incoming, INSTALLER)):
                await self._check(incoming, source.repository)
            return await in_thread(
                self._versions.put, project, commit, source.repository), False
        finally:
            await self._remove_incoming(project)

    async def _make_ready(self, version: Version, on_output: OnOutput, may_fail: bool) -> None:
        try:
            for remark in await in_thread(
                    link_data, version.path, self._data_dir, version.project):
                on_output(remark + "\n")
            try:
                await install(
                    self._children, version.path, python=self._python,
                    wrappers=os.path.join(self._versions.folder, ".python"),
                    environment=self._environment, timeout=self._install_timeout,
                    on_output=on_output)
            except CheckoutError as error:
                if not may_fail or error.code != "install":
                    raise
                on_output(f"{error} The project runs anyway, as you asked.\n")
            await self._check(version.path, version.project)
            await in_thread(self._versions.finish, version)
        except BaseException:
            await self.remove(version)
            raise

    async def _check(self, folder: str, whose: str) -> None:
        if not await in_thread(os.path.isfile, os.path.join(folder, "pipeline.py")):
            raise CheckoutError(
                f"There is no pipeline.py in {shown(whose)}, so it is not a project.",
                code="refused", advice="Its author has to put that file into its top folder.")

    async def _remove_incoming(self, project: str) -> None:
        path = self._versions.incoming(project)
        with _logged("%s cannot be removed", path):
            await in_thread(remove_tree, path)

    def _lock(self, project: str) -> asyncio.Lock:
        return self._locks.setdefault(project, asyncio.Lock())


@contextlib.contextmanager
def _logged(text: str, path: str) -> Iterator[None]:
    """Turn an OSError of the block into a warning in the log."""
    try:
        yield
    except OSError as error:
        logger.warning(f"{text}: %s", path, error)


def _disk_error(error: OSError, folder: str) -> CheckoutError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CheckoutError("The disk is full: there is no room for the project's code.",
                             code="disk", advice=f"Make room on the disk that holds {folder}. "
                             + AGAIN)
    if error.errno in RESOURCE_ERRORS:
        return CheckoutError(
            f"This machine is short of resources: {error.strerror}.", code="disk", advice=AGAIN)
    return CheckoutError(
        f"{error.filename or folder}: {error.strerror or error}.", code="disk",
        advice="Give the user that runs the warrior write access there. " + AGAIN)

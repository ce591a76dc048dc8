"""The code of projects: looked for, fetched beside what runs, and made ready.

A version is a folder of its own that never changes under running items. New code is
cloned (or copied) to a folder beside, checked, renamed to the path where it stays,
installed there, and last of all written down as ready. Whatever goes wrong on that way
raises CheckoutError and touches no version that is ready.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sys
from collections.abc import Callable, Collection, Mapping

from pipeline_core.engine.child import RESOURCE_ERRORS, Children
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net.endpoints import SHORTEST_DELAY
from pipeline_core.net.governor import Governor
from pipeline_core.net.turns import Turn
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

#: However often somebody clicks, a remote is asked no sooner than so many seconds after the
#: last time.
HURRY_PAUSE = 10.0

OnOutput = Callable[[str], object]


class Checkouts:
    """The versions of all projects, in ``<state_dir>/checkouts``.

    Times are in seconds. ``python`` is what ``python3`` means to an installer. One
    project's code is fetched once at a time; several projects may be fetched together.
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
        self._git_timeout = git_timeout
        self._install_timeout = install_timeout
        self._environment = os.environ if environment is None else environment
        self._children = children
        self._governor = governor or Governor()
        self._locks: dict[str, asyncio.Lock] = {}

    async def latest(
        self, entry: Entry, *, on_output: OnOutput, installer_may_fail: bool = False,
        on_held: Callable[[Waiting | None], object] = lambda waiting: None,
    ) -> Version:
        """The newest version of a project, ready to be loaded; an old one if nothing is new.

        ``on_output`` gets the text that git and the installer print, ``on_held`` the reason
        while the remote may not be asked, and None when it is. With
        ``installer_may_fail`` (a person said so) a failing installer is only shown. Raises
        CheckoutError.
        """
        if not is_project_name(entry.name):
            raise CheckoutError(f"A project may not be called {entry.name!r}: {NAME_RULE}.",
                                code="refused")
        async with self._lock(entry.name):
            try:
                return await self._latest(entry, on_output, installer_may_fail, on_held)
            except OSError as error:
                raise _disk_trouble(error, self._versions.folder) from error

    def hurry(self, entry: Entry) -> None:
        """Somebody wants the newest version now: ask the remote sooner than planned."""
        self._governor.repository(entry.repository).hurry(HURRY_PAUSE)

    def newest_ready(self, project: str, *, loaded: bool = False) -> Version | None:
        """What was ready last, also before a restart; None if nothing is.

        With ``loaded`` only versions count that :meth:`mark_loaded` was told of. Reads a
        few small files.
        """
        try:
            return self._versions.newest(project, loaded=loaded)
        except OSError as error:
            logger.warning("The versions of %s cannot be read: %s", project, error)
            return None

    async def ready_versions(self, wanted: Collection[tuple[str, str]]) -> list[Version]:
        """Those that are there of ``(project, commit)``."""
        def find() -> list[Version]:
            found = (self._versions.of_commit(*one) for one in wanted if is_project_name(one[0]))
            return [version for version in found if version is not None]

        try:
            return await in_thread(find)
        except OSError as error:
            logger.warning("The versions in %s cannot be read: %s", self._versions.folder, error)
            return []

    async def mark_loaded(self, version: Version) -> None:
        """This version could be loaded: :meth:`sweep` keeps the newest such one."""
        try:
            await in_thread(self._versions.mark_loaded, version)
        except OSError as error:
            logger.warning("The record of %s cannot be written: %s", version.path, error)

    async def remove(self, version: Version) -> None:
        """Remove a version that nothing needs any more (its data folder stays)."""
        try:
            await in_thread(self._versions.remove, version)
        except OSError as error:
            # It is not ready any more, so the next sweep tries again.
            logger.warning("%s cannot be removed: %s", version.path, error)

    async def sweep(self, keep: Collection[Version]) -> None:
        """Remove what a crash or an update left behind: half-made and old versions.

        Of each project the newest ready version and the newest that could be loaded
        stay, and all in ``keep``. A project that is being fetched now is left alone.
        """
        try:
            for project in await in_thread(self._versions.projects):
                if not self._lock(project).locked():
                    async with self._lock(project):
                        for version in await in_thread(self._versions.leftovers, project, keep):
                            await self.remove(version)
                        await self._remove_incoming(project)
        except OSError as error:
            logger.warning("%s cannot be swept: %s", self._versions.folder, error)

    # -- one project -----------------------------------------------------------
    async def _latest(
        self, entry: Entry, on_output: OnOutput, may_fail: bool,
        on_held: Callable[[Waiting | None], object],
    ) -> Version:
        source = await in_thread(source_of, entry, self._git())
        turn: Turn | None = None
        if source.remote:
            endpoint = self._governor.repository(source.remote)
            # Also where all is well, clicks ask no more than once a second.
            moment = Waiting("The repository has just been asked.", Fault.NOBODY,
                             endpoint.asked_at + SHORTEST_DELAY, "queue")
            turn = await endpoint.turn(on_held, own=moment)
            on_held(None)
        try:
            version, ready = await self._look_and_fetch(entry.name, source, on_output)
            if turn is not None:
                turn.succeeded()
        except CheckoutError as error:
            if turn is not None and error.code in ("git", "refused"):
                error.next_try = turn.refused(
                    str(error), Fault.PROJECT, "git", answered=error.reached,
                    silence=error.silence).next_try
            raise
        finally:
            if turn is not None:
                turn.abandoned()
        if ready:
            return version
        try:
            await self._make_ready(version, on_output, may_fail)
        except BaseException:
            await self.remove(version)
            raise
        return version

    async def _look_and_fetch(
        self, project: str, source: Source, on_output: OnOutput
    ) -> tuple[Version, bool]:
        """The newest version, in its place; whether it is ready already."""
        incoming = await in_thread(self._versions.clear, project)
        commit = await source.look(self._versions.place(project))
        version = await in_thread(self._versions.find, project, commit, source.repository)
        if version is not None:
            return version, True
        try:
            return await self._fetch(project, source, incoming, on_output)
        finally:
            await self._remove_incoming(project)

    async def _fetch(
        self, project: str, source: Source, incoming: str, on_output: OnOutput
    ) -> tuple[Version, bool]:
        """Bring the code beside, check it, put it in its place; whether it is ready already."""
        old = await in_thread(self._versions.newest, project)
        commit = await source.fetch(incoming, old.path if old else "", on_output)
        # It may have moved since it was looked at.
        found = await in_thread(self._versions.find, project, commit, source.repository)
        if found is not None:
            return found, True
        if not await in_thread(os.path.lexists, os.path.join(incoming, INSTALLER)):
            await self._check(incoming, source.repository)
        return await in_thread(self._versions.put, project, commit, source.repository), False

    async def _make_ready(self, version: Version, on_output: OnOutput, may_fail: bool) -> None:
        for remark in await in_thread(link_data, version.path, self._data_dir, version.project):
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

    async def _check(self, folder: str, whose: str) -> None:
        if not await in_thread(os.path.isfile, os.path.join(folder, "pipeline.py")):
            raise CheckoutError(
                f"There is no pipeline.py in {shown(whose)}, so it is not a project.",
                code="refused", advice="Its author has to put that file into its top folder.")

    async def _remove_incoming(self, project: str) -> None:
        path = self._versions.incoming(project)
        try:
            await in_thread(remove_tree, path)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", path, error)

    # -- what they share ---------------------------------------------------------
    def _lock(self, project: str) -> asyncio.Lock:
        return self._locks.setdefault(project, asyncio.Lock())

    def _git(self) -> Git:
        return Git(self._children, timeout=self._git_timeout, environment=self._environment)


def _disk_trouble(error: OSError, folder: str) -> CheckoutError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CheckoutError("The disk is full: there is no room for the project's code.",
                             code="disk", advice=f"Make room on the disk that holds {folder}. "
                             + AGAIN)
    if error.errno in RESOURCE_ERRORS:
        return CheckoutError(
            f"This machine is short of resources: {error.strerror}.", code="disk", advice=AGAIN)
    return CheckoutError(
        f"{error.filename or folder}: {error.strerror or error}.", code="disk",
        advice="The user that runs the warrior has to be able to write there. " + AGAIN)

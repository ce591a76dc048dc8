"""Keeps the code of one chosen project up to date: fetches it, loads it, and tries again.

If git fails or a new version does not load, the result is a :class:`Problem` to show; the version
that is loaded already continues.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pipeline_core.engine.loader import LoadedPipeline, LoadError
from pipeline_core.net.backoff import Backoff
from pipeline_core.requirements.needs import Needs
from warrior.checkout.checkout import CheckoutError
from warrior.daemon.view_models import Problem
from warrior.process.item_log import ItemLog

if TYPE_CHECKING:
    from pipeline_core.engine.waiting import Waiting
    from warrior.checkout.checkout import Checkouts, Version
    from warrior.projects.entry import Entry

logger = logging.getLogger(__name__)

#: Seconds between two checks for new code.
UPDATE_INTERVAL = 1800.0
#: Seconds between two checks triggered by a tracker that calls the code outdated (455).
OUTDATED_INTERVAL = 600.0
#: Seconds that a version on disk waits for a newer one before it is loaded.
HEAD_START = 15.0
#: Seconds after which loading is reported as a problem.
LOAD_TIME = 600.0
#: Bytes of memory for what fetching, installing and loading print.
LOG_KEPT = 128 * 1024
#: Seconds before a broken project is tried again, at first and at most.
FIRST_RETRY, LONGEST_RETRY = 60.0, 3600.0

Load = Callable[["Version", Callable[[str], object]], Awaitable[LoadedPipeline]]


@dataclasses.dataclass(frozen=True)
class LoadedVersion:
    """A version of a project's code that is loaded."""

    version: Version
    loaded: LoadedPipeline


class ProjectCode:
    """Call ``on_loaded(LoadedVersion)`` with each new version, ``on_change()`` with each new state.

    ``state`` is fetching, loading or '' (nothing to do until the next look).
    """

    def __init__(
        self,
        entry: Entry,
        checkouts: Checkouts,
        load: Load,
        on_loaded: Callable[[LoadedVersion], object],
        on_change: Callable[[], object],
    ) -> None:
        self.entry = entry
        self.state = ""
        self.problem: Problem | None = None
        self.current: LoadedVersion | None = None
        self._checkouts = checkouts
        self._load = load
        self._on_loaded = on_loaded
        self._on_change = on_change
        self._log = ItemLog(LOG_KEPT)
        self._wake = asyncio.Event()
        self._backoff = Backoff(FIRST_RETRY, factor=2.0, maximum=LONGEST_RETRY)
        self._installer_may_fail = False
        #: Whether a person has asked: what was missing may be installed now.
        self._asked = False
        self._looked = -OUTDATED_INTERVAL
        self._again: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        #: What the current version needs; known once the card has been viewed.
        self._needs = Needs()
        self._examination: asyncio.Task[None] | None = None

    # -- commands ------------------------------------------------------------------
    def start(self) -> None:
        """Start looking for code, also again after :meth:`close`."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    def close(self) -> None:
        """Stop looking. The caller closes what is loaded."""
        for running in (self._task, self._again):
            if running is not None:
                running.cancel()
        self._task = self._again = None
        self._forget_needs()
        self.state = ""

    def look(self, *, installer_may_fail: bool = False) -> None:
        """Check for new code now, and retry whatever failed."""
        self._installer_may_fail |= installer_may_fail
        self._asked = True
        self._checkouts.hurry(self.entry)
        self._backoff.reset()
        self._wake.set()

    def outdated(self) -> None:
        """Look for new code because the tracker calls ours outdated, at most every ten minutes."""
        if self._again is None and not self.state:
            delay = max(0.0, self._looked + OUTDATED_INTERVAL - time.monotonic())
            self._again = asyncio.get_running_loop().call_later(delay, self._wake.set)

    def examine(self) -> None:
        """Find out what the code will need later, because its card is being viewed.

        This parses the source, so it is done once for each version, and only for a viewed card.
        """
        if self._task is not None and self.current is not None and self._examination is None:
            self._examination = asyncio.get_running_loop().create_task(
                self._examine(self.current))

    def log(self) -> str:
        """Return the end of what fetching, installing and loading printed."""
        return self._log.text()

    # -- needs ---------------------------------------------------------------------
    async def _examine(self, version: LoadedVersion) -> None:
        self._needs = await version.loaded.needs()
        if self._needs.missing and self.problem is None:
            self.problem = self._lacking()
            self._on_change()

    def _forget_needs(self) -> None:
        if self._examination is not None:
            self._examination.cancel()
        self._examination = None
        self._needs = Needs()

    def _lacking(self) -> Problem | None:
        """Return what the code may lack later. The project runs anyway, as it may never need it."""
        if not self._needs.missing:
            return None
        return Problem(self._needs.reason, self._needs.advice, code="needs")

    # -- the work ------------------------------------------------------------------
    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            if self._again is not None:
                self._again.cancel()
                self._again = None
            self._looked = time.monotonic()
            try:
                await self._look_once()
            except CheckoutError as error:
                delay = self._fail(Problem(str(error), error.advice, "", error.output, error.code,
                                           error.next_try))
            except LoadError as error:
                delay = self._fail(Problem(str(error), error.advice, error.traceback,
                                           self.log()[-4000:],
                                           "needs" if error.needs.missing else "load"))
            except Exception as error:
                # An unexpected error must neither end the looking nor stay hidden.
                logger.exception("Looking for code of %s failed", self.entry.name)
                delay = self._fail(Problem(
                    f"Internal error of the warrior: {type(error).__name__}: {error}",
                    "Please report it. The warrior's log has details."))
            else:
                self.problem = self._lacking()
                self._backoff.reset()
                delay = UPDATE_INTERVAL * random.uniform(0.9, 1.1)
            self._installer_may_fail = False
            self._set("")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)

    def _fail(self, problem: Problem) -> float:
        """Show the problem; return the seconds until the next try."""
        self._show(problem)
        if problem.next_try is None:
            delay = self._backoff.next_delay()
        else:
            # The governor knows better: other projects may ask the same host.
            delay = max(0.0, problem.next_try - time.monotonic())
        self._backoff.grow()
        self.problem = dataclasses.replace(problem, next_try=time.monotonic() + delay)
        return delay

    def _show(self, problem: Problem) -> None:
        self._say(problem.reason)
        if problem != self.problem:
            logger.warning("%s: %s %s", self.entry.name, problem.reason, problem.advice)
        self.problem = problem

    def _say(self, text: str) -> None:
        self._log.append(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {text}\n")

    def _set(self, state: str) -> None:
        self.state = state
        self._on_change()

    async def _look_once(self) -> None:
        """Fetch the newest version, and load it if it is new. Raises CheckoutError, LoadError."""
        asked, self._asked = self._asked, False
        self._say(f"Checking {self.entry.repository} for {self.entry.name}'s code.")
        self._set("fetching")
        look = asyncio.ensure_future(self._checkouts.latest(
            self.entry, on_output=self._log.append, installer_may_fail=self._installer_may_fail,
            on_held=self._on_held))
        try:
            await self._load_what_is_ready(look)
            version = await look
        finally:
            look.cancel()
        if self.current is None or version != self.current.version or (
                asked and self._needs.missing):
            await self._load_version(version)

    def _on_held(self, waiting: Waiting | None) -> None:
        """The remote may not be asked now (None: it may again). The loaded version continues."""
        if waiting is None:
            if not self.state:
                self._set("fetching")
            return
        self.problem = Problem(waiting.reason, code="git", next_try=waiting.next_try)
        if self.state == "fetching":
            self.state = ""
        self._on_change()

    async def _load_what_is_ready(self, look: asyncio.Future[Version]) -> None:
        """Load the version on disk if the repository does not answer, or gives a broken one."""
        if self.current is not None:
            return
        ready = self._checkouts.newest_ready(self.entry.name, loaded=True)
        if ready is None:
            return
        await asyncio.wait({look}, timeout=HEAD_START)
        if look.done() and not look.exception() and look.result() == ready:
            return
        try:
            await self._load_version(ready)
        except LoadError as error:
            self._say(f"The version on disk cannot be loaded either: {error}")

    async def _load_version(self, version: Version) -> None:
        self._say(f"Loading version {version.short}.")
        self._set("loading")
        load = asyncio.ensure_future(self._load(version, self._log.append))
        try:
            done, _ = await asyncio.wait({load}, timeout=LOAD_TIME)
            if not done:
                # It is never loaded a second time beside this: its thread may return.
                self._show(Problem(
                    "The project's code has not finished loading after "
                    f"{LOAD_TIME / 60:.0f} minutes.", "It continues when the code returns. If it "
                    "never returns, restart the warrior.", output=self.log()[-4000:],
                    code="timeout"))
                self._on_change()
            loaded = await asyncio.shield(load)
        except asyncio.CancelledError:
            # Its thread cannot be stopped; when it returns, nobody wants the result any more.
            load.add_done_callback(_close_unwanted)
            raise
        self.problem = None
        self._forget_needs()
        self.current = LoadedVersion(version, loaded)
        self._say(f"Version {version.short} is loaded.")
        self._on_loaded(self.current)
        await self._checkouts.mark_loaded(version)


def _close_unwanted(load: asyncio.Future[LoadedPipeline]) -> None:
    if not load.cancelled() and load.exception() is None:
        load.result().close()

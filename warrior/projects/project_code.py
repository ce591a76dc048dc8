"""Keeps the code of one chosen project up to date: fetches it, loads it, tries again.

Trouble with git, or a new version that does not load, is a :class:`Problem` to show;
what is loaded already goes on.
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

if TYPE_CHECKING:
    from pipeline_core.engine.waiting import Waiting
    from warrior.checkout.checkout import Checkouts, Version
    from warrior.projects.entry import Entry

logger = logging.getLogger(__name__)

#: Seconds between two looks for new code.
UPDATE_INTERVAL = 1800.0
#: A tracker that calls the code too old makes us look at most so often.
OUTDATED_INTERVAL = 600.0
#: A code that is ready on disk waits so long for news before it is loaded.
HEAD_START = 15.0
#: Loading that takes longer is told as a problem.
LOAD_TIME = 600.0
#: Characters that are kept of what fetching, installing and loading print.
LOG_KEPT = 128 * 1024
#: The first and the longest delay before a broken project is tried again.
FIRST_RETRY, LONGEST_RETRY = 60.0, 3600.0

Load = Callable[["Version", Callable[[str], None]], Awaitable[LoadedPipeline]]


@dataclasses.dataclass(frozen=True)
class LoadedVersion:
    """One version of a project's code, loaded."""

    version: Version
    loaded: LoadedPipeline


class ProjectCode:
    """``on_loaded(LoadedVersion)`` brings each new version, ``on_change()`` each new state.

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
        self._log: list[str] = []
        self._log_size = 0
        self._wake = asyncio.Event()
        self._backoff = Backoff(FIRST_RETRY, factor=2.0, maximum=LONGEST_RETRY)
        self._installer_may_fail = False
        #: Whether a person has asked: what was missing may be here now.
        self._asked = False
        self._looked = -OUTDATED_INTERVAL
        self._again: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        #: What the current version needs, once somebody has looked at the card.
        self._needs = Needs()
        self._examination: asyncio.Task[None] | None = None

    # -- what it is told -----------------------------------------------------------
    def start(self) -> None:
        """Begin, or go on after :meth:`close`."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    def close(self) -> None:
        """Look no further; what is loaded is the caller's."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._forget_needs()
        self.state = ""

    def look(self, *, installer_may_fail: bool = False) -> None:
        """Look for new code, and try again what failed, now."""
        self._installer_may_fail |= installer_may_fail
        self._asked = True
        self._checkouts.hurry(self.entry)
        self._backoff.reset()
        self._wake.set()

    def outdated(self) -> None:
        """The tracker says that the code is too old: look, at most every ten minutes."""
        if self._again is not None or self.state:
            return
        delay = max(0.0, self._looked + OUTDATED_INTERVAL - time.monotonic())
        self._again = asyncio.get_running_loop().call_later(delay, self._look_again)

    def _look_again(self) -> None:
        self._again = None
        self._wake.set()

    def examine(self) -> None:
        """Somebody looks at the card: find out what the code will need later.

        Reading the source takes time, so this is done once for each version, and not at all
        while nobody looks.
        """
        if self._task is not None and self.current is not None and self._examination is None:
            self._examination = asyncio.get_running_loop().create_task(
                self._examine(self.current))

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

    # -- what it tells -------------------------------------------------------------
    def log(self) -> str:
        """What fetching, installing and loading printed last."""
        return "".join(self._log)

    def _print(self, text: str) -> None:
        self._log.append(text)
        self._log_size += len(text)
        while self._log_size > LOG_KEPT and len(self._log) > 1:
            self._log_size -= len(self._log.pop(0))

    def _say(self, text: str) -> None:
        self._print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {text}\n")

    def _set(self, state: str) -> None:
        self.state = state
        self._on_change()

    # -- the work ------------------------------------------------------------------
    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            self._looked = time.monotonic()
            try:
                fine = await self._look_once()
            except CheckoutError as error:
                fine = False
                self._fail(Problem(str(error), error.advice, "", error.output, error.code,
                                   error.next_try))
            except LoadError as error:
                fine = False
                self._fail(Problem(str(error), error.advice, error.traceback,
                                   self.log()[-4000:],
                                   "needs" if error.needs.missing else "load"))
            except Exception as error:
                # What we have not thought of must not end the looking, nor hide.
                fine = False
                logger.exception("Looking for code of %s failed", self.entry.name)
                self._fail(Problem(f"Internal error of the warrior: {type(error).__name__}: "
                                   f"{error}", "Please report it. The warrior's log has details."))
            await self._rest(fine)

    async def _rest(self, fine: bool) -> None:
        if fine:
            self.problem = self._lacking()
            self._backoff.reset()
            delay = UPDATE_INTERVAL * random.uniform(0.9, 1.1)
        else:
            assert self.problem is not None
            delay = self._backoff.next_delay()
            if self.problem.next_try is not None:
                # The governor knows better: other projects may ask the same host.
                delay = max(0.0, self.problem.next_try - time.monotonic())
            self._backoff.grow()
            self.problem = dataclasses.replace(self.problem, next_try=time.monotonic() + delay)
        self._installer_may_fail = False
        self._set("")
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), delay)

    def _lacking(self) -> Problem | None:
        """What the loaded code will miss later; it runs, as it may never come to that."""
        if not self._needs.missing:
            return None
        return Problem(self._needs.reason, self._needs.advice, code="needs")

    def _fail(self, problem: Problem) -> None:
        self._say(problem.reason)
        if problem != self.problem:
            logger.warning("%s: %s %s", self.entry.name, problem.reason, problem.advice)
        self.problem = problem

    async def _look_once(self) -> bool:
        """Fetch, and load what is new. Raises CheckoutError or LoadError."""
        asked, self._asked = self._asked, False
        self._say(f"Looking for the code of {self.entry.name} at {self.entry.repository}.")
        self._set("fetching")
        look = asyncio.ensure_future(self._checkouts.latest(
            self.entry, on_output=self._print, installer_may_fail=self._installer_may_fail,
            on_held=self._held))
        try:
            await self._load_what_is_ready(look)
            version = await look
        finally:
            look.cancel()
        if self.current is None or version != self.current.version or (
                asked and self._needs.missing):
            await self._load_version(version)
        return True

    def _held(self, waiting: Waiting | None) -> None:
        """The remote may not be asked now (None: it may again); what is loaded goes on."""
        if waiting is None:
            if not self.state:
                self._set("fetching")
            return
        self.problem = Problem(waiting.reason, code="git", next_try=waiting.next_try)
        if self.state == "fetching":
            self.state = ""
        self._on_change()

    async def _load_what_is_ready(self, look: asyncio.Future[Version]) -> None:
        """Do not idle while the repository does not answer, or gives what does not run."""
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
        load = asyncio.ensure_future(self._load(version, self._print))
        try:
            await self._wait_for(load)
            loaded = load.result()
        except asyncio.CancelledError:
            # Its thread cannot be stopped; when it returns, nobody wants it any more.
            load.add_done_callback(_close_unwanted)
            raise
        self.problem = None
        self._forget_needs()
        self.current = LoadedVersion(version, loaded)
        self._say(f"Version {version.short} is loaded.")
        self._on_loaded(self.current)
        await self._checkouts.mark_loaded(version)

    async def _wait_for(self, load: asyncio.Future[LoadedPipeline]) -> None:
        done, _ = await asyncio.wait({load}, timeout=LOAD_TIME)
        if done:
            return
        # Never loaded a second time beside the first: its thread may come back.
        self._fail(Problem(
            f"The project's code has not finished loading after {LOAD_TIME / 60:.0f} minutes.",
            "It continues when the code returns. If it never returns, restart the warrior.",
            output=self.log()[-4000:], code="timeout"))
        self._on_change()
        await asyncio.wait({load})


def _close_unwanted(load: asyncio.Future[LoadedPipeline]) -> None:
    if not load.cancelled() and load.exception() is None:
        close_loaded(load.result())


def close_loaded(loaded: LoadedPipeline) -> None:
    """Let a loaded pipeline go; end what its children left."""
    loaded.worker.children.kill_all()
    loaded.worker.children.close()
    loaded.close()

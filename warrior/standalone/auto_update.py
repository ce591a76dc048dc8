"""run-pipeline --auto-update: pulls newer code when the items at work are done.

If git fails, a sentence says so, and the running version continues.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline_core.engine.child import Children
from warrior.checkout.git import Git
from warrior.checkout.versions import CheckoutError
from warrior.daemon import sentence
from warrior.standalone.worktree import Newer, Worktree

if TYPE_CHECKING:
    from pipeline_core.engine.waiting import Waiting
    from pipeline_core.item import Item
    from pipeline_core.runner import Runner

logger = logging.getLogger(__name__)

#: Seconds between two looks because a tracker calls the code outdated.
OUTDATED_INTERVAL = 600.0
#: Seconds that git may take to ask a remote.
GIT_TIMEOUT = 300.0


class AutoUpdate:
    """Looks for newer code, waits for the items, pulls, and calls ``restart()``. Used on the loop.

    ``say(line)`` gets each piece of news once; ``on_note()`` follows each change of ``note``, the
    sentence for the page. Intervals and time-outs are in seconds.
    """

    def __init__(
        self,
        pipeline_file: str,
        runner: Runner,
        *,
        interval: float,
        environment: Mapping[str, str],
        say: Callable[[str], object],
        on_note: Callable[[], object],
        restart: Callable[[], object],
        outdated_interval: float = OUTDATED_INTERVAL,
    ) -> None:
        self.note = ""
        self._children = Children(asyncio.get_running_loop())
        git = Git(self._children, timeout=GIT_TIMEOUT, environment=environment)
        self._worktree = Worktree(
            git, pipeline_file, timeout=GIT_TIMEOUT,
            remote=lambda url: runner.governor.repository(url, min(60.0, interval)),
            on_held=lambda waiting: self._failed(waiting.reason))
        self._runner = runner
        self._interval = interval
        self._outdated_interval = min(outdated_interval, interval)
        self._say = say
        self._on_note = on_note
        self._restart = restart
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._looked = 0.0
        self._failure = ""
        self._again: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        runner.on_create_item += self._watch
        runner.on_pipeline_finish_item += lambda *args: self._changed.set()
        runner.on_status += lambda *args: self._changed.set()

    async def remember(self) -> None:
        """Remember what is checked out now, because it is about to be loaded."""
        await self._worktree.remember()

    def start(self) -> None:
        """Look now, and then at each interval."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Stop looking, and undo what is half done."""
        if self._again is not None:
            self._again.cancel()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._children.close()

    def _watch(self, runner: Runner, item: Item) -> None:
        item.on_waiting += self._waiting

    def _waiting(self, item: Item, waiting: Waiting | None) -> None:
        """Look, at most every ten minutes, if the tracker calls the code outdated."""
        if waiting is not None and waiting.code == "outdated" and self._again is None:
            delay = max(0.0, self._looked + self._outdated_interval - time.monotonic())
            self._again = asyncio.get_running_loop().call_later(delay, self._look_again)

    def _look_again(self) -> None:
        self._again = None
        self._wake.set()

    # -- the work ------------------------------------------------------------------
    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            self._looked = time.monotonic()
            try:
                newer = await self._worktree.look()
                if newer is None:
                    if self._failure:
                        self._failure = ""
                        self._tell("", "Looking for updates works again.")
                elif await self._take(newer):
                    self._tell("", f"Updated from {newer}. Restarting.")
                    self._restart()
                    return
            except (CheckoutError, OSError) as error:
                self._failed(str(error))
            except Exception as error:
                # An unexpected error must neither end the looking nor stay hidden.
                logger.exception("Looking for an update failed")
                self._failed(f"{type(error).__name__}: {error}")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(
                    self._wake.wait(), self._interval * random.uniform(0.95, 1.05))

    async def _take(self, newer: Newer) -> bool:
        """Let the items finish, then pull. Return False if the run ends anyway."""
        runner, pulled = self._runner, False
        slots, limit, pipeline = (
            runner.concurrent_items, runner.max_items, runner.current_pipeline)
        # Not Runner.stop_gracefully(): if the pull fails, the run continues as before. Without
        # the limit, an item that ends now does not end the run.
        runner.max_items = None
        runner.concurrent_items = 0
        if pipeline is not None:
            pipeline.request_stop()
        try:
            await self._items_done()
            ended = runner.counts["completed"] + runner.counts["failed"]
            if not runner.stopping and (limit is None or ended < limit):
                await self._worktree.pull(newer)
                pulled = True
        finally:
            if not pulled:
                if pipeline is not None and not runner.stopping:
                    pipeline.cancel_stop()
                runner.max_items = limit
                runner.concurrent_items = slots
        return pulled

    async def _items_done(self) -> None:
        first = True
        while self._runner.active_items and not self._runner.stopping:
            self._changed.clear()
            left = len(self._runner.active_items)
            note = (f"An update is available. Restarting when {sentence.items(left)} "
                    f"{'is' if left == 1 else 'are'} done.")
            self._tell(note, note if first else "")
            first = False
            await self._changed.wait()

    # -- news ------------------------------------------------------------------------
    def _failed(self, reason: str) -> None:
        line = f"The update failed: {reason} The current version keeps running."
        self._tell(line, "" if line == self._failure else line)
        self._failure = line

    def _tell(self, note: str, line: str) -> None:
        if line:
            self._say(" ".join(line.split()))
        if note != self.note:
            self.note = note
            self._on_note()

"""run-pipeline --auto-update: newer code is pulled when the items at work are done.

Whatever is wrong with git is said, and the running version goes on.
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
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.runner import Runner

logger = logging.getLogger(__name__)

#: A tracker that calls the code too old makes us look at most so often, in seconds.
OUTDATED_INTERVAL = 600.0
#: Seconds for one run of git that asks a remote.
GIT_TIMEOUT = 300.0


class AutoUpdate:
    """Looks, waits for the items, pulls, and calls ``restart()``. On the loop.

    ``say(line)`` gets each piece of news once, ``on_note()`` is called when ``note`` (the
    sentence for the page) has changed. Intervals and time-outs are in seconds.
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
        git_timeout: float = GIT_TIMEOUT,
    ) -> None:
        self.note = ""
        self._children = Children(asyncio.get_running_loop())
        git = Git(self._children, timeout=git_timeout, environment=environment)
        self._worktree = Worktree(
            git, pipeline_file, timeout=git_timeout,
            remote=lambda url: runner.governor.repository(url, min(60.0, interval)),
            on_held=lambda waiting: self._in_trouble(waiting.reason))
        self._runner = runner
        self._interval = interval
        self._outdated_interval = min(outdated_interval, interval)
        self._say = say
        self._on_note = on_note
        self._restart = restart
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._looked = 0.0
        self._said = ""
        self._again: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        runner.on_create_item += self._watch
        runner.on_pipeline_finish_item += self._item_finished
        runner.on_status += self._status_changed

    # -- what it is told -----------------------------------------------------------
    async def remember(self) -> None:
        """What is checked out now is about to be loaded."""
        await self._worktree.remember()

    def start(self) -> None:
        """Look now, and again and again."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Stop looking; what is half done is taken back."""
        if self._again is not None:
            self._again.cancel()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._children.close()

    def outdated(self) -> None:
        """The tracker says that the code is too old: look, at most every ten minutes."""
        if self._again is None:
            delay = max(0.0, self._looked + self._outdated_interval - time.monotonic())
            self._again = asyncio.get_running_loop().call_later(delay, self._look_again)

    def _look_again(self) -> None:
        self._again = None
        self._wake.set()

    def _watch(self, runner: Runner, item: Item) -> None:
        item.on_waiting += self._waiting

    def _waiting(self, item: Item, waiting: Waiting | None) -> None:
        if waiting is not None and waiting.code == "outdated":
            self.outdated()

    def _item_finished(self, runner: Runner, pipeline: Pipeline, item: Item) -> None:
        self._changed.set()

    def _status_changed(self, runner: Runner, status: str) -> None:
        self._changed.set()

    # -- the work ------------------------------------------------------------------
    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            self._looked = time.monotonic()
            try:
                newer = await self._worktree.look()
                if newer is None:
                    self._all_is_well()
                elif await self._take(newer):
                    self._tell("", f"Updated from {newer}. Restarting.")
                    self._restart()
                    return
            except (CheckoutError, OSError) as error:
                self._in_trouble(str(error))
            except Exception as error:
                # What we have not thought of must not end the looking, nor hide.
                logger.exception("Looking for an update failed")
                self._in_trouble(f"{type(error).__name__}: {error}")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(
                    self._wake.wait(), self._interval * random.uniform(0.95, 1.05))

    async def _take(self, newer: Newer) -> bool:
        """Let the items finish, and pull; False when it ends anyway."""
        hold = _Hold(self._runner)
        try:
            await self._items_done(newer)
            if not self._runner.stopping and not hold.nothing_left():
                await self._worktree.pull(newer)
                return True
        except BaseException:
            hold.release()
            raise
        hold.release()
        return False

    async def _items_done(self, newer: Newer) -> None:
        first = True
        while self._runner.active_items and not self._runner.stopping:
            self._changed.clear()
            left = len(self._runner.active_items)
            note = (f"An update is available. Restarting when {sentence.items(left)} "
                    f"{'is' if left == 1 else 'are'} done.")
            self._tell(note, note if first else "")
            first = False
            await self._changed.wait()

    # -- what is said ----------------------------------------------------------------
    def _all_is_well(self) -> None:
        if self._said:
            self._said = ""
            self._tell("", "Looking for updates works again.")

    def _in_trouble(self, reason: str) -> None:
        line = f"The update failed: {reason} The current version keeps running."
        self._tell(line, "" if line == self._said else line)
        self._said = line

    def _tell(self, note: str, line: str) -> None:
        if line:
            self._say(" ".join(line.split()))
        if note != self.note:
            self.note = note
            self._on_note()


class _Hold:
    """Keeps a runner from starting items. Not Runner.stop_gracefully(): where the pull fails, it
    goes on as if nothing had been."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._slots = runner.concurrent_items
        self._limit = runner.max_items
        self._pipeline = runner.current_pipeline
        # What ends now must not end the run.
        runner.max_items = None
        runner.concurrent_items = 0
        if self._pipeline is not None:
            self._pipeline.request_stop()

    def nothing_left(self) -> bool:
        """Whether all items that were asked for are done."""
        counts = self._runner.counts
        return self._limit is not None and counts["completed"] + counts["failed"] >= self._limit

    def release(self) -> None:
        """Go on."""
        if self._pipeline is not None and not self._runner.stopping:
            self._pipeline.cancel_stop()
        self._runner.max_items = self._limit
        self._runner.concurrent_items = self._slots

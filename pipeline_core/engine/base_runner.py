"""The runner: keeps a set number of items at work until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Coroutine
from typing import Any

from pipeline_core.engine.item_scope import ITEM_KILL_DELAY
from pipeline_core.engine.project_worker import ProjectWorker
from pipeline_core.engine.resting_slots import RestingSlots
from pipeline_core.engine.stop_file import StopFile
from pipeline_core.engine.waiting import STARTING, Fault, Waiting
from pipeline_core.engine.worker_thread import WorkerThread, this_loop
from pipeline_core.event import Event
from pipeline_core.item import Item
from pipeline_core.net.backoff import Backoff
from pipeline_core.net.governor import Governor
from pipeline_core.pipeline import Pipeline
from pipeline_core.util import unique_id_str

logger = logging.getLogger(__name__)

#: Seconds that the handlers of ``on_cleanup`` may take.
CLEANUP_TIME = 10.0

#: Seconds that the handlers of the last item may take when ``on_cleanup`` has no handlers; also the
#: time for the handlers of each item after a hard stop.
LAST_HANDLERS_TIME = 1.0


class Runner:
    """Creates items and sends them through the current pipeline.

    ``concurrent_items`` may be set at any time. ``max_items`` limits how many items are started
    (None: no limit); items that only waited do not count. Touching ``stop_file`` stops
    gracefully; a stop file that exists at the start does not. Events:
    ``on_create_item(runner, item)``, ``on_pipeline_start_item`` and
    ``on_pipeline_finish_item(runner, pipeline, item)``, ``on_status(runner, status)``,
    ``on_finish(runner)``. Item ids, and so the names of item folders, start with
    ``item_prefix``, or with a unique name. A handler that raises ends the item of its event;
    the runner itself continues.
    """

    #: Seconds that a slot rests after a failed item.
    FAILED_ITEM_DELAY: float = 10.0

    def __init__(
        self,
        stop_file: str | None = None,
        concurrent_items: int = 1,
        max_items: int | None = None,
        keep_data: bool = False,
        *,
        item_prefix: str = "",
        governor: Governor | None = None,
    ) -> None:
        self.stop_file = None if stop_file is None else os.path.abspath(stop_file)
        self._stop_file = (
            None if stop_file is None else StopFile(stop_file, self.stop_gracefully))
        self._concurrent_items = int(concurrent_items)
        self.max_items = None if max_items is None else int(max_items)
        self.keep_data = keep_data
        #: Spaces the requests of all its items.
        self.governor = Governor() if governor is None else governor
        self._item_prefix = item_prefix
        self.item_count = 0
        self.active_items: set[Item] = set()
        self.current_pipeline: Pipeline | None = None
        self.counts = {"completed": 0, "failed": 0, "canceled": 0}
        #: Items that were cancelled before they had any work; not in the counts.
        self.only_waited = 0
        self.status = "idle"
        #: Why no item can be started although a slot is free; None when items can start.
        self.waiting: Waiting | None = None
        #: Reasons not to start items, by their source; see :meth:`hold`.
        self.holds: dict[str, Waiting] = {}
        #: The active items that are sealed; they no longer hold a slot.
        self.uploading: set[Item] = set()
        self.on_create_item = Event()
        self.on_pipeline_start_item = Event()
        self.on_pipeline_finish_item = Event()
        self.on_status = Event()
        self.on_finish = Event()
        #: ``(runner, item)``: the item is sealed, and its slot is free.
        self.on_seal_item = Event()
        #: The loop of the thread that calls :meth:`start`.
        self._loop: asyncio.AbstractEventLoop
        self._running = False
        self._stopping = False
        #: The slots that rest after a failed item.
        self.resting = RestingSlots()
        self._filling = False
        self._trouble = Backoff(2.0, factor=2.0)
        self._disk: WorkerThread | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        #: Set by a hard stop, which does not wait for the project's handlers.
        self._hurried = asyncio.Event()

    # -- control ---------------------------------------------------------------
    def set_current_pipeline(self, pipeline: Pipeline | None) -> None:
        """Send new items through this pipeline; items at work stay in their own."""
        self.current_pipeline = pipeline
        if pipeline is not None:
            pipeline.on_seal_item += self._item_sealed
            if self._running:
                self._adopt(pipeline)
                self._fill_soon()

    @property
    def concurrent_items(self) -> int:
        """The number of slots: how many items may be at work at once."""
        return self._concurrent_items

    @concurrent_items.setter
    def concurrent_items(self, number: int) -> None:
        self._concurrent_items = int(number)
        self._fill_soon()

    def start(self) -> None:
        """Start items, as soon as the loop of this thread runs."""
        if self._running:
            return
        self._running = True
        self._loop = this_loop()
        self._disk = WorkerThread("item folders", self._loop)
        if self.current_pipeline is not None:
            self._adopt(self.current_pipeline)
        if self._stop_file is not None:
            self._stop_file.watch()
        self._set_status("stopping" if self._stopping else "running")
        self._fill_soon()

    def stop_gracefully(self) -> None:
        """Start no new items. Items that only wait end now, the others finish."""
        if self._stopping:
            return
        self._stopping = True
        self._set_status("stopping")
        for pipeline in self._pipelines():
            pipeline.request_stop()
        self._fill_soon()

    def keep_running(self) -> None:
        """Take back :meth:`stop_gracefully`."""
        if not self._stopping or self.status == "stopped":
            return
        self._stopping = False
        self._hurried.clear()
        for pipeline in self._pipelines():
            pipeline.cancel_stop()
        self._set_status("running")
        self._fill_soon()

    def stop_now(self, kill_after: float = ITEM_KILL_DELAY) -> None:
        """End every item now. Children get ``kill_after`` seconds between TERM and KILL."""
        self.stop_gracefully()
        self._hurried.set()
        for item in list(self.active_items):
            item.scope.hurry(kill_after)
            if not item.scope.ending:
                item.log_output("Stopped: the item is abandoned.")
                item.cancel()

    @property
    def may_resume(self) -> bool:
        """Whether :meth:`resume_item` may be called: the runner is started and not stopping."""
        return self._running and not self._stopping

    @property
    def held(self) -> Waiting | None:
        """Why no item may be started; None when items may start."""
        return next(iter(self.holds.values()), None)

    def hold(self, why: Waiting | None, source: str) -> None:
        """Start no items while ``source`` gives a reason (``why``); None ends the hold."""
        self.holds.pop(source, None)
        if why is not None:
            self.holds[source] = why
        self._tell_status()
        self._fill_soon()

    def resume_item(self, item: Item, position: int) -> None:
        """Work on an item that an earlier process has sealed. It needs no slot, and does not
        count towards ``max_items``."""
        self._adopt(item.pipeline)
        item.pipeline.on_seal_item += self._item_sealed
        self.active_items.add(item)
        self.uploading.add(item)
        self._spawn(self._resume(item, position))

    # -- state -------------------------------------------------------------------
    def is_active(self) -> bool:
        """Whether items are at work."""
        return bool(self.active_items)

    def not_working(self) -> list[Waiting]:
        """Return why active items do nothing now: they wait, or have no work yet."""
        reasons = (item.waiting or item.idle for item in self.active_items)
        return [why for why in reasons if why is not None]

    @property
    def working(self) -> int:
        """How many items hold a slot: the active items that are not sealed."""
        return len(self.active_items) - len(self.uploading)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def _set_status(self, status: str) -> None:
        if status != self.status:
            self.status = status
            self._tell_status()

    def _tell_status(self) -> None:
        self._tell("on_status", self.status)

    def _tell(self, name: str, *args: Any) -> None:
        """Fire an event that belongs to no item; log what its handlers raise."""
        try:
            getattr(self, name)(self, *args)
        except Exception:
            logger.exception("A handler of %s failed", name)

    def _pipelines(self) -> set[Pipeline]:
        pipelines: set[Pipeline] = {item.pipeline for item in self.active_items}
        if self.current_pipeline is not None:
            pipelines.add(self.current_pipeline)
        return pipelines

    # -- starting items ----------------------------------------------------------
    def _adopt(self, pipeline: Pipeline) -> None:
        """Give the pipeline this runner's governor, and a worker unless its loader has."""
        pipeline.governor = self.governor
        if pipeline.worker is None:
            name = getattr(pipeline.project, "title", None) or "pipeline"
            pipeline.worker = ProjectWorker(f"worker of {name}", pipeline.cwd, self._loop)

    def _room(self) -> int:
        if (not self._running or self._stopping or self.held is not None
                or self.current_pipeline is None):
            return 0
        room = self._concurrent_items - self.working - len(self.resting)
        if self.max_items is not None:
            room = min(room, self._most_items() - self.item_count)
        return max(room, 0)

    def _most_items(self) -> int:
        """How many items may be started under ``max_items``; items that only waited are extra."""
        return (self.max_items or 0) + self.only_waited

    def _fill_soon(self) -> None:
        # One round per turn of the loop: items that end at once must not starve other
        # callbacks.
        if self._running and not self._filling:
            self._filling = True
            self._loop.call_soon(self._fill)

    def _fill(self) -> None:
        self._filling = False
        if self.waiting is None:
            for _ in range(self._room()):
                self._start_item()
        if not self.active_items and (
                self._stopping or (self.max_items is not None
                                   and self.item_count >= self._most_items())):
            self._finish()

    def _start_item(self) -> None:
        pipeline = self.current_pipeline
        assert pipeline is not None
        self.item_count += 1
        prefix = self._item_prefix or unique_id_str()
        item = Item(pipeline, f"{prefix}-{self.item_count}", self.item_count,
                    keep_data=self.keep_data, prepare_data_directory=False)
        item.idle = STARTING
        self.active_items.add(item)
        self._spawn(self._work_on(item))

    async def _work_on(self, item: Item) -> None:
        """Take an item from the creation of its folder to the removal of the folder."""
        assert self._disk is not None
        try:
            await self._disk.run(item.prepare_data_directory)
        except Exception as error:
            self.active_items.discard(item)
            self.item_count -= 1
            self._cannot_start(error)
            return
        self.waiting = None
        self._trouble.reset()
        if self._stopping and not item.finished:
            item.may_be_canceled = True  # the item has not asked the tracker for work yet
            item.cancel()
        if not item.finished and self._announce(item):
            item.pipeline.enqueue(item)
            await item.scope.has_closed()
        await self._put_away(item)

    async def _resume(self, item: Item, position: int) -> None:
        if self._announce(item):
            item.pipeline.resume_item(item, position)
            await item.scope.has_closed()
        await self._put_away(item)

    def _announce(self, item: Item) -> bool:
        """Fire the events of an item that is about to start. Return False when a handler has
        ended the item."""
        for name, args in (("on_create_item", (self, item)),
                           ("on_pipeline_start_item", (self, item.pipeline, item))):
            self._tell_of(item, name, *args)
            if item.scope.ending:
                return False
        return True

    async def _put_away(self, item: Item) -> None:
        """After an item's end, remove its folder, count it, and free its slot."""
        assert self._disk is not None
        if item.failed:
            self._rest()
        sealer = item.pipeline.sealer if item.seal is not None else None
        # Nothing of a sealed item is removed before the item is reported.
        if sealer is None or not sealer.ended(item):
            await self._handlers_returned(item)
            try:
                # The slot becomes free only when the folder is gone, so folders cannot pile up.
                if sealer is not None:
                    await self._disk.run(sealer.clear, item)
                else:
                    await self._disk.run(item.clear_data_directory)
            except Exception as error:
                item.log_output(f"Warning: the item's folder could not be removed: {error}")
                logger.warning("The folder of %s could not be removed: %s", item, error)
            if sealer is not None:
                sealer.gone(item)
        self.active_items.discard(item)
        self.uploading.discard(item)
        if item.only_waited:
            self.only_waited += 1
        else:
            self.counts[item.item_state] += 1
        self._tell_of(item, "on_pipeline_finish_item", self, item.pipeline, item)
        self._fill_soon()

    async def _handlers_returned(self, item: Item) -> None:
        """Wait for the project's handlers, which may read the folder. After a hard stop, wait
        only for a short time."""
        if not item.scope.awaits_handlers:
            return
        returned = asyncio.ensure_future(item.scope.handlers_returned())
        hurried = asyncio.ensure_future(self._hurried.wait())
        await asyncio.wait({returned, hurried}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({returned}, timeout=LAST_HANDLERS_TIME)
        hurried.cancel()
        returned.cancel()

    def _tell_of(self, item: Item, name: str, *args: Any) -> None:
        """Fire an event of an item; a handler that raises fails the item unless it has ended."""
        try:
            getattr(self, name)(*args)
        except Exception as error:
            logger.error("A handler of %s failed for %s: %s: %s", name, item,
                         type(error).__name__, error)
            item.crash(error)

    def _cannot_start(self, error: BaseException) -> None:
        if self.waiting is None:
            delay = self._trouble.next_delay()
            self._trouble.grow()
            reason = f"The folder for a new item cannot be created: {error}"
            logger.error("%s Trying again in %.0f s.", reason, delay)
            self.waiting = Waiting(reason, Fault.MACHINE, time.monotonic() + delay, "resources")
            self._tell_status()
            self._later(delay, self._try_again)
        self._fill_soon()

    def _try_again(self) -> None:
        self.waiting = None
        self._tell_status()
        self._fill_soon()

    def _item_sealed(self, item: Item) -> None:
        if item in self.active_items:
            self.uploading.add(item)
            self._tell("on_seal_item", item)
            self._fill_soon()

    def _rest(self) -> None:
        delay = float(self.FAILED_ITEM_DELAY)
        self.resting.add(delay)
        self._later(delay + 0.01, self._fill_soon)

    # -- the end -----------------------------------------------------------------
    def _finish(self) -> None:
        if self._running and self.status != "stopped":
            self._running = False
            self._cancel_timers()
            self._spawn(self._clean_up())

    async def _clean_up(self) -> None:
        pipeline = self.current_pipeline
        if pipeline is not None:
            # A project whose clean-up does not return must not delay the end for long.
            patience = CLEANUP_TIME if len(pipeline.on_cleanup) else LAST_HANDLERS_TIME
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(pipeline.clean_up(), patience)
        if self._disk is not None:
            self._disk.close()
        self._set_status("stopped")
        self._tell("on_finish")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._stop_file is not None:
            self._stop_file.close()

    def _later(self, delay: float, callback: Any) -> None:
        handle: asyncio.TimerHandle

        def fire() -> None:
            self._timers.discard(handle)
            callback()

        handle = self._loop.call_later(delay, fire)
        self._timers.add(handle)

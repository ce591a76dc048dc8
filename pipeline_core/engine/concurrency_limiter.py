"""A limit on how many items are in a task at once; the others wait in order of arrival."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from pipeline_core.engine.calls import realized
from pipeline_core.engine.waiting import Fault, Waiting

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.task import LimitConcurrent


class ConcurrencyLimiter:
    """The queue of one limit. For the loop only.

    Each LimitConcurrent has its own queue. Tasks whose limit is a setting shared between
    projects (``shared:rsync_threads``) share one queue (``ConfigValue.limiter``), so that the
    limit holds across projects.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._queue: list[_Waiter] = []

    @contextlib.asynccontextmanager
    async def slot(self, item: Item, task: LimitConcurrent) -> AsyncIterator[None]:
        """Wait for a slot, and hold it inside the block."""
        await self._wait_for_slot(_Waiter(item, task))
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._wake_first()

    async def _wait_for_slot(self, waiter: _Waiter) -> None:
        item, task = waiter.item, waiter.task
        self._queue.append(waiter)
        try:
            self._wake_first()
            while True:
                await waiter.woken.wait()
                waiter.woken.clear()
                # Only the first waiter is woken, so no other enters while it realizes the limit.
                limit = int(await realized(item, task, task.limit))
                if self._inside < limit:
                    break
                for waiting in self._queue:
                    waiting.show(limit)
        finally:
            self._queue.remove(waiter)
            self._wake_first()
        item.set_waiting(None)

    def limit_changed(self) -> None:
        """Apply a new value of the setting. May be called from any thread."""
        # A slice copies: the loop may remove the last waiter meanwhile.
        for first in self._queue[:1]:
            first.loop.call_soon_threadsafe(self._wake_first)

    def _wake_first(self) -> None:
        """Let the first waiter check for a free slot: an item has left, or the limit or the
        queue has changed."""
        if self._queue:
            self._queue[0].woken.set()


class _Waiter:
    """An item in the queue."""

    def __init__(self, item: Item, task: LimitConcurrent) -> None:
        self.item = item
        self.task = task
        self.woken = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def show(self, limit: int) -> None:
        self.item.set_waiting(Waiting(
            f"Waiting for a turn: {self.task.inner_task} takes {limit} at a time.",
            Fault.NOBODY, None, "queue"))

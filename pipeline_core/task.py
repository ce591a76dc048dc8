"""Tasks: the steps of a pipeline."""

from __future__ import annotations

import asyncio
import datetime
import functools
import inspect
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline_core.config import ConfigValue, realize
from pipeline_core.engine.base_task import Task, leave, run_task
from pipeline_core.engine.calls import call, realized, start_contained
from pipeline_core.engine.concurrency_limiter import ConcurrencyLimiter
from pipeline_core.engine.printing import prints_to
from pipeline_core.engine.worker_thread import original

if TYPE_CHECKING:
    from pipeline_core.item import Item

__all__ = [
    "ConditionalTask", "LimitConcurrent", "PrintItem", "SetItemKey", "SimpleTask", "Task",
    "realize",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]


class SimpleTask(Task):
    """A step that consists of one call, ``process(item)``.

    When ``process`` returns, the item is completed; when it raises, the item fails.
    ``async def process`` runs on the loop; otherwise it runs in the worker and may block.
    """

    #: Whether a class of the toolkit works on disk, and so runs in the worker as well.
    _blocks = False

    def process(self, item: Item) -> Any:
        """Work on the item. Subclasses override this."""
        raise NotImplementedError(f"{type(self).__name__} must define process()")

    async def _work_on(self, item: Item) -> None:
        try:
            if inspect.iscoroutinefunction(self.process):
                await self._await_process(item)
            else:
                await call(item, self, self.process, item, in_worker=self._blocks)
        except Exception as error:
            await self._failed(item, error)
        else:
            await leave(item, self)

    async def _failed(self, item: Item, error: BaseException) -> None:
        item.log_failure(original(error))
        await leave(item, self, False)

    async def _await_process(self, item: Item) -> None:
        with prints_to(functools.partial(item.log_output, full_line=False)):
            # In its own asyncio task: a coroutine that cancels its current task must not cancel
            # the item's.
            work = start_contained(asyncio.get_running_loop(), self.process(item))
        try:
            await work
        except asyncio.CancelledError:
            work.cancel()
            item.scope.check()
            raise RuntimeError("The coroutine was cancelled.") from None


class SetItemKey(SimpleTask):
    """Sets ``item[key]`` to a value, realized against the item."""

    def __init__(self, key: str, value: Any) -> None:
        super().__init__("SetItemKey")
        self.key = key
        self.value = value

    async def _work_on(self, item: Item) -> None:
        item[self.key] = await realized(item, self, self.value)
        await leave(item, self)


class PrintItem(SimpleTask):
    """Prints the item and its values to its log."""

    def __init__(self) -> None:
        super().__init__("PrintItem")

    def process(self, item: Item) -> None:
        item.log_output(str(item))
        for key, value in item.property_items():
            item.log_output(f"  {key}: {value!r}")


class _Container(Task):
    """A task that contains another task."""

    is_container = True

    def __init__(self, name: str, inner_task: Task) -> None:
        super().__init__(name)
        self.inner_task = inner_task
        inner_task.owner = self

    def fill_ui_task_list(self, task_list: list[tuple[Task, str]]) -> None:
        self.inner_task.fill_ui_task_list(task_list)

    def inner_task_left(self, task: Task, item: Item, status: str) -> None:
        item.scope.spawn(self._inner_task_left(item, status))

    async def _inner_task_left(self, item: Item, status: str) -> None:
        await item.scope.handlers_returned()
        await leave(item, self, status == item.TaskStatus.completed)

    def __str__(self) -> str:
        return f"{self.name}({self.inner_task})"


class ConditionalTask(_Container):
    """Takes an item through the inner task only if ``condition_function(item)`` is true."""

    def __init__(self, condition_function: Callable[[Item], Any], inner_task: Task) -> None:
        super().__init__("Conditional", inner_task)
        self.condition_function = condition_function

    async def _work_on(self, item: Item) -> None:
        if await call(item, self, self.condition_function, item):
            await leave(item, self, await run_task(self.inner_task, item))
        else:
            item.log_output(f"Skipping {self.inner_task} for {item.description()}")
            await leave(item, self)


class LimitConcurrent(_Container):
    """Lets at most ``limit`` items into the inner task; the others wait in order.

    The limit (a number, or a value that is realized to one) is read anew each time. When it is
    a setting, raising it lets waiting items in at once.
    """

    def __init__(self, limit: Any, inner_task: Task) -> None:
        super().__init__("LimitConcurrent", inner_task)
        self.limit = limit
        self._own_limiter = ConcurrencyLimiter()
        if isinstance(limit, ConfigValue):
            limit.on_change += self._limit_changed

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """The task's own limiter, or the one that it shares with other projects."""
        shared = self.limit.limiter if isinstance(self.limit, ConfigValue) else None
        return shared or self._own_limiter

    async def _work_on(self, item: Item) -> None:
        async with self.limiter.slot(item, self):
            await leave(item, self, await run_task(self.inner_task, item))

    def _limit_changed(self, limit: ConfigValue) -> None:
        self.limiter.limit_changed()

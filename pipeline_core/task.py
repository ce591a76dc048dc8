"""The steps of a pipeline."""

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
from pipeline_core.engine.base_task import Task
from pipeline_core.engine.concurrency_limiter import ConcurrencyLimiter
from pipeline_core.engine.printing import prints_to
from pipeline_core.engine.project_worker import current_item, is_project_code

if TYPE_CHECKING:
    from pipeline_core.item import Item

__all__ = [
    "ConditionalTask", "LimitConcurrent", "PrintItem", "SetItemKey", "SimpleTask", "Task",
    "realize",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]


class SimpleTask(Task):
    """A step that is one call: ``process(item)``.

    Returning completes the item, an exception fails it. ``async def process``
    runs on the loop; all else may block.
    """

    def process(self, item: Item) -> Any:
        """Work on the item; subclasses say how."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to process an item")

    def enqueue(self, item: Item) -> None:
        if item.carried_over(SimpleTask.enqueue, self, item):
            return
        self._start(item, self._begin)

    def _begin(self, item: Item) -> None:
        worker = item.worker
        ended = functools.partial(self._processed, item)
        if inspect.iscoroutinefunction(self.process):
            self._begin_coroutine(item, ended)
        elif worker is not None and (is_project_code(self.process) or self._blocks):
            worker.call_for(item, self.name, self.process, item, cwd=self.cwd, then=ended)
        else:
            token = current_item.set(item)
            try:
                result, error = self.process(item), None
            except Exception as raised:
                result, error = None, raised
            finally:
                current_item.reset(token)
            ended(result, error)

    #: One of ours that works on disk: it runs in the worker as well.
    _blocks = False

    def _begin_coroutine(self, item: Item, ended: Callable[..., Any]) -> None:
        token = current_item.set(item)
        try:
            with prints_to(functools.partial(item.log_output, full_line=False)):
                task = asyncio.ensure_future(self.process(item))
        finally:
            current_item.reset(token)
        item.scope.at_end(task.cancel)

        def finished(task: asyncio.Future[Any]) -> None:
            item.scope.not_at_end(task.cancel)
            if not task.cancelled():
                ended(None, task.exception())
            elif not item.scope.ending:
                ended(None, asyncio.CancelledError("the coroutine was cancelled"))

        task.add_done_callback(finished)

    def _processed(self, item: Item, result: Any, error: BaseException | None) -> None:
        if error is not None:
            item.log_failure(error)
            if item.scope.is_open(self):
                self._hook(item, self.fail_item, item)
        elif item.scope.is_open(self):
            self._hook(item, self.complete_item, item)


class SetItemKey(SimpleTask):
    """Set ``item[key]`` to a value, realized against the item."""

    def __init__(self, key: str, value: Any) -> None:
        super().__init__("SetItemKey")
        self.key = key
        self.value = value

    def enqueue(self, item: Item) -> None:
        if not item.carried_over(SetItemKey.enqueue, self, item):
            self._start(item, self._begin_realizing)

    def _begin_realizing(self, item: Item) -> None:
        self._realize(item, self.value, functools.partial(self._set, item))

    def _set(self, item: Item, value: Any) -> None:
        item[self.key] = value
        self._hook(item, self.complete_item, item)


class PrintItem(SimpleTask):
    """Print the item and its values to its log."""

    def __init__(self) -> None:
        super().__init__("PrintItem")

    def process(self, item: Item) -> None:
        item.log_output(str(item))
        for key, value in item.property_items():
            item.log_output(f"  {key}: {value!r}")


class _Container(Task):
    """A task around another one."""

    is_container = True

    def __init__(self, name: str, inner_task: Task) -> None:
        super().__init__(name)
        self.inner_task = inner_task
        inner_task.owner = self

    def fill_ui_task_list(self, task_list: list[tuple[Task, str]]) -> None:
        self.inner_task.fill_ui_task_list(task_list)

    def _enter_inner(self, item: Item) -> None:
        item.scope.enter(self.inner_task)
        self._hook(item, self.inner_task.enqueue, item)

    def task_left(self, task: Task, item: Item, status: str) -> None:
        if status == item.TaskStatus.completed:
            self._hook(item, self.complete_item, item)
        else:
            self._hook(item, self.fail_item, item)

    def __str__(self) -> str:
        return f"{self.name}({self.inner_task})"


class ConditionalTask(_Container):
    """Items for which ``condition_function(item)`` is true go through the task."""

    def __init__(self, condition_function: Callable[[Item], Any], inner_task: Task) -> None:
        super().__init__("Conditional", inner_task)
        self.condition_function = condition_function

    def enqueue(self, item: Item) -> None:
        if not item.carried_over(ConditionalTask.enqueue, self, item):
            self._start(item, self._ask)

    def _ask(self, item: Item) -> None:
        self._hook(item, self.condition_function, item,
                   then=functools.partial(self._decided, item))

    def _decided(self, item: Item, wanted: Any) -> None:
        if wanted:
            self._enter_inner(item)
        else:
            item.log_output(f"Skipping {self.inner_task} for {item.description()}")
            self._hook(item, self.complete_item, item)


class LimitConcurrent(_Container):
    """At most ``limit`` items inside the task; the others wait in order.

    The limit (a number, or what realizes to one) is read anew each time; when it
    is a setting, raising it lets waiting items in at once.
    """

    def __init__(self, limit: Any, inner_task: Task) -> None:
        super().__init__("LimitConcurrent", inner_task)
        self.limit = limit
        self._own_limiter = ConcurrencyLimiter()
        if isinstance(limit, ConfigValue):
            limit.on_change += self._limit_changed

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """Its own queue, or the one that it has together with others."""
        shared = self.limit.limiter if isinstance(self.limit, ConfigValue) else None
        return shared or self._own_limiter

    def enqueue(self, item: Item) -> None:
        if not item.carried_over(LimitConcurrent.enqueue, self, item):
            self._start(item, functools.partial(self.limiter.line_up, self))

    def task_left(self, task: Task, item: Item, status: str) -> None:
        self.limiter.leave(item)
        super().task_left(task, item, status)

    def let_in(self, item: Item) -> None:
        """The limiter has room for the item."""
        self._enter_inner(item)

    def realize_limit(self, item: Item, then: Callable[[Any], Any]) -> None:
        """``then(limit)``, as the limit is for this item now."""
        self._realize(item, self.limit, then)

    def _limit_changed(self, limit: ConfigValue) -> None:
        self.limiter.limit_changed(limit)

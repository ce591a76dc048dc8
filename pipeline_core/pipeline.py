"""The pipeline: the tasks that every item of a project goes through, in order."""

from __future__ import annotations

import asyncio
import datetime
import functools
import json
import logging
import os
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.calls import on_loop
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.run_item import run_item
from pipeline_core.event import Event
from pipeline_core.net.governor import Governor
from pipeline_core.task import Task

if TYPE_CHECKING:
    from pipeline_core.engine.project_worker import ProjectWorker
    from pipeline_core.engine.seal import Sealer
    from pipeline_core.item import Item
    from pipeline_core.project import Project

__all__ = [
    "Pipeline", "datetime", "functools", "json", "os", "re", "subprocess", "time",
]

logger = logging.getLogger(__name__)

#: Seconds that the tracker gets to answer a pending request for work when the runner stops. After
#: that, the item is cancelled.
ANSWER_TIME = 0.8


class Pipeline:
    """A sequence of tasks. ``data_dir`` holds the folders of the items.

    Events: ``on_start_item``, ``on_complete_item``, ``on_fail_item``,
    ``on_cancel_item`` and ``on_finish_item`` get ``(pipeline, item)``;
    ``on_cleanup``, ``on_stop_requested`` and ``on_stop_canceled`` get no arguments.
    """

    def __init__(self, *tasks: Task) -> None:
        self.tasks: list[Task] = []
        self.cwd = os.getcwd()
        self.data_dir = os.path.join(self.cwd, "data")
        self.project: Project | None = None
        self.worker: ProjectWorker | None = None
        #: Spaces the requests of its items; a runner sets its own governor here.
        self.governor = Governor()
        #: Seals items before they are uploaded; None without a journal.
        self.sealer: Sealer | None = None
        #: ``(item)``: the item has been sealed. For runners.
        self.on_seal_item = Event()
        self.items_in_pipeline: set[Item] = set()
        #: Which classes of its tasks are plain steps (see ``engine/steps``), and which of their
        #: methods project code overrides (see ``engine/calls``); found when first needed.
        self.plain_classes: dict[Any, bool] = {}
        self.overridden: dict[Any, bool] = {}
        #: Whether items that only wait must end instead of asking again.
        self.stop_requested = False
        for event in ("start_item", "complete_item", "fail_item", "cancel_item", "finish_item",
                      "cleanup", "stop_requested", "stop_canceled"):
            setattr(self, f"on_{event}", Event())
        for task in tasks:
            self.add_task(task)

    on_start_item: Event
    on_complete_item: Event
    on_fail_item: Event
    on_cancel_item: Event
    on_finish_item: Event
    on_cleanup: Event
    on_stop_requested: Event
    on_stop_canceled: Event

    def add_task(self, task: Task) -> None:
        """Add a task at the end."""
        task.owner = self
        self.tasks.append(task)

    def __str__(self) -> str:
        return "\n -> ".join(["Pipeline:", *map(str, self.tasks)])

    def ui_task_list(self) -> list[tuple[Task, str]]:
        """Return ``(task, name)`` for each step that is shown, in order."""
        steps: list[tuple[Task, str]] = []
        for task in self.tasks:
            task.fill_ui_task_list(steps)
        return steps

    @property
    def positions(self) -> dict[Task, str]:
        """The position of each task as text: ``'3'``, and ``'3.0'`` for its inner task."""
        places: dict[Task, str] = {}
        for number, task in enumerate(self.tasks):
            place, inner = str(number), task
            places[inner] = place
            while (inner := getattr(inner, "inner_task", None)) is not None:  # type: ignore[assignment]
                place += ".0"
                places[inner] = place
        return places

    # -- items -----------------------------------------------------------------
    @on_loop
    def enqueue(self, item: Item) -> None:
        """Start to take an item through all tasks."""
        self._start(item, 0)

    def resume_item(self, item: Item, position: int) -> None:
        """Resume an item that an earlier process has sealed, at the task at ``position``."""
        self._start(item, position)

    def _start(self, item: Item, position: int) -> None:
        self.items_in_pipeline.add(item)
        item.worker = self.worker
        item.on_finish += self._item_ended
        item.scope.start(run_item(item, position))

    def inner_task_left(self, task: Task, item: Item, status: str) -> None:
        """Do nothing: :func:`run_item` waits for each task itself."""

    def _item_ended(self, item: Item) -> None:
        self.items_in_pipeline.discard(item)
        named = {"completed": self.on_complete_item, "failed": self.on_fail_item,
                 "canceled": self.on_cancel_item}
        item.deliver(named[item.item_state], self, item)
        item.deliver(self.on_finish_item, self, item)

    # -- stopping --------------------------------------------------------------
    def cancel_items(self) -> None:
        """Cancel the items that only wait (``may_be_canceled``)."""
        for item in list(self.items_in_pipeline):
            if item.scope.ending:
                continue
            if item.may_be_canceled:
                item.log_output("Stopping: the item was only waiting, so it is cancelled.")
                item.cancel()
            elif item.scope.is_asking_for_work:
                item.scope.spawn(self._stop_asking(item))

    async def _stop_asking(self, item: Item) -> None:
        await asyncio.sleep(ANSWER_TIME)
        if self.stop_requested and item.scope.is_asking_for_work:
            item.log_output("Stopping: the tracker has not answered in time.")
            item.cancel()

    def request_stop(self) -> None:
        """Ask for no more work: cancel the items that only wait, and tell the project."""
        self.stop_requested = True
        self.fire(self.on_stop_requested)
        self.cancel_items()

    def cancel_stop(self) -> None:
        """Ask for work again, and tell the project."""
        self.stop_requested = False
        self.fire(self.on_stop_canceled)

    def fire(self, event: Any) -> None:
        """Fire an event that belongs to no item. The project's handlers run in its worker. An error
        of a handler is logged, and the other handlers still run."""
        for handler in event if isinstance(event, Event) else (event,):
            if self.worker is not None and is_project_code(handler):
                self.worker.call(handler)
                continue
            try:
                handler()
            except Exception:
                logger.exception("A handler of the pipeline in %s failed", self.cwd)

    async def clean_up(self) -> None:
        """Fire ``on_cleanup``. Returns when its handlers, and all earlier jobs of the worker,
        have returned."""
        self.fire(self.on_cleanup)
        if self.worker is not None and self.worker.alive:
            await self.worker.run_for(None, "the last handlers", _nothing)


def _nothing() -> None:
    """An empty job: only its place in the queue matters."""

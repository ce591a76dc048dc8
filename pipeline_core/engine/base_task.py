"""The base class of all tasks (the steps of a pipeline)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.calls import call, on_loop
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.event import Event

if TYPE_CHECKING:
    from pipeline_core.item import Item


class Task:
    """One step of a pipeline. ``enqueue(item)`` returns at once; later ``complete_item`` or
    ``fail_item`` is called for that item, exactly once.

    The events ``on_start_item``, ``on_complete_item``, ``on_fail_item`` and
    ``on_finish_item`` get ``(task, item)``. Project code may replace an event with a callable.
    """

    #: The pipeline or task that takes over when an item has left this one.
    owner: Any = None
    #: A container does not log "Starting" and "Finished": the task inside it does.
    is_container = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.cwd = os.getcwd()
        self.on_start_item: Any = Event()
        self.on_complete_item: Any = Event()
        self.on_fail_item: Any = Event()
        self.on_finish_item: Any = Event()

    @on_loop
    def enqueue(self, item: Item) -> None:
        """Start work on the item, and return at once."""
        item.scope.enter(self)
        item.scope.spawn(self._begin(item))

    @on_loop
    def start_item(self, item: Item) -> None:
        """Record and announce that work on the item starts."""
        item.scope.enter(self)
        item.set_task_status(self, item.TaskStatus.running)
        if not self.is_container:
            item.log_output(f"Starting {self.name} for {item.description()}")
        item.deliver(self.on_start_item, self, item)

    @on_loop
    def complete_item(self, item: Item) -> None:
        """Record that the item has completed this task."""
        self._leave(item, item.TaskStatus.completed, "Finished", self.on_complete_item)

    @on_loop
    def fail_item(self, item: Item) -> None:
        """Record that the item has failed in this task."""
        self._leave(item, item.TaskStatus.failed, "Failed", self.on_fail_item)

    async def _begin(self, item: Item) -> None:
        """Work on the item until it has left this task."""
        await call(item, self, self.start_item, item)
        await item.scope.handlers_returned()
        if item.scope.is_in(self):
            await self._work_on(item)

    async def _work_on(self, item: Item) -> None:
        """Do the work between ``start_item`` and ``complete_item``. Subclasses override this."""
        raise NotImplementedError(f"{type(self).__name__} must define enqueue() or process()")

    def _leave(self, item: Item, status: str, word: str, event: Any) -> None:
        visit = item.scope.visit(self) or item.scope.enter(self)
        if item.scope.ending or visit.status is not None:
            if not item.canceled and item.task_status.get(self) is not None:
                item.log_output(
                    f"Warning: {self.name} was already {item.task_status.get(self)} for "
                    f"{item.description()} when it was reported {status}. It counts once.")
            return
        # This comes first: calls by the handlers below must no longer count.
        visit.leave(status)
        item.set_waiting(None)
        item.set_task_status(self, status)
        if not self.is_container:
            item.log_output(f"{word} {self.name} for {item.description()}")
        item.deliver(event, self, item)
        item.deliver(self.on_finish_item, self, item)
        if not visit.is_awaited and self.owner is not None:
            # A container defined by the project has enqueued the item.
            self.owner.inner_task_left(self, item, status)

    def inner_task_left(self, task: Task, item: Item, status: str) -> None:
        """For containers: called when the item has left the inner task."""

    @contextlib.contextmanager
    def task_cwd(self) -> Iterator[None]:
        """Run a block in the folder where the task was created. For the worker only."""
        before = os.getcwd()
        os.chdir(self.cwd)
        try:
            yield
        finally:
            os.chdir(before)

    def fill_ui_task_list(self, task_list: list[tuple[Task, str]]) -> None:
        """Append ``(task, name)`` for each step that is shown."""
        task_list.append((self, self.name))

    def __str__(self) -> str:
        return self.name


async def run_task(task: Task, item: Item) -> bool:
    """Take the item through a task. Return whether it has completed the task.

    The item leaves when the task's ``complete_item`` or ``fail_item`` is called.
    """
    visit = item.scope.enter(task)
    visit.is_awaited = True
    if is_project_code(task.enqueue):
        await call(item, task, task.enqueue, item)
    else:
        await task._begin(item)
    status = await visit.left()
    await item.scope.handlers_returned()
    item.scope.check()
    return status == item.TaskStatus.completed


async def leave_by(item: Item, task: Task, leave: Callable[[Item], Any]) -> None:
    """Call the task's ``complete_item`` or ``fail_item``, unless the item has already left."""
    if item.scope.is_in(task):
        await call(item, task, leave, item)

"""The base class of all tasks (the steps of a pipeline)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Iterator
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
        item.scope.spawn(run_task(self, item, is_enqueued=True))

    @on_loop
    def start_item(self, item: Item) -> None:
        """Record and announce that work on the item starts."""
        item.scope.enter(self)
        self.record_start(item)

    @on_loop
    def complete_item(self, item: Item) -> None:
        """Record that the item has completed this task."""
        self.record_end(item, item.TaskStatus.completed)

    @on_loop
    def fail_item(self, item: Item) -> None:
        """Record that the item has failed in this task."""
        self.record_end(item, item.TaskStatus.failed)

    def _work_on(self, item: Item) -> Coroutine[Any, Any, None]:
        """Do the work between ``start_item`` and ``complete_item``. Subclasses override this."""
        raise NotImplementedError(f"{type(self).__name__} must define enqueue() or process()")

    def record_start(self, item: Item) -> None:
        """On the loop: the item, which has entered this task, starts."""
        item.record_status(self, item.TaskStatus.running)
        if not self.is_container:
            item.log_output(f"Starting {self.name} for Item {item.properties.get('item_name', '')}")
        event = self.on_start_item
        if type(event) is not Event or event.owned:
            item.deliver(event, self, item)

    def record_end(self, item: Item, status: str) -> None:
        """On the loop: the item leaves this task, completed or failed. The first call counts."""
        visit = item.scope.visits.get(self) or item.scope.enter(self)
        if visit.status is not None or item.scope.outcome is not None:
            if not item.canceled and item.task_status.get(self) is not None:
                item.log_output(
                    f"Warning: {self.name} was already {item.task_status.get(self)} for "
                    f"{item.description()} when it was reported {status}. It counts once.")
            return
        # This comes first: calls by the handlers below must no longer count.
        visit.status = status
        if visit.waiters:
            visit.wake()
        if item.waiting is not None:
            item.set_waiting(None)
        item.record_status(self, status)
        completed = status == item.TaskStatus.completed
        if not self.is_container:
            item.log_output(f"{'Finished' if completed else 'Failed'} {self.name} for Item "
                            f"{item.properties.get('item_name', '')}")
        for event in (self.on_complete_item if completed else self.on_fail_item,
                      self.on_finish_item):
            if type(event) is not Event or event.owned:
                item.deliver(event, self, item)
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


#: The toolkit's own methods: a project may replace them on the class itself.
_ENQUEUE, _START_ITEM = Task.enqueue, Task.start_item
_COMPLETE_ITEM, _FAIL_ITEM = Task.complete_item, Task.fail_item


async def run_task(task: Task, item: Item, *, is_enqueued: bool = False) -> bool:
    """Take the item through a task. Return whether it has completed the task.

    The item leaves when the task's ``complete_item`` or ``fail_item`` is called.
    ``is_enqueued``: a project's override has called ``Task.enqueue``, so this must not call the
    override again.
    """
    scope = item.scope
    visit = scope.enter(task)
    if not is_enqueued:
        visit.is_awaited = True
    enqueue, start_item = task.enqueue, task.start_item
    # Compared first, because that is no call: most tasks override neither.
    if (not is_enqueued and getattr(enqueue, "__func__", None) is not _ENQUEUE
            and is_project_code(enqueue)):
        await call(item, task, enqueue, item)
    else:
        if (getattr(start_item, "__func__", None) is not _START_ITEM
                and is_project_code(start_item)):
            await call(item, task, start_item, item)
        else:
            task.record_start(item)
        if scope.awaits_handlers:
            await scope.handlers_returned()
        if visit.status is None and scope.outcome is None:
            await task._work_on(item)
    status = visit.status or await visit.left()
    if scope.awaits_handlers:
        await scope.handlers_returned()
    if scope.outcome is not None:
        raise asyncio.CancelledError
    return status == item.TaskStatus.completed


async def leave(item: Item, task: Task, completed: bool = True) -> None:
    """Call the task's ``complete_item`` or ``fail_item``, unless the item has already left."""
    visit = item.scope.visits.get(task)
    if visit is None or visit.status is not None or item.scope.outcome is not None:
        return
    method, own = ((task.complete_item, _COMPLETE_ITEM) if completed
                   else (task.fail_item, _FAIL_ITEM))
    if getattr(method, "__func__", None) is not own and is_project_code(method):
        await call(item, task, method, item)
    else:
        task.record_end(item, item.TaskStatus.completed if completed else item.TaskStatus.failed)

"""What every step of a pipeline is: the base class of all tasks."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline_core.config import realize
from pipeline_core.engine.project_worker import current_item, is_project_code
from pipeline_core.engine.realizing import is_project_value
from pipeline_core.event import Event

if TYPE_CHECKING:
    from pipeline_core.item import Item


class Task:
    """One step. ``enqueue(item)`` returns at once; later ``complete_item`` or
    ``fail_item`` is called for that item, exactly once.

    The events ``on_start_item``, ``on_complete_item``, ``on_fail_item`` and
    ``on_finish_item`` get ``(task, item)``. Project code may put a callable in the
    place of one.
    """

    #: The pipeline or task that goes on when an item has left this one.
    owner: Any = None
    #: Containers leave "Starting" and "Finished" to the task inside them.
    is_container = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.cwd = os.getcwd()
        self.on_start_item: Any = Event()
        self.on_complete_item: Any = Event()
        self.on_fail_item: Any = Event()
        self.on_finish_item: Any = Event()

    def enqueue(self, item: Item) -> None:
        """Begin with the item; subclasses say how."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to enqueue an item")

    def start_item(self, item: Item) -> None:
        """Tell everybody that work on the item begins."""
        if item.carried_over(Task.start_item, self, item):
            return
        item.scope.enter(self)
        item.set_task_status(self, item.TaskStatus.running)
        if not self.is_container:
            item.log_output(f"Starting {self.name} for {item.description()}")
        item.deliver(self.on_start_item, self, item)

    def complete_item(self, item: Item) -> None:
        """The item has been through this task."""
        if not item.carried_over(Task.complete_item, self, item):
            self._leave(item, item.TaskStatus.completed, "Finished", self.on_complete_item)

    def fail_item(self, item: Item) -> None:
        """The item could not be brought through this task."""
        if not item.carried_over(Task.fail_item, self, item):
            self._leave(item, item.TaskStatus.failed, "Failed", self.on_fail_item)

    def _leave(self, item: Item, status: str, word: str, event: Any) -> None:
        if not item.scope.leave(self):
            if not item.canceled and item.task_status.get(self) is not None:
                item.log_output(
                    f"Warning: {self.name} was {item.task_status.get(self)} for "
                    f"{item.description()} already, and then {status}. It counts once.")
            return
        item.set_waiting(None)
        item.set_task_status(self, status)
        if not self.is_container:
            item.log_output(f"{word} {self.name} for {item.description()}")
        item.deliver(event, self, item)
        item.deliver(self.on_finish_item, self, item)
        if self.owner is not None:
            item.scope.after_handlers(self.owner.task_left, self, item, status)

    def task_left(self, task: Task, item: Item, status: str) -> None:
        """For containers: the item has left the task inside."""

    @contextlib.contextmanager
    def task_cwd(self) -> Iterator[None]:
        """Run a block in the folder where the task was made. In the worker only."""
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

    def _start(self, item: Item, go_on: Callable[[Item], Any]) -> None:
        """``start_item``, and then ``go_on(item)`` when all handlers have returned."""
        self._hook(item, self.start_item, item,
                   then=lambda result: item.scope.after_handlers(go_on, item))

    # -- calling what project code may have defined --------------------------------
    def _hook(
        self,
        item: Item,
        function: Callable[..., Any],
        *args: Any,
        then: Callable[[Any], Any] | None = None,
        runs_project_code: bool = False,
    ) -> None:
        """Call ``function`` where it belongs, and go on with its result.

        Project code, and code of ours that asks it (``runs_project_code``), runs in its
        worker, the rest here and now. An error fails the item.
        """
        worker = item.worker
        if worker is not None and (runs_project_code or is_project_code(function)):
            worker.call_for(
                item, self.name, function, *args, cwd=self.cwd,
                then=functools.partial(self._hook_returned, item, then))
            return
        token = current_item.set(item)
        try:
            result = function(*args)
        except Exception as error:
            item.crash(error)
            return
        finally:
            current_item.reset(token)
        if then is not None:
            item.scope.guard(then, result)

    def _hook_returned(
        self,
        item: Item,
        then: Callable[[Any], Any] | None,
        result: Any,
        error: BaseException | None,
    ) -> None:
        if error is not None:
            item.crash(error)
            return
        if isinstance(result, asyncio.Future):
            # A coroutine of Tornado's: what it raises later is an error all the same.
            result.add_done_callback(functools.partial(_crash_if_failed, item))
        if then is not None:
            item.scope.guard(then, result)

    def _realize(self, item: Item, value: Any, then: Callable[[Any], Any]) -> None:
        """Realize a value; in the worker where a class of the project takes part."""
        self._hook(item, realize, value, item, then=then,
                   runs_project_code=is_project_value(value))


def _crash_if_failed(item: Item, future: asyncio.Future[Any]) -> None:
    error = None if future.cancelled() else future.exception()
    if error is not None:
        item.crash(error)

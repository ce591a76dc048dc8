"""What an item holds while it runs, and how all of that ends with the item."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.project_code import current_item

if TYPE_CHECKING:
    from pipeline_core.engine.base_task import Task
    from pipeline_core.engine.child import Child
    from pipeline_core.engine.project_worker import ProjectWorker
    from pipeline_core.engine.waiting import Waiting
    from pipeline_core.item import Item

#: The most output, in characters or bytes, that may wait for the project's handlers. Above this
#: limit the children are not read until the handlers have caught up.
PROJECT_BACKLOG = 1 << 22

#: Seconds between TERM and KILL for an item's children, unless a stop is quicker.
ITEM_KILL_DELAY = 10.0


class Visit:
    """An item's stay in one task. The task may be told to retry; the item leaves once."""

    #: "completed" or "failed" once the item has left.
    status: str | None = None
    #: Whether the caller that enqueued the item waits for it to leave.
    is_awaited = False
    #: Whether the task's coroutine waits for the result of each try.
    is_tried = False
    _retry: Any = None
    #: Those who wait for a change.
    waiters: tuple[asyncio.Future[None], ...] = ()

    def ask_again(self, retry: Any) -> None:
        """Make the task try again; ``retry`` says when and why. The first call counts."""
        if self.status is None and self._retry is None:
            self._retry = retry
            self.wake()

    def begin_try(self) -> None:
        """Start a new try: a retry asked for earlier does not apply to it."""
        self.is_tried = True
        self._retry = None

    @property
    def is_retrying(self) -> bool:
        """Whether the task has been told to try again."""
        return self._retry is not None

    async def left(self) -> str:
        """Wait until the item has left. Return its status."""
        while self.status is None:
            await self._change()
        return self.status

    async def tried(self) -> Any:
        """Wait for the result of the try. Return what :meth:`ask_again` was given, or None when
        the item has left."""
        while self.status is None and self._retry is None:
            await self._change()
        return None if self.status is not None else self._retry

    def _change(self) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters += (waiter,)
        return waiter

    def wake(self) -> None:
        """Tell them that the item has left, or has to try again."""
        waiters, self.waiters = self.waiters, ()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class ItemScope:
    """Tasks, children and coroutines of one item. For the loop only.

    ``outcome`` is set as soon as it is decided how the item ends. Then the item's coroutines
    are cancelled and release what they hold (turns, slots) in reverse order. Next its
    children's process groups end. Last, the item gets its final state.
    """

    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome: str | None = None
        #: The last error of its code.
        self.failure: BaseException | None = None
        #: The number of the pipeline's task that the item is in.
        self.position = 0
        #: How many calls project code has made from its worker to the loop for this item.
        self.asked_for = 0
        #: Whether its request for work is being answered: a stop may end it after a moment.
        self.is_asking_for_work = False
        self.kill_after = ITEM_KILL_DELAY
        #: What the toolkit's tasks keep for this item, by task: delays, turns.
        self.kept_by: dict[object, Any] = {}
        #: Whether called handlers of the project have not returned yet.
        self.awaits_handlers = False
        self._is_started = False
        self._waiters: list[asyncio.Future[None]] = []
        #: Its last stay in each task, the innermost task last.
        self.visits: dict[Task, Visit] = {}
        self._children: dict[Child, None] = {}
        self._main: asyncio.Task[None] | None = None
        self._has_begun = False
        #: Whether :meth:`end` has cancelled the item's coroutine.
        self.was_cancelled = False
        self._spawned: set[asyncio.Task[None]] = set()
        self._project_calls = 0
        self._project_backlog = 0

    @property
    def ending(self) -> bool:
        """Whether the item is ending, or has ended."""
        return self.outcome is not None

    def check(self) -> None:
        """Raise CancelledError when the item is ending, so that the caller stops its work."""
        if self.outcome is not None:
            raise asyncio.CancelledError

    # -- tasks: an item leaves each once -------------------------------------
    def enter(self, task: Task) -> Visit:
        """Enter a task, or enter it again. Nothing changes while the item is in the task."""
        visit = self.visits.get(task)
        if visit is None or visit.status is not None:
            # Reinserted, so that the innermost task comes last.
            self.visits.pop(task, None)
            visit = self.visits[task] = Visit()
        return visit

    def ask_again(self, task: Task, retry: Any) -> None:
        """Make the task try again (see :meth:`Visit.ask_again`), unless the item has left it."""
        (self.visits.get(task) or self.enter(task)).ask_again(retry)

    def try_begun_by_project(self, task: Task) -> bool:
        """Return whether project code has started this try itself, without
        :meth:`Task.enqueue`. Then the caller must wait for the result of the try."""
        visit = self.visits.get(task) or self.enter(task)
        if visit.is_tried or visit.status is not None:
            return False
        visit.begin_try()
        return True

    def open_tasks(self) -> list[Task]:
        """Return the tasks that the item is in, the innermost first."""
        return [task for task, visit in reversed(self.visits.items()) if visit.status is None]

    # -- its coroutines ---------------------------------------------------------
    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the coroutine that takes the item through its pipeline. It ends by calling
        :meth:`close`."""
        loop = self._loop()
        self._is_started = True
        self._main = loop.create_task(work)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine until it returns or the item ends; an error in it fails the item."""
        if self.ending:
            work.close()
            return
        task = self._loop().create_task(self._guarded(work))
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        # A task that is cancelled before its first step never awaits the work: close it here.
        task.add_done_callback(lambda _: work.close())

    def begin(self) -> None:
        """Called first by the item's coroutine: from here on it may be cancelled."""
        current_item.set(self.item)
        self._has_begun = True
        self.check()

    async def _guarded(self, work: Coroutine[Any, Any, Any]) -> None:
        current_item.set(self.item)
        try:
            await work
        except Exception as error:
            self.item.crash(error)

    def _loop(self) -> asyncio.AbstractEventLoop:
        worker = self.item.worker
        return worker.loop if worker is not None else asyncio.get_running_loop()

    async def wait(self, why: Waiting, delay: float) -> None:
        """Wait ``delay`` seconds, and show why."""
        self.item.set_waiting(why)
        await asyncio.sleep(delay)
        self.item.set_waiting(None)

    def show_waiting(self, why: Waiting) -> None:
        """Show why the item waits for its turn. For the governor."""
        if not self.ending:
            self.item.set_waiting(why)

    # -- children -----------------------------------------------------------------
    def add_child(self, child: Child) -> None:
        self._children[child] = None
        if self.ending:
            child.stop(self.kill_after)

    def child_gone(self, child: Child) -> None:
        """Forget a child: no process of its group is left."""
        self._children.pop(child, None)

    @property
    def children(self) -> list[Child]:
        return list(self._children)

    # -- handlers of the project ----------------------------------------------------
    def project_call(
        self, worker: ProjectWorker, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        """Run a project's handler in its worker. An error fails the item."""
        size = len(args[-1]) if args and isinstance(args[-1], (str, bytes)) else 0
        if size and self.ending and self._project_backlog > PROJECT_BACKLOG:
            return  # the last output of its children, and the handlers are too far behind
        self._project_calls += 1
        self.awaits_handlers = True
        self._project_backlog += size
        if self._project_backlog > PROJECT_BACKLOG and not self.ending:
            for child in self._children:
                child.pause(self)
        worker.call_for(
            self.item, getattr(function, "__name__", "a handler"), function, *args,
            # A log handler that prints must not print to the log: it would call itself for ever.
            prints_to_item=not (args and isinstance(args[-1], str)),
            then=functools.partial(self._project_call_ended, size))

    def _project_call_ended(self, size: int, result: Any, error: BaseException | None) -> None:
        self._project_calls -= 1
        self.awaits_handlers = self._project_calls > 0
        self._project_backlog -= size
        if size and self._project_backlog <= PROJECT_BACKLOG // 2:
            for child in self._children:
                child.resume(self)
        if error is not None:
            self.item.crash(error)

    async def handlers_returned(self) -> None:
        """Wait until the project's handlers called so far have returned."""
        worker = self.item.worker
        if self._project_calls and worker is not None:
            # Jobs run in order, so the handlers have returned when this one runs.
            await worker.run_for(self.item, "a handler", _nothing)

    # -- the end ---------------------------------------------------------------
    def end(self, outcome: str) -> None:
        """End the item. Only the first call counts."""
        item = self.item
        if self.outcome is not None:
            # A call made before the item was cancelled may still arrive: no warning then.
            if self.outcome != "canceled":
                item.log_output(
                    f"Warning: {item.description()} was already {self.outcome} when it was "
                    f"reported {outcome}. It counts once.")
            return
        self.outcome = outcome
        if outcome == "canceled":
            item.only_waited = item.idle is not None and (
                item.may_be_canceled or self.is_asking_for_work)
        if self._main is not None:
            if self._has_begun:
                self.was_cancelled = self._main.cancel()
        elif self._children:
            self._main = self._loop().create_task(self.close())
        else:
            for task in self._spawned:
                task.cancel()
            self._finish()

    async def close(self) -> None:
        """Release everything, then give the item its final state. The outcome must be set."""
        self.item.set_waiting(None)
        for task in self._spawned:
            task.cancel()
        if self._spawned:
            await asyncio.wait(self._spawned)
        for child in reversed(self.children):
            child.stop(self.kill_after)
        while self._children:
            await next(iter(self._children)).gone()
        self._finish()

    async def has_closed(self) -> None:
        """Wait until a started item has its final state."""
        if self._is_started and not self.item.finished:
            waiter = self._loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def hurry(self, kill_after: float) -> None:
        """Shorten the time between TERM and KILL to ``kill_after`` seconds."""
        self.kill_after = kill_after
        if self.ending:
            for child in self.children:
                child.stop(kill_after)

    def _finish(self) -> None:
        item, outcome = self.item, self.outcome
        assert outcome is not None
        item.end_time = time.time()
        item.item_state = outcome
        for task, status in list(item.task_status.items()):
            if status == item.TaskStatus.running:
                item.set_task_status(task, outcome)
        if outcome == "failed":
            self._tell_failed()
        item.deliver_output()
        item.deliver(item.on_item_state, item, outcome)
        item.deliver({"completed": item.on_complete, "failed": item.on_fail,
                      "canceled": item.on_cancel}[outcome], item)
        item.deliver(item.on_finish, item)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _tell_failed(self) -> None:
        """Log a line for each task that the item was in, the innermost first."""
        entered = self.open_tasks()
        # A container does not log this: its inner task does, unless it was not entered.
        for task in [task for task in entered if not task.is_container] or entered[:1]:
            self.item.log_output(f"Failed {task.name} for {self.item.description()}")


def _nothing() -> None:
    """An empty job: only its place in the queue matters."""

"""What belongs to an item only while it runs, and how all of it ends with the item."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.waiting import Fault
from pipeline_core.net.backoff import Backoff

if TYPE_CHECKING:
    from pipeline_core.engine.child import Child
    from pipeline_core.engine.project_worker import ProjectWorker
    from pipeline_core.engine.waiting import Waiting
    from pipeline_core.item import Item
    from pipeline_core.net.turns import Turn
    from pipeline_core.task import Task

#: Output of a child that project handlers have not yet taken, in characters or bytes: above
#: this the child is not read any further.
PROJECT_BACKLOG = 1 << 22

#: Seconds between TERM and KILL when an item ends.
KILL_AFTER = 10.0


class ItemScope:
    """Children, timers, delays and open tasks of one item. For the loop alone."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.ending = False
        #: The last error of its code.
        self.failure: BaseException | None = None
        #: The number of the pipeline's task that the item is in.
        self.position = 0
        self.kill_after = KILL_AFTER
        self.backoffs: dict[Task, Backoff] = {}
        #: What it may ask now, or has asked last, by the task that asks; see governor.
        self.turns: dict[object, Turn] = {}
        self._open: dict[Task, bool] = {}
        self._children: set[Child] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._releases: list[Callable[[], Any]] = []
        self._project_calls = 0
        self._project_backlog = 0
        self._outcome = ""
        self.stoppable_request: asyncio.Task[None] | None = None

    # -- tasks: each is left once --------------------------------------------
    def enter(self, task: Task) -> None:
        """The item enters a task (again)."""
        self._open[task] = True

    def leave(self, task: Task) -> bool:
        """Whether the item may leave the task now; False when it has left already."""
        if self.ending or not self._open.get(task, True):
            return False
        self._open[task] = False
        return True

    def is_open(self, task: Task) -> bool:
        """Whether the item is in the task."""
        return not self.ending and self._open.get(task, False)

    # -- things that end with the item ---------------------------------------
    def at_end(self, release: Callable[[], Any]) -> None:
        """Call ``release()`` when the item ends (a slot, a request)."""
        self._releases.append(release)

    def not_at_end(self, release: Callable[[], Any]) -> None:
        if release in self._releases:
            self._releases.remove(release)

    def add_child(self, child: Child) -> None:
        self._children.add(child)
        if self.ending:
            child.stop(self.kill_after)

    def child_gone(self, child: Child) -> None:
        """Nothing is left of the child's group."""
        self._children.discard(child)
        if self.ending and not self._children:
            self._finish()

    @property
    def children(self) -> list[Child]:
        return list(self._children)

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> None:
        """Call back on the loop after ``delay`` seconds, unless the item has ended."""
        handle: asyncio.TimerHandle

        def fire() -> None:
            self._timers.discard(handle)
            self.guard(callback, *args)

        handle = self._loop().call_later(delay, fire)
        self._timers.add(handle)

    def wait(self, why: Waiting, delay: float, resume: Callable[..., Any], *args: Any) -> None:
        """Show why the item waits, and go on with ``resume(*args)`` after the delay."""
        self.item.set_waiting(why)
        self.call_later(delay, self._resume, resume, *args)

    def _resume(self, resume: Callable[..., Any], *args: Any) -> None:
        self.item.set_waiting(None)
        resume(*args)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Run a coroutine until it returns or the item ends; an error in it fails the item.
        None where the item is at its end already."""
        if self.ending:
            work.close()
            return None

        async def run() -> None:
            try:
                await work
            except Exception as error:
                if not self.ending:
                    self.item.crash(error)

        task = self._loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step has not begun to await the work.
        task.add_done_callback(lambda _: work.close())
        return task

    def show_waiting(self, why: Waiting) -> None:
        """For the governor: why the item waits for its turn."""
        if not self.ending:
            self.item.set_waiting(why)

    def cancel_request_after_stop(self, request: asyncio.Task[None]) -> None:
        """Let a stop end the item although the request is on its way (see Pipeline)."""
        self.stoppable_request = request

    def stop_request(self) -> None:
        """A stop has waited long enough for the answer: cancel the item."""
        if self._asks_to_begin() and not self.ending:
            self.item.log_output("Stopping: the tracker has not answered in time.")
            self.item.cancel()

    def _asks_to_begin(self) -> bool:
        """Whether its request for something to do has not been answered."""
        return self.stoppable_request is not None and not self.stoppable_request.done()

    def _loop(self) -> asyncio.AbstractEventLoop:
        worker = self.item.worker
        return worker.loop if worker is not None else asyncio.get_running_loop()

    # -- calls ----------------------------------------------------------------
    def guard(self, function: Callable[..., Any], *args: Any) -> None:
        """Call ``function`` unless the item has ended; an error fails the item."""
        if self.ending:
            return
        try:
            function(*args)
        except Exception as error:
            self.item.crash(error)

    def project_call(
        self, worker: ProjectWorker, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        """Run a handler of the project in its worker; an error fails the item."""
        size = len(args[-1]) if args and isinstance(args[-1], (str, bytes)) else 0
        self._project_calls += 1
        self._project_backlog += size
        if self._project_backlog > PROJECT_BACKLOG:
            for child in self._children:
                child.pause(self)
        worker.call_for(
            self.item, getattr(function, "__name__", "a handler"), function, *args,
            # A handler of the log that prints would hear itself for ever.
            prints_to_item=not (args and isinstance(args[-1], str)),
            then=functools.partial(self._project_call_ended, size))

    def _project_call_ended(self, size: int, result: Any, error: BaseException | None) -> None:
        self._project_calls -= 1
        self._project_backlog -= size
        if size and self._project_backlog <= PROJECT_BACKLOG // 2:
            for child in self._children:
                child.resume(self)
        if error is not None:
            self.item.crash(error)

    def after_handlers(self, then: Callable[..., Any], *args: Any) -> None:
        """Go on when all handlers of the project that were called have returned."""
        worker = self.item.worker
        if not self._project_calls or worker is None:
            self.guard(then, *args)
        else:
            worker.call_for(
                self.item, "a handler", _nothing,
                then=lambda result, error: self.guard(then, *args))

    # -- the end ---------------------------------------------------------------
    def end(self, outcome: str) -> None:
        """End the item: first its children's groups, then the rest. Only once."""
        if self.ending:
            if self._outcome == "canceled":
                return  # what was on its way when it was cancelled may still arrive
            self.item.log_output(
                f"Warning: {self.item.description()} ended twice: it is {self._outcome} "
                f"already, now it should be {outcome}. It counts once.")
            return
        self.ending = True
        self._outcome = outcome
        if outcome == "canceled":
            self.item.only_waited = self.item.idle is not None and (
                self.item.may_be_canceled or self._asks_to_begin())
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        self.item.set_waiting(None)
        if not self._children:
            self._finish()
            return
        for child in self.children:
            child.stop(self.kill_after)

    def hurry(self, kill_after: float) -> None:
        """End what is still being ended within ``kill_after`` seconds."""
        self.kill_after = kill_after
        for child in self.children:
            child.stop(kill_after)

    def _finish(self) -> None:
        item = self.item
        if item.finished:
            return
        item.end_time = time.time()
        item.item_state = self._outcome
        for task, status in list(item.task_status.items()):
            if status == item.TaskStatus.running:
                item.set_task_status(task, self._outcome)
        for turn in self.turns.values():
            if turn.in_use and self._outcome == "failed":
                # Else each item that follows would ask at once, and fail as this one did.
                turn.refused("The project's code failed on an answer of "
                             f"{turn.endpoint.name}.", Fault.PROJECT, "tracker-trouble")
            turn.abandoned()
        if self._outcome == "failed":
            self._tell_failed()
        releases, self._releases = self._releases, []
        for release in releases:
            release()
        item.deliver(item.on_item_state, item, item.item_state)
        named = {"completed": item.on_complete, "failed": item.on_fail,
                 "canceled": item.on_cancel}
        item.deliver(named[self._outcome], item)
        item.deliver(item.on_finish, item)

    def _tell_failed(self) -> None:
        """A line for each task that the item was in, the innermost first."""
        entered = [task for task, is_open in reversed(self._open.items()) if is_open]
        # A container leaves it to the task inside, unless that has not been entered.
        for task in [task for task in entered if not task.is_container] or entered[:1]:
            self.item.log_output(f"Failed {task.name} for {self.item.description()}")


def _nothing() -> None:
    """A job whose turn in the queue is all that matters."""

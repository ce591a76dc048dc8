"""The event loop as project code sees it from its worker.

In a worker, ``IOLoop.instance()`` returns a stand-in. A callback scheduled with it is passed to
the shared loop, whose own methods may only be called on the loop's thread. When the callback is
due, it runs in the worker again, for the same item.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from tornado.platform.asyncio import BaseAsyncIOLoop

from pipeline_core.engine.calls import contained, start_contained
from pipeline_core.engine.project_code import current_item, report_failure

if TYPE_CHECKING:
    from pipeline_core.engine.project_worker import ProjectWorker
    from pipeline_core.item import Item


class Scheduled:
    """One scheduled call; ``cancel()`` works from any thread."""

    def __init__(
        self, worker: ProjectWorker, callback: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        self._worker = worker
        self._callback = callback
        self._args = args
        self._item: Item | None = current_item.get()
        if self._item is not None:
            self._item.scope.asked_for += 1
        self._cancelled = False
        self._timer: asyncio.Handle | None = None

    def start(self, delay: float) -> None:
        """On the loop: start the timer."""
        if self._cancelled:
            return
        loop = self._worker.loop
        self._timer = loop.call_later(delay, self.run) if delay > 0 else loop.call_soon(self.run)

    def start_soon(self) -> None:
        """From any thread: run it as soon as the worker is free."""
        self._worker.post(self.start, 0)

    def run(self) -> None:
        """On the loop: the call is due."""
        if not self._cancelled:
            self._worker.call_for(self._item, "a scheduled callback", self._call)

    def _call(self) -> None:
        if self._cancelled:
            return
        result = self._callback(*self._args)
        if not inspect.iscoroutine(result):
            return
        frame = result.cr_frame
        if frame is not None and str(frame.f_globals.get("__name__")).startswith("tornado."):
            # Tornado's PeriodicCallback wraps the project's function in such a coroutine.
            asyncio.run(result)
        else:
            self._worker.post(run_coroutine, self._worker, self._item, result)

    def cancel(self) -> None:
        self._cancelled = True
        self._worker.post(self._stop_timer)

    def cancelled(self) -> bool:
        return self._cancelled

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def run_coroutine(
    worker: ProjectWorker, item: Item | None, coroutine: Coroutine[Any, Any, Any]
) -> None:
    """Run an ``async def`` of project code on the loop, for an item."""
    token = current_item.set(item)
    try:
        task = start_contained(worker.loop, coroutine)
    finally:
        current_item.reset(token)

    def ended(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None:
            failure = task.exception()
            assert failure is not None
            report_failure(item, "a coroutine", failure)

    task.add_done_callback(ended)


class WorkerLoop(asyncio.AbstractEventLoop):
    """The part of asyncio's loop that makes sense from a worker's thread."""

    def __init__(self, worker: ProjectWorker) -> None:
        self.worker = self._worker = worker
        self._watches: dict[tuple[int, bool], _Watch] = {}
        WorkerIOLoop(asyncio_loop=self)

    def time(self) -> float:
        return self._worker.loop.time()

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        return self.call_later(0, callback, *args)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        return self.call_later(0, callback, *args)

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        scheduled = Scheduled(self._worker, callback, args)
        self._worker.post(scheduled.start, delay)
        return scheduled

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        return self.call_later(when - self.time(), callback, *args)

    def create_task(self, coro: Any, **kwargs: Any) -> Any:
        item = current_item.get()
        future = asyncio.run_coroutine_threadsafe(contained(coro), self._worker.loop)

        def ended(future: concurrent.futures.Future[Any]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                report_failure(item, "a coroutine", error)

        future.add_done_callback(ended)
        return future

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._worker.loop)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        pool = executor or concurrent.futures.ThreadPoolExecutor(1)
        return pool.submit(func, *args)

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:  # type: ignore[override]
        self._watch(fd, callback, args, write=False)

    def add_writer(self, fd: Any, callback: Any, *args: Any) -> None:  # type: ignore[override]
        self._watch(fd, callback, args, write=True)

    def remove_reader(self, fd: Any) -> bool:
        return self._unwatch(fd, write=False)

    def remove_writer(self, fd: Any) -> bool:
        return self._unwatch(fd, write=True)

    def _watch(self, fd: int, callback: Any, args: tuple[Any, ...], *, write: bool) -> None:
        self._unwatch(fd, write=write)
        watch = _Watch(self._worker, fd, functools.partial(callback, *args), write=write)
        self._watches[fd, write] = watch
        self._worker.post(watch.start)

    def _unwatch(self, fd: int, *, write: bool) -> bool:
        watch = self._watches.pop((fd, write), None)
        if watch is not None:
            watch.removed = True
            self._worker.post(watch.stop)
        return watch is not None

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._worker.closed or self._worker.loop.is_closed()

    def stop(self) -> None:
        raise RuntimeError("A project must not stop the loop: other projects share it.")

    def run_forever(self) -> None:
        raise RuntimeError("The loop is already running; schedule callbacks with it instead.")

    def run_until_complete(self, future: Any) -> Any:
        raise RuntimeError("The loop is already running; use asyncio.run() for your own loop.")

    def close(self) -> None:
        raise RuntimeError("A project must not close the loop: other projects share it.")


class _Watch:
    """A file descriptor whose handler runs in the worker; it is not watched meanwhile."""

    def __init__(
        self, worker: ProjectWorker, fd: int, callback: Callable[[], Any], *, write: bool
    ) -> None:
        self._worker = worker
        self._fd = fd
        self._callback = callback
        self._item = current_item.get()
        loop = worker.loop
        self._add = loop.add_writer if write else loop.add_reader
        self._remove = loop.remove_writer if write else loop.remove_reader
        self.removed = False

    def start(self) -> None:
        if not self.removed:
            self._add(self._fd, self._ready)

    def stop(self) -> None:
        self._remove(self._fd)

    def _ready(self) -> None:
        self.stop()
        self._worker.call_for(
            self._item, "a handler of a file", self._callback, then=self._handled)

    def _handled(self, result: Any, failure: BaseException | None) -> None:
        if failure is not None:
            report_failure(self._item, "a handler of a file", failure)
        else:
            self.start()


class WorkerIOLoop(BaseAsyncIOLoop):
    """What ``IOLoop.instance()`` returns in a worker."""

    def _run_callback(self, callback: Callable[[], Any]) -> Any:
        # Tornado would only log an error here; the worker must see it to fail the item.
        return callback()

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.asyncio_loop.call_soon(functools.partial(callback, *args, **kwargs))

    def add_future(self, future: Any, callback: Callable[..., Any]) -> None:
        # The future may be completed on any thread; the callback belongs to this item.
        scheduled = Scheduled(self.asyncio_loop.worker, callback, (future,))  # type: ignore[attr-defined]
        future.add_done_callback(lambda _: scheduled.start_soon())

    def _make_current(self) -> None:
        """Do nothing: this loop is current in its worker only."""


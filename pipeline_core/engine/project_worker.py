"""The worker: the thread that runs the project code of one loaded pipeline.

Code that a project's file defines runs in that project's worker; the toolkit's own code runs
on the loop. A worker runs one job at a time, in the order they arrive. So project code never
runs twice at once, and may block for minutes.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline_core.engine.child import Children
from pipeline_core.engine.printing import Sink, prints_to
from pipeline_core.engine.project_code import current_item, report_failure
from pipeline_core.engine.worker_loop import WorkerLoop
from pipeline_core.engine.worker_thread import Then, WorkerThread, settle

if TYPE_CHECKING:
    from pipeline_core.item import Item

_CLONE_FS = 0x200

#: Where a thread cannot have its own working directory, the workers take turns with the
#: directory of the process.
_shared_directory = threading.Lock()

_this_thread = threading.local()


def this_worker() -> ProjectWorker | None:
    """Return the worker that runs on this thread; None on any other thread."""
    return getattr(_this_thread, "worker", None)


class Busy(NamedTuple):
    """What a worker does now: for which item, its label, and since when (monotonic)."""

    item: Item | None
    label: str
    since: float


class ProjectWorker(WorkerThread):
    """The thread of one loaded pipeline; its working directory is the project's folder.

    ``own_directory=False`` behaves as if the system refused a directory per thread (macOS and
    Docker's default seccomp profile do). Then all workers share one lock, and each job starts
    with a chdir.
    """

    def __init__(
        self,
        name: str,
        directory: str,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        children: Children | None = None,
        own_directory: bool = True,
    ) -> None:
        super().__init__(name, loop)
        self.directory = os.path.abspath(directory)
        self.children = children or Children(self.loop)
        self.busy: Busy | None = None
        self.closed = False
        self._want_own_directory = own_directory
        self._has_own_directory = False

    # -- on the loop ---------------------------------------------------------
    def run_for(
        self,
        item: Item | None,
        label: str,
        function: Callable[..., Any],
        *args: Any,
        cwd: str | None = None,
        sink: Sink | None = None,
    ) -> asyncio.Future[Any]:
        """Run ``function(*args)`` for ``item``; the future gets its result or error.

        What the function prints goes to ``sink`` if given, else to the item's log, else to the
        process's standard output. A SystemExit arrives as NotAnException, because a project
        must not end the process. If the future is cancelled before the function starts, the
        function does not run.
        """
        ready: asyncio.Future[Any] = self.loop.create_future()
        self._put((item, label, function, args, functools.partial(settle, ready), cwd,
                   sink or _log_of(item), ready))
        return ready

    def call_for(
        self,
        item: Item | None,
        label: str,
        function: Callable[..., Any],
        *args: Any,
        then: Then | None = None,
        prints_to_item: bool = True,
    ) -> None:
        """Run ``function(*args)`` for ``item`` without waiting, then call
        ``then(result, error)`` on the loop. Without ``then``, an error fails the item."""
        if then is None:
            then = functools.partial(_report, item, label)
        sink = _log_of(item) if prints_to_item else None
        self._put((item, label, function, args, then, None, sink, None))

    def call(self, function: Callable[..., Any], *args: Any, then: Then | None = None) -> None:
        self.call_for(None, self.name, function, *args, then=then)

    def close(self) -> None:
        self.closed = True
        super().close()

    # -- on the thread -------------------------------------------------------
    def set_busy(self, item: Item, label: str) -> None:
        """Record which part of its work the running job has reached."""
        self.busy = Busy(item, label, time.monotonic())

    def _main(self) -> None:
        _this_thread.worker = self
        self._has_own_directory = self._want_own_directory and _unshare_directory()
        worker_loop = WorkerLoop(self)  # type: ignore[abstract]  # only a part is implemented
        if self._has_own_directory:
            os.chdir(self.directory)
        while (job := self._next_job()) is not None:
            # Set before each job: project code that calls asyncio.run() removes the loop.
            asyncio.set_event_loop(worker_loop)
            if self._has_own_directory:
                self._run(job)
            else:
                with _shared_directory:
                    self._run(job)

    def _run(self, job: tuple[Any, ...]) -> None:
        item, label, function, args, then, cwd, sink, ready = job
        if ready is not None and ready.cancelled():
            return
        self.busy = Busy(item, label, time.monotonic())
        token = current_item.set(item)
        result, failure = None, None
        try:
            os.chdir(cwd or self.directory)
            if sink is None:
                result = function(*args)
            else:
                with prints_to(sink):
                    result = function(*args)
        except BaseException as error:
            # SystemExit as well: sys.exit() in project code is an error of the project.
            failure = error
        finally:
            current_item.reset(token)
            self.busy = None
        self.post(then, result, failure)


def _log_of(item: Item | None) -> Sink | None:
    return None if item is None else functools.partial(item.log_output, full_line=False)


def _report(item: Item | None, label: str, result: Any, failure: BaseException | None) -> None:
    if failure is not None:
        report_failure(item, label, failure)


def _unshare_directory() -> bool:
    """Give this thread its own working directory. Return False where that is refused."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_FS) == 0)
    except (AttributeError, OSError):
        return False

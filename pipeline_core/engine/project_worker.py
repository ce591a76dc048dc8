"""The thread in which one loaded pipeline's own code runs.

The rule: code that a project's file defines runs in that project's worker; code of ours runs
on the loop. A worker does one thing at a time, first come, first served, so a project's code
never runs twice at once, and may block for minutes.
"""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import functools
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.child import Children
from pipeline_core.engine.printing import Sink, prints_to
from pipeline_core.engine.project_code import current_item, report_failure
from pipeline_core.engine.worker_loop import WorkerLoop
from pipeline_core.engine.worker_thread import Then, WorkerThread, settle

if TYPE_CHECKING:
    from pipeline_core.item import Item

_CLONE_FS = 0x200

#: Where a thread cannot have a working directory of its own, one project's code at
#: a time has the process's.
_shared_directory = threading.Lock()

_this_thread = threading.local()


def this_worker() -> ProjectWorker | None:
    """The worker whose thread this is; None elsewhere."""
    return getattr(_this_thread, "worker", None)


@dataclasses.dataclass(frozen=True)
class Busy:
    """What a worker does now: for which item, under what name, since when (monotonic)."""

    item: Item | None
    label: str
    since: float


class ProjectWorker(WorkerThread):
    """The thread of one loaded pipeline, with the project's folder as its own.

    ``own_directory=False`` does as if the system refused that (as Docker's default seccomp
    profile does, and macOS): then one lock over all workers, and chdir on entry.
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
        """Run ``function(*args)`` for ``item``: await what it returns or raises.

        What it prints goes to the item's log; without an item to ``sink``, or nowhere special.
        NotAnException stands for a SystemExit: a project must not end the process. When the
        future is cancelled before the function has begun, it does not begin.
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
        """Run ``function(*args)`` for ``item`` without waiting for it, then
        ``then(result, error)`` on the loop. Without ``then`` an error fails the item."""
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
    def does(self, item: Item, label: str) -> None:
        """Note that the running job has come to another part of its work."""
        self.busy = Busy(item, label, time.monotonic())

    def _main(self) -> None:
        _this_thread.worker = self
        self._has_own_directory = self._want_own_directory and _unshare_directory()
        worker_loop = WorkerLoop(self)  # type: ignore[abstract]  # as much of it as is meant
        if self._has_own_directory:
            os.chdir(self.directory)
        while True:
            job = self._jobs.get()
            if job is None:
                return
            # Project code that called asyncio.run() has removed it.
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
            # SystemExit as well: sys.exit() in a project's code is an error of it.
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
    """Give this thread a working directory of its own; False where that is refused."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_FS) == 0)
    except (AttributeError, OSError):
        return False

"""The thread in which one loaded pipeline's own code runs.

The rule: code that a project's file defines runs in that project's worker; code
of ours runs on the loop. A worker does one thing at a time, first come first
served, so a project's code never runs twice at once, and may block for minutes.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import dataclasses
import functools
import logging
import os
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.printing import Sink, prints_to
from pipeline_core.engine.worker_thread import Then, WorkerThread

if TYPE_CHECKING:
    from pipeline_core.engine.child import Children
    from pipeline_core.item import Item

logger = logging.getLogger(__name__)

#: The item for which the running code works; a callback remembers it by this.
current_item: contextvars.ContextVar[Item | None] = contextvars.ContextVar(
    "current_item", default=None)

_OURS = frozenset({"pipeline_core", "warrior", "tornado", "asyncio", "functools", "concurrent"})
_CLONE_FS = 0x200

#: Where a thread cannot have a working directory of its own, one project's code at
#: a time has the process's.
_shared_directory = threading.Lock()

_this_thread = threading.local()


def this_worker() -> ProjectWorker | None:
    """The worker whose thread this is; None elsewhere."""
    return getattr(_this_thread, "worker", None)


def is_project_code(function: Any) -> bool:
    """Whether project code defined this function: told by where it was defined.

    Partials and bound methods are looked through; what is written in C is ours.
    """
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType):
            function = function.__func__
        elif isinstance(function, types.FunctionType):
            name = function.__globals__.get("__name__") or ""
            return name.partition(".")[0] not in _OURS
        elif isinstance(function, type):
            return function.__module__.partition(".")[0] not in (*_OURS, "builtins")
        elif isinstance(function, (types.BuiltinFunctionType, types.MethodDescriptorType)):
            return False
        else:
            function = getattr(type(function), "__call__", None)  # noqa: B004  (its code is wanted)
            if not isinstance(function, types.FunctionType):
                return False


@dataclasses.dataclass(frozen=True)
class Busy:
    """What a worker does now: for which item, under what name, since when (monotonic)."""

    item: Item | None
    label: str
    since: float


class ProjectWorker(WorkerThread):
    """The thread of one loaded pipeline, with the project's folder as its own.

    ``own_directory=False`` does as if the system refused that (as Docker's default
    seccomp profile does, and macOS): then one lock over all workers, and chdir on
    entry.
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
        from pipeline_core.engine.child import Children

        super().__init__(name, loop)
        self.directory = os.path.abspath(directory)
        self.children = children or Children(self.loop)
        self.busy: Busy | None = None
        self.closed = False
        self._want_own_directory = own_directory
        self._has_own_directory = False

    # -- on the loop ---------------------------------------------------------
    def call_for(
        self,
        item: Item | None,
        label: str,
        function: Callable[..., Any],
        *args: Any,
        then: Then | None = None,
        cwd: str | None = None,
        sink: Sink | None = None,
        prints_to_item: bool = True,
    ) -> None:
        """Queue ``function(*args)`` for ``item``; what it prints goes to the item's log.

        Without an item it goes to ``sink``, or nowhere special. SystemExit, too, is
        handed to ``then`` as an error: a project must not end the process.
        """
        if sink is None and item is not None and prints_to_item:
            sink = functools.partial(item.log_output, full_line=False)
        self._put((item, label, function, args, then, cwd, sink))

    def call(self, function: Callable[..., Any], *args: Any, then: Then | None = None) -> None:
        self.call_for(None, self.name, function, *args, then=then)

    def close(self) -> None:
        self.closed = True
        super().close()

    def on_loop(self) -> bool:
        """Whether the caller runs on the thread of the loop."""
        return threading.get_ident() == self.loop_thread

    # -- on the thread -------------------------------------------------------
    def _main(self) -> None:
        from pipeline_core.compat.worker_loop import WorkerLoop

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
        item, label, function, args, then, cwd, sink = job
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
        self.post(_finish, item, label, then, result, failure)


def _finish(
    item: Item | None, label: str, then: Then | None, result: Any, failure: BaseException | None
) -> None:
    if then is not None:
        then(result, failure)
    elif failure is not None:
        report_failure(item, label, failure)


def report_failure(item: Item | None, label: str, failure: BaseException) -> None:
    """Fail the item that the failing code worked for; without one, tell the log."""
    if item is not None:
        item.crash(failure)
    else:
        logger.error("%s failed", label, exc_info=failure)


def _unshare_directory() -> bool:
    """Give this thread a working directory of its own; False where that is refused."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_FS) == 0)
    except (AttributeError, OSError):
        return False

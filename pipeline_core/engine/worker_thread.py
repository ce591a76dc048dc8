"""A thread that runs jobs one after another, and posts calls back to the loop.

The toolkit's own code runs on the loop. Work that could block it (project code, slow disks)
becomes a job of such a thread; ``await thread.run(function, ...)`` waits for the job.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import functools
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from pipeline_core.engine.quiet import warnings_ignored

logger = logging.getLogger(__name__)

#: The most posted calls that run in one turn of the loop, so that other callbacks get a turn.
POSTS_A_TURN = 256

#: The most characters or bytes that may wait for the loop. Callers that post more wait.
MOST_POSTED = 4 << 20

#: Seconds that posted calls may wait while a job runs. A job that is done sooner wakes the loop
#: once: two threads that wake each other for every call spend most of their time on that.
QUICK_JOB = 0.002

T = TypeVar("T")
Then = Callable[[Any, "BaseException | None"], None]


class NotAnException(Exception):
    """Wraps an error that is not an Exception (SystemExit), which must not reach the loop;
    ``error`` is the original."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(repr(error))
        self.error = error


def original(error: BaseException) -> BaseException:
    """Return the wrapped error of a NotAnException, else the error itself."""
    return error.error if isinstance(error, NotAnException) else error


def this_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this thread: the running one, else the one that Tornado will run."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    from tornado.ioloop import IOLoop

    # Some Python versions warn when this creates the loop; creating it is intended here.
    with warnings_ignored(DeprecationWarning):
        loop: asyncio.AbstractEventLoop = IOLoop.current().asyncio_loop  # type: ignore[attr-defined]
    return loop


def settle(ready: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    """Give a future its result or its error, unless it is done (cancelled) already."""
    if ready.done():
        return
    if error is None:
        ready.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        ready.set_exception(error)
    else:
        ready.set_exception(NotAnException(error))


class WorkerThread:
    """One daemon thread with a queue of jobs. Create it on the thread of the loop.

    The thread starts with the first job. It is never joined: code that does not return must
    not keep the process from ending.
    """

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.name = name
        self.loop = loop or this_loop()
        self.loop_thread = threading.get_ident()
        self._jobs: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._new_jobs: list[tuple[Any, ...] | None] = []
        self._posts: collections.deque[tuple[int, Callable[..., Any], tuple[Any, ...]]] = (
            collections.deque())
        self._woken = False
        #: Whether a posted call wakes the loop at once; not in the first moments of a job.
        self._wakes = True
        self._is_watched = False
        self._posted = 0
        self._counting = threading.Lock()
        self._room = threading.Event()
        # Posted calls must not run with the context variables of their caller.
        self._context = contextvars.Context()
        self._thread: threading.Thread | None = None

    # -- on the loop ---------------------------------------------------------
    def run(self, function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run ``function(*args)`` on the thread; the future gets its result or error."""
        ready: asyncio.Future[T] = self.loop.create_future()
        self.call(function, *args, then=functools.partial(settle, ready))
        return ready

    def call(self, function: Callable[..., Any], *args: Any, then: Then | None = None) -> None:
        """Run ``function(*args)`` on the thread, then call ``then(result, error)`` on the loop."""
        self._put((function, args, then))

    def _put(self, job: tuple[Any, ...]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name=self.name, daemon=True)
            self._thread.start()
        # Jobs of one turn of the loop are handed over together, so that the thread does not wake
        # for the first while the loop is still busy with what leads to the others.
        self._new_jobs.append(job)
        if self.loop.is_closed():
            self._hand_over()
        elif len(self._new_jobs) == 1:
            self.loop.call_soon(self._hand_over, context=self._context)

    def _hand_over(self) -> None:
        if not self._is_watched and not self.loop.is_closed():
            self._is_watched = True
            self.loop.call_later(QUICK_JOB, self._watched, context=self._context)
        self._wakes = not self._is_watched
        for job in self._new_jobs:
            self._jobs.put(job)
        self._new_jobs.clear()

    def _watched(self) -> None:
        """The job is not quick: deliver what it has posted, and from now on each call at once."""
        self._is_watched = False
        self._wakes = True
        if self._posts:
            self._deliver()

    def close(self) -> None:
        """Let the thread end after its queued jobs. Returns at once."""
        if self._thread is not None:
            self._new_jobs.append(None)
            # At once, because the loop may have ended.
            self._hand_over()

    @property
    def alive(self) -> bool:
        """Whether the thread has started and not ended."""
        return self._thread is not None and self._thread.is_alive()

    def on_loop(self) -> bool:
        """Whether the caller runs on the thread of the loop."""
        return threading.get_ident() == self.loop_thread

    # -- from any thread -----------------------------------------------------
    def post(self, function: Callable[..., Any], *args: Any, size: int = 0) -> None:
        """Run ``function(*args)`` on the loop, after all calls posted before.

        ``size`` is the length of the text in ``args``. When more than MOST_POSTED waits for the
        loop, this blocks until the loop has caught up.
        """
        if size:
            if self._posted > MOST_POSTED:
                self._wait_for_room()
            with self._counting:
                self._posted += size
        self._posts.append((size, function, args))
        # Both flags are changed before the loop looks at the queue, so no post is ever missed.
        if self._wakes and not self._woken:
            self._wake()

    def _wake(self) -> None:
        """From any thread: make the loop deliver what has been posted."""
        self._woken = True
        # A closed loop runs no more calls.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._deliver, context=self._context)

    def _wait_for_room(self) -> None:
        # The timeout is for a loop that is closed meanwhile: it takes no more calls.
        while self._posted > MOST_POSTED and not self.on_loop() and not self.loop.is_closed():
            self._room.clear()
            self._wake()
            if self._posted > MOST_POSTED:
                self._room.wait(0.5)

    def _deliver(self) -> None:
        self._woken = False
        posts = self._posts
        delivered = 0
        for _ in range(POSTS_A_TURN):
            if not posts:
                break
            size, function, args = posts.popleft()
            delivered += size
            try:
                function(*args)
            except Exception:
                logger.exception("A call from %s failed", self.name)
        if delivered:
            with self._counting:
                self._posted -= delivered
            self._room.set()
        if posts and not self._woken:
            self._woken = True
            self.loop.call_soon(self._deliver, context=self._context)

    # -- on the thread -------------------------------------------------------
    def _main(self) -> None:
        while (job := self._next_job()) is not None:
            self._run(job)

    def _next_job(self) -> tuple[Any, ...] | None:
        """Wait for the next job; None when the thread has to end."""
        # The jobs in the queue are run first, so that the loop is woken once for all of them.
        if self._posts and not self._woken and self._jobs.empty():
            self._wake()
        job = self._jobs.get()
        if job is None and self._posts and not self._woken:
            self._wake()
        return job

    def _run(self, job: tuple[Any, ...]) -> None:
        function, args, then = job
        result: Any = None
        failure: BaseException | None = None
        try:
            result = function(*args)
        except BaseException as error:
            # SystemExit as well: it is passed to the waiting caller, and the thread continues.
            failure = error
        if then is not None:
            self.post(then, result, failure)
        elif failure is not None:
            logger.error("A job of %s failed", self.name, exc_info=failure)

"""A thread that does one job after the other, and a way back to the loop.

Everything of ours runs on the loop. What has to run elsewhere (a project's own
code, work on slow disks) is a job of a mailbox; what comes of it is posted back
and runs on the loop in the order in which it was posted.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import logging
import queue
import threading
import warnings
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

#: Posted calls that run in one turn of the loop; others get their turn in between.
POSTS_A_TURN = 256

Then = Callable[[Any, "BaseException | None"], None]


def this_loop() -> asyncio.AbstractEventLoop:
    """The loop of this thread: the one that runs, else the one that Tornado will run."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    from tornado.ioloop import IOLoop

    with warnings.catch_warnings():
        # Some Pythons warn where the loop is made now; that is what is meant here.
        warnings.simplefilter("ignore", DeprecationWarning)
        loop: asyncio.AbstractEventLoop = IOLoop.current().asyncio_loop  # type: ignore[attr-defined]
    return loop


class WorkerThread:
    """One daemon thread with a queue of jobs; made on the thread of the loop.

    The thread starts with the first job. It is never joined: code that does not
    return must not keep the process from ending.
    """

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.name = name
        self.loop = loop or this_loop()
        self.loop_thread = threading.get_ident()
        self._jobs: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._posts: collections.deque[tuple[Callable[..., Any], tuple[Any, ...]]] = (
            collections.deque())
        self._woken = False
        # What is posted must not run with the context variables of who posted it.
        self._context = contextvars.Context()
        self._thread: threading.Thread | None = None

    # -- on the loop ---------------------------------------------------------
    def call(self, function: Callable[..., Any], *args: Any, then: Then | None = None) -> None:
        """Run ``function(*args)`` on the thread, then ``then(result, error)`` on the loop."""
        self._put((function, args, then))

    def _put(self, job: tuple[Any, ...]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name=self.name, daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def close(self) -> None:
        """Let the thread end after the jobs that it has; returns at once."""
        if self._thread is not None:
            self._jobs.put(None)

    @property
    def alive(self) -> bool:
        """Whether the thread runs (it has begun and not ended)."""
        return self._thread is not None and self._thread.is_alive()

    # -- from any thread -----------------------------------------------------
    def post(self, function: Callable[..., Any], *args: Any) -> None:
        """Run ``function(*args)`` on the loop, after all that was posted before."""
        self._posts.append((function, args))
        # The loop clears the flag before it looks: a post can be late, never lost.
        if not self._woken:
            self._woken = True
            # A loop that has been closed has nobody left to tell.
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._deliver, context=self._context)

    def _deliver(self) -> None:
        self._woken = False
        posts = self._posts
        for _ in range(POSTS_A_TURN):
            if not posts:
                return
            function, args = posts.popleft()
            try:
                function(*args)
            except Exception:
                logger.exception("A call from %s failed", self.name)
        if not self._woken:
            self._woken = True
            self.loop.call_soon(self._deliver, context=self._context)

    # -- on the thread -------------------------------------------------------
    def _main(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            self._run(job)

    def _run(self, job: tuple[Any, ...]) -> None:
        function, args, then = job
        result, failure = None, None
        try:
            result = function(*args)
        except Exception as error:
            failure = error
        if then is not None:
            self.post(then, result, failure)
        elif failure is not None:
            logger.error("A job of %s failed", self.name, exc_info=failure)

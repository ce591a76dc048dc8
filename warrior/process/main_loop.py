"""Runs a program's loop, and ends the process even if threads do not return."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any


def run_to_end(main: Callable[[], Coroutine[Any, Any, int]], close: Callable[[], object]) -> int:
    """Run ``main()``, then ``close()`` in any case; the exit status that ``main()`` returns.

    asyncio.run() would wait, possibly for ever, for threads that look up a name or run a project's
    code.
    """
    # Switch threads sooner, so that the page answers while a project computes.
    sys.setswitchinterval(0.002)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        status = loop.run_until_complete(main())
        loop.run_until_complete(_cancel_the_rest())
    finally:
        close()
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    if not _threads_are_left():
        loop.close()
    return status


def leave(status: int) -> int:
    """Return the status; if threads are left, which would keep the process alive, end it here."""
    if _threads_are_left():
        os._exit(status)
    return status


def _threads_are_left() -> bool:
    return any(thread is not threading.main_thread() for thread in threading.enumerate())


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=1.0)

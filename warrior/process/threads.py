"""Calls of functions that block, awaited on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pipeline_core.engine.worker_thread import WorkerThread

T = TypeVar("T")


def run_on(thread: WorkerThread, function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
    """What ``function(*args)`` returns or raises on the thread, which does one job at a time."""
    done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def then(result: Any, error: BaseException | None) -> None:
        if done.done():
            return  # nobody waits any more
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    thread.call(function, *args, then=then)
    return done


async def uninterrupted(awaitable: Awaitable[T]) -> T:
    """Wait for it to the end; a cancellation that comes meanwhile is passed on afterwards."""
    task = asyncio.ensure_future(awaitable)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        if not task.cancelled():
            # Looked at, so that asyncio does not complain of it; the cancellation counts.
            task.exception()
        raise asyncio.CancelledError
    return task.result()


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Call the function in a thread, and do not go on before it has returned."""
    return await uninterrupted(asyncio.to_thread(function, *args))

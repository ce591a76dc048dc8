"""Calls functions that block, from the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def uninterrupted(awaitable: Awaitable[T]) -> T:
    """Wait until it is done, even if cancelled meanwhile; raise the cancellation afterwards."""
    task = asyncio.ensure_future(awaitable)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        if not task.cancelled():
            # Retrieve the exception, so that asyncio does not log it: the cancellation counts.
            task.exception()
        raise asyncio.CancelledError
    return task.result()


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Call the function in a thread, and wait until it has returned even if cancelled."""
    return await uninterrupted(asyncio.to_thread(function, *args))

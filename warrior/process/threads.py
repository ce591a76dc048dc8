"""Calls of functions that block, awaited on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


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

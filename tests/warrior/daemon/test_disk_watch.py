"""Claims stop before the disk is full."""

from __future__ import annotations

import asyncio
import errno

from pipeline_core.engine.waiting import Fault, Waiting
from warrior.daemon.disk_watch import DiskWatch


def test_low_until_there_is_clearly_room_again() -> None:
    """Below the limit no item is begun, and not just above it either; trouble counts as low."""
    free: list[int | OSError] = [1000, 99, 110, 126, OSError(errno.EIO, "gone"), 1000]
    held: list[Waiting | None] = []

    async def now() -> int:
        value = free.pop(0)
        if isinstance(value, OSError):
            raise value
        return value

    async def look() -> None:
        watch = DiskWatch(now, 100, held.append)
        while free:
            await watch.check_once()

    asyncio.run(look())
    assert [why is not None for why in held] == [False, True, True, False, True, False]
    assert held[1] is not None and held[1].fault is Fault.MACHINE
    assert "nearly full" in held[1].reason and held[4] is not None and "gone" in held[4].reason

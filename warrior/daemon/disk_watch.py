"""Holds back new items before the disk is full. Items at work continue; nothing is deleted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from pipeline_core.engine.waiting import Fault, Waiting

logger = logging.getLogger(__name__)

#: Seconds between two checks.
INTERVAL = 15.0
#: Factor: after a shortage, new items resume only when the limit times this is free, to avoid
#: flapping.
HYSTERESIS = 1.25


class DiskWatch:
    """Calls ``hold(why)`` when no new item may start, ``hold(None)`` when one may again.

    ``free()`` returns the free bytes on the disk of the items' folders, or raises OSError;
    ``least`` is the limit in bytes.
    """

    def __init__(
        self, free: Callable[[], Awaitable[int]], least: int,
        hold: Callable[[Waiting | None], object], *, interval: float = INTERVAL,
    ) -> None:
        self._free = free
        self._least = least
        self._hold = hold
        self._interval = interval
        self._low = False

    async def run(self) -> None:
        """Check every ``interval`` seconds, until cancelled."""
        while True:
            await self.check_once()
            await asyncio.sleep(self._interval)

    async def check_once(self) -> None:
        """Compare the free space with the limit, and call ``hold``."""
        try:
            free = await self._free()
        except OSError as error:
            self._set(True, f"The data folder cannot be read ({error}), so no new items start.")
            return
        limit = self._least * (HYSTERESIS if self._low else 1.0)
        self._set(free < limit, (
            f"The disk is nearly full: {_size(free)} are free, and a new item needs at least "
            f"{_size(self._least)}. No new items start, uploads continue. Make room on the disk."))

    def _set(self, low: bool, reason: str) -> None:
        if low != self._low:
            logger.warning("%s", reason if low else "The disk has enough room again.")
        self._low = low
        self._hold(Waiting(reason, Fault.MACHINE, time.monotonic() + self._interval, "resources")
                   if low else None)


def _size(number: int) -> str:
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:.0f} MiB"

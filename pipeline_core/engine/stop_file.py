"""The stop file: touching it stops a runner."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable

from pipeline_core.engine.worker_thread import this_loop

logger = logging.getLogger(__name__)

#: Seconds between two checks of the file.
INTERVAL = 2.0


class StopFile:
    """Calls ``touched()`` each time the file's modification time changes. A file that exists
    at the start does not stop anything."""

    def __init__(self, path: str, touched: Callable[[], object]) -> None:
        self.path = os.path.abspath(path)
        self._touched = touched
        self._mtime: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Start watching, on the loop of this thread."""
        self._loop = this_loop()
        self._mtime = self._look()
        self._later()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _later(self) -> None:
        self._timer = self._loop.call_later(INTERVAL, self._check)

    def _look(self) -> float | None:
        with contextlib.suppress(OSError):
            return os.stat(self.path).st_mtime
        return None

    def _check(self) -> None:
        mtime = self._look()
        self._later()
        if mtime is not None and mtime != self._mtime:
            logger.info("The stop file %s was touched.", self.path)
            self._touched()
        self._mtime = mtime

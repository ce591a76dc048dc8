"""A file that stops a runner when it is touched."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable

from pipeline_core.engine.worker_thread import this_loop

logger = logging.getLogger(__name__)

#: Seconds between two looks at the file.
INTERVAL = 2.0


class StopFile:
    """Calls ``touched()`` each time that the file gets another time; one that is there at
    the start does not count."""

    def __init__(self, path: str, touched: Callable[[], object]) -> None:
        self.path = os.path.abspath(path)
        self._touched = touched
        self._mtime: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Begin to look, on the loop of this thread."""
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

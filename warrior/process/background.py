"""Keeps tasks alive that nobody awaits, and logs their errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


class BackgroundTasks:
    """Holds the tasks, because the loop itself only has weak references to them."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], str] = {}
        self._endless: set[asyncio.Task[Any]] = set()

    def start(
        self, work: Coroutine[Any, Any, Any], name: str, *, endless: bool = False
    ) -> asyncio.Task[Any]:
        """Run a coroutine on the loop; if it fails, the log has its ``name``.

        An ``endless`` one never returns by itself, so ``close`` does not wait for it.
        """
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = name
        if endless:
            self._endless.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        name = self._tasks.pop(task)
        self._endless.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s failed", name, exc_info=task.exception())

    async def close(self, patience: float) -> None:
        """Cancel endless tasks, wait ``patience`` seconds for the others, then cancel them too."""
        for task in list(self._endless):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=patience)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=patience)

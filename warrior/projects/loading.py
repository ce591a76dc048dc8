"""Loads versions of projects, but never while other code of the same project is stuck."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline_core.engine.loader import LoadedPipeline, LoadError, load_pipeline

if TYPE_CHECKING:
    from pipeline_core.engine.project_worker import ProjectWorker
    from warrior.checkout.checkout import Version
    from warrior.settings.settings import Settings

#: Code that has not returned for so many seconds counts as stuck: its project is not loaded again
#: until it returns. Code of a closed version has less to finish.
STUCK_AFTER, STUCK_AFTER_CLOSE = 600.0, 60.0


class Loader:
    """Loads versions, on the loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loading: dict[str, asyncio.Future[LoadedPipeline]] = {}
        self._workers: dict[str, list[ProjectWorker]] = {}

    async def load(
        self, version: Version, on_output: Callable[[str], object], downloader: str = ""
    ) -> LoadedPipeline:
        """Execute the version's pipeline.py, after any earlier load of the project.

        ``downloader`` is a fixed name that replaces the setting. Raises LoadError.
        """
        name = version.project
        while (earlier := self._loading.get(name)) is not None:
            await asyncio.wait({earlier})
        self._refuse_beside_stuck(name)
        load = asyncio.ensure_future(load_pipeline(
            os.path.join(version.path, "pipeline.py"), downloader or self._settings.downloader,
            remembered=self._settings.remembered(name), on_output=on_output))
        self._loading[name] = load
        load.add_done_callback(lambda done: self._loading.pop(name))
        # The caller may be cancelled, but the thread cannot be stopped.
        loaded = await asyncio.shield(load)
        self._workers.setdefault(name, []).append(loaded.worker)
        return loaded

    def _refuse_beside_stuck(self, name: str) -> None:
        self._workers[name] = [one for one in self._workers.get(name, []) if one.alive]
        now = time.monotonic()
        for worker in self._workers[name]:
            busy = worker.busy
            limit = STUCK_AFTER_CLOSE if worker.closed else STUCK_AFTER
            if busy is not None and now - busy.since > limit:
                raise LoadError(
                    f"The project's code in {busy.label} has not returned for "
                    f"{(now - busy.since) / 60:.0f} minutes.",
                    advice="The project is loaded again when that code returns. If it never "
                           "returns, restart the warrior.")

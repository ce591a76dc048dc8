"""Loads versions of projects, and never beside code of the same project that is stuck."""

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

#: Code that has not returned for so many seconds may never do; until it does, its project
#: is not loaded again. Code whose project has been dropped has less to finish.
STUCK_AFTER, STUCK_AFTER_CLOSE = 600.0, 60.0


class Loader:
    """``load(version, on_output)``; on the loop."""

    def __init__(self, settings: Settings, *, own_directory: bool = True) -> None:
        self._settings = settings
        self._own_directory = own_directory
        self._loading: dict[str, asyncio.Future[LoadedPipeline]] = {}
        self._workers: dict[str, list[ProjectWorker]] = {}

    async def load(
        self, version: Version, on_output: Callable[[str], object], downloader: str = ""
    ) -> LoadedPipeline:
        """Execute the version's pipeline.py. Raises LoadError.

        ``downloader`` is a name to use for good, in the place of the setting. Waits for an
        earlier load of the project that has not returned.
        """
        name = version.project
        while (earlier := self._loading.get(name)) is not None:
            await asyncio.wait({earlier})
        self._refuse_beside_stuck(name)
        load = asyncio.ensure_future(load_pipeline(
            os.path.join(version.path, "pipeline.py"), downloader or self._settings.downloader,
            remembered=self._settings.remembered(name), on_output=on_output,
            own_directory=self._own_directory))
        self._loading[name] = load
        load.add_done_callback(lambda done: self._loading.pop(name))
        # Who waits may go; the thread cannot.
        loaded = await asyncio.shield(load)
        self._workers.setdefault(name, []).append(loaded.worker)
        return loaded

    def _refuse_beside_stuck(self, name: str) -> None:
        workers = [worker for worker in self._workers.get(name, []) if worker.alive]
        self._workers[name] = workers
        now = time.monotonic()
        for worker in workers:
            busy = worker.busy
            limit = STUCK_AFTER_CLOSE if worker.closed else STUCK_AFTER
            if busy is not None and now - busy.since > limit:
                raise LoadError(
                    f"The project's code in {busy.label} has not returned for "
                    f"{(now - busy.since) / 60:.0f} minutes.",
                    advice="It is not loaded again until that returns. If it never returns, "
                           "restart the warrior.")

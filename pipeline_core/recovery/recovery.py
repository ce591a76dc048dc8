"""Resumes the items that earlier processes have sealed: uploads, reports and removes them.

Items that cannot be resumed are kept, and shown with the reason (:attr:`Keeper.kept`).
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING

from pipeline_core.engine.loader import LoadedPipeline, LoadError
from pipeline_core.engine.project_worker import ProjectWorker
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.recovery.resume import (
    make_item,
    obstacle,
    pipeline_mismatch,
    plain_pipeline,
)
from pipeline_core.recovery.sealed_item import State, remove_manifest

if TYPE_CHECKING:
    from pipeline_core.engine.concurrency_limiter import ConcurrencyLimiter
    from pipeline_core.item import Item
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.recovery.keeper import Keeper
    from pipeline_core.recovery.sealed_item import Sealed
    from pipeline_core.runner import Runner

logger = logging.getLogger(__name__)

#: Resumed items go first: no items are claimed for at most this many seconds. Longer uploads then
#: continue beside new items.
HEAD_START = 600.0

#: Why no items are claimed meanwhile.
FIRST = Waiting("Uploading the items that an earlier run finished, before new ones start.",
                Fault.NOBODY, None, "queue")

#: The names of item folders: those of the warrior, and those of run-pipeline.
_ITEM_ID = re.compile(r"[0-9a-f]{8}(w[0-9a-f]{8}-[0-9]+|[0-9a-f]{12})-[0-9]+")

#: Loads the code of a record's version. Raises LoadError.
Load = Callable[["Sealed"], Awaitable[LoadedPipeline]]


class Recovery:
    """Resumes sealed items.

    ``runner_for(project)`` returns a started runner. ``unload(loaded)`` is called when the last
    item of a loaded pipeline has ended (None: other items use the pipeline too).

    ``settled`` is set while no resumed item could end soon: each has ended, is kept, or waits
    for a time or a server.
    """

    def __init__(
        self, keeper: Keeper, data_dir: str, *, keep_data: bool,
        runner_for: Callable[[str], Runner], load: Load,
        unload: Callable[[LoadedPipeline], object] | None,
        limiters: MutableMapping[str, ConcurrencyLimiter],
    ) -> None:
        self.items: dict[str, Item] = {}
        self.settled = asyncio.Event()
        self.settled.set()
        self._keeper = keeper
        self._data_dir = data_dir
        self._keep_data = keep_data
        self._runner_for = runner_for
        self._load = load
        self._unload = unload
        self._limiters = limiters
        self._worker: ProjectWorker | None = None
        self._preparing: set[str] = set()
        self._loaded: dict[Pipeline, LoadedPipeline] = {}
        self._starting: set[Pipeline] = set()
        self._closing: set[asyncio.Future[None]] = set()

    # -- state -------------------------------------------------------------------------
    def waiting(self) -> list[Waiting]:
        """Return why resumed items wait."""
        return [item.waiting for item in self.items.values() if item.waiting is not None]

    def pipelines(self) -> dict[Pipeline, str]:
        """Return the pipelines of the resumed items, and the project of each."""
        return {item.pipeline: item.seal.sealed.project for item in self.items.values()
                if item.seal is not None}

    # -- the work ----------------------------------------------------------------------
    async def go_first(self, records: Iterable[Sealed]) -> None:
        """Resume these items. Returns when none of them could end soon, or after HEAD_START."""
        async def settle() -> None:
            await asyncio.shield(self.begin(records))
            await self.settled.wait()

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(settle(), HEAD_START)

    async def begin(self, records: Iterable[Sealed]) -> None:
        """Resume these items. Returns when each is at work or kept."""
        records = [sealed for sealed in records if sealed.item_id not in self.items
                   and sealed.item_id not in self._preparing]
        self._preparing.update(sealed.item_id for sealed in records)
        self._update_settled()
        with_code: dict[tuple[str, str, str], list[Sealed]] = collections.defaultdict(list)
        for sealed in records:
            self._keeper.take_up(sealed.item_id)
            if not await self._prepare(sealed):
                self._preparing.discard(sealed.item_id)
            elif sealed.plain:
                if self._worker is None:
                    self._worker = ProjectWorker("worker of resumed items", self._data_dir)
                self._start(sealed, plain_pipeline(sealed, self._worker, self._limiters))
            else:
                with_code[sealed.project, sealed.version, sealed.downloader].append(sealed)
        await asyncio.gather(*map(self._begin_with_code, with_code.values()))
        self._update_settled()

    async def _prepare(self, sealed: Sealed) -> bool:
        """Return whether the item can be resumed. If not, it is kept, or forgotten when done."""
        why: str | None
        try:
            why = await self._keeper.files.run(self._examine, sealed)
        except OSError as error:
            why = f"Its files cannot be read: {error}."
        if why is None:
            logger.info("Nothing is left to do for %s.", sealed.describe())
            self._keeper.journal.forget(sealed.item_id)
            self._keeper.unlock(sealed.item_id)
        elif why:
            self._keep(sealed, why)
        return why == ""

    def _examine(self, sealed: Sealed) -> str | None:
        """On the thread: return an obstacle; '' without one; None when nothing is left to do."""
        place = os.path.dirname(sealed.folder)
        if not os.path.isdir(sealed.folder) and os.path.isdir(place) and (
                sealed.state is State.SEALED or not sealed.plain):
            logger.error("The files of %s were removed from %s before they were uploaded. The "
                         "item cannot be resumed.", sealed.describe(), place)
            return None
        if sealed.over and sealed.state is not State.SEALED:
            inside = os.path.join(os.path.realpath(self._data_dir), "")
            # Only item folders are removed: projects keep files of their own beside them.
            if (os.path.realpath(sealed.folder).startswith(inside)
                    and _ITEM_ID.fullmatch(sealed.item_id)):
                if self._keep_data:
                    remove_manifest(sealed.folder)
                elif os.path.isdir(sealed.folder):
                    shutil.rmtree(sealed.folder)
            return None
        return obstacle(sealed, self._data_dir)

    async def _begin_with_code(self, records: list[Sealed]) -> None:
        """Resume all items of one version of a project's code."""
        try:
            loaded = await self._load(records[0])
        except LoadError as error:
            for sealed in records:
                self._keep(sealed, f"It needs its project's code, which is not available: {error}")
            return
        pipeline = loaded.pipeline
        if self._unload is not None:
            self._loaded[pipeline] = loaded
        self._starting.add(pipeline)
        for sealed in records:
            why = await self._keeper.files.run(pipeline_mismatch, sealed, pipeline)
            if why:
                self._keep(sealed, why)
            else:
                self._start(sealed, pipeline)
        self._starting.discard(pipeline)
        self._unload_unused(pipeline)

    def _start(self, sealed: Sealed, pipeline: Pipeline) -> None:
        runner = self._runner_for(sealed.project)
        if not runner.may_resume:
            self._keep(sealed, "It was stopped.")
            return
        item, position = make_item(pipeline, sealed, self._keeper, self._keep_data)
        self.items[item.item_id] = item
        self._preparing.discard(item.item_id)
        item.on_waiting += lambda item, waiting: self._update_settled()
        runner.on_pipeline_finish_item += self._ended
        logger.info("Resuming %s of %s.", sealed.describe(), sealed.project or "this folder")
        self._keeper.queue.enter(sealed.item_id, sealed.size)
        runner.resume_item(item, position)

    def _ended(self, runner: Runner, pipeline: Pipeline, item: Item) -> None:
        if self.items.pop(item.item_id, None) is None:
            return  # an item that the runner started itself
        self._unload_unused(pipeline)
        self._update_settled()

    def _unload_unused(self, pipeline: Pipeline) -> None:
        if pipeline in self._loaded and pipeline not in (*self._starting, *self.pipelines()):
            closing = asyncio.ensure_future(self._clean_up(self._loaded.pop(pipeline)))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _clean_up(self, loaded: LoadedPipeline) -> None:
        assert self._unload is not None
        await loaded.pipeline.clean_up()
        self._unload(loaded)

    def _keep(self, sealed: Sealed, why: str) -> None:
        logger.warning("%s of %s is kept in %s. %s", sealed.describe(),
                       sealed.project or "this folder", sealed.folder, why)
        self._preparing.discard(sealed.item_id)
        self._keeper.keep(sealed, why)
        self._update_settled()

    def _update_settled(self) -> None:
        if self._preparing or any(item.waiting is None or item.waiting.next_try is None
                                  for item in self.items.values()):
            self.settled.clear()
        else:
            self.settled.set()

    def close(self) -> None:
        """Kill the processes that uploads have left running."""
        if self._worker is not None:
            self._worker.children.kill_all()
            self._worker.children.close()
            self._worker.close()


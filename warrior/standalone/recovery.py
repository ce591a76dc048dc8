"""The journal of run-pipeline, in the pipeline's data folder. Several processes may share it, so
each locks the items that it works on; items that nobody works on are reported, or resumed."""

from __future__ import annotations

import asyncio
import glob
import hashlib
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline_core.engine.loader import LoadedPipeline, LoadError
from pipeline_core.recovery.journal import Journal, JournalUnusable
from pipeline_core.recovery.keeper import Keeper
from pipeline_core.recovery.recovery import FIRST, Recovery
from pipeline_core.recovery.sealer import Sealer

if TYPE_CHECKING:
    from pipeline_core.recovery.sealed_item import Sealed
    from pipeline_core.runner import Runner

logger = logging.getLogger(__name__)

#: The file in the data folder. Projects may keep their own files beside it.
JOURNAL = ".journal.db"
#: The most items that are named.
NAMED = 10
#: Seconds that the journal may take at the end.
PATIENCE = 5.0

_WITH_RESUME = "by a run with --resume"


class PipelineRecovery:
    """Call :meth:`look` before the runner is started, :meth:`begin` after that."""

    def __init__(
        self, loaded: LoadedPipeline, runner: Runner, downloader: str,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._loaded = loaded
        self._runner = runner
        self._downloader = downloader
        self._project = os.path.realpath(loaded.path)
        self._version = ""
        self._data_dir = str(loaded.pipeline.data_dir)
        self._keeper = Keeper(
            Journal(os.path.join(self._data_dir, JOURNAL), self._item_folders, loop,
                    shared=True),
            locks=True, next_try=_WITH_RESUME)
        self._keeper.queue.on_full += lambda why: runner.hold(why, "queue")
        self._records: list[Sealed] = []
        self._recovery: Recovery | None = None
        self._work: asyncio.Task[None] | None = None

    async def look(self, resume: bool) -> None:
        """Find the items that earlier runs have left; without ``resume``, only report them. Raises
        JournalTooNew."""
        self._version = await asyncio.to_thread(_version, self._loaded.path)
        self._loaded.pipeline.sealer = Sealer(
            self._keeper, self._project, self._version, lambda: self._downloader)
        journal = self._keeper.journal
        try:
            found = await asyncio.to_thread(self._lock, await journal.read())
            if found:
                # Leave out the items that another process has finished meanwhile.
                records = await journal.read()
                found = [item_id for item_id in found if item_id in records]
        except JournalUnusable as error:
            logger.warning("%s", error)
            return
        for folder in journal.unreadable:
            logger.warning("The finished files in %s are kept, but the record of how to upload "
                           "them can no longer be read.", folder)
        self._records = [journal.records[item_id] for item_id in found]
        if self._records and not resume:
            names = ", ".join(sealed.describe() for sealed in self._records[:NAMED])
            more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
            logger.warning(
                "Earlier runs left finished items that are not reported yet: %s%s. Use --resume to "
                "upload and report them.", names, more)
            for sealed in self._records:
                self._keeper.unlock(sealed.item_id)
            self._records = []

    def begin(self) -> None:
        """Resume the found items before a new item starts."""
        if not self._records:
            return
        self._runner.hold(FIRST, "recovery")
        self._recovery = Recovery(
            self._keeper, self._data_dir, keep_data=self._runner.keep_data,
            runner_for=lambda project: self._runner, load=self._load, unload=None, limiters={})
        self._work = asyncio.get_running_loop().create_task(self._resume(self._recovery))

    async def _resume(self, recovery: Recovery) -> None:
        try:
            await recovery.go_first(self._records)
        finally:
            self._runner.hold(None, "recovery")

    async def close(self) -> None:
        """Report the kept items, and close the journal."""
        if self._work is not None:
            self._work.cancel()
        if self._recovery is not None:
            self._recovery.close()
        for kept in self._keeper.kept.values():
            logger.warning("The finished item %s is kept in %s. %s It is resumed %s.",
                           kept.sealed.describe(), kept.sealed.folder, kept.why, _WITH_RESUME)
        await self._keeper.close(PATIENCE)

    async def _load(self, sealed: Sealed) -> LoadedPipeline:
        if (sealed.project, sealed.version) != (self._project, self._version):
            raise LoadError(f"it was finished by another version of the code ({sealed.project}). "
                            "Resume it with that version.")
        if sealed.downloader != self._downloader:
            raise LoadError(f"it was downloaded as {sealed.downloader}. Resume it under that name.")
        return self._loaded

    # -- on a thread -------------------------------------------------------------------
    def _lock(self, records: dict[str, Sealed]) -> list[str]:
        """Lock the items that nobody works on, and return their ids. An item whose folder is gone
        needs no lock."""
        mine = []
        for item_id, sealed in records.items():
            try:
                if self._keeper.lock(item_id, sealed.folder):
                    mine.append(item_id)
            except OSError:
                mine.append(item_id)
        return mine

    def _item_folders(self) -> Iterator[str]:
        try:
            with os.scandir(self._data_dir) as entries:
                yield from [entry.path for entry in entries
                            if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return


def _version(path: str) -> str:
    """Return a digest of the Python files in the pipeline's folder, as the version of the code."""
    digest = hashlib.blake2b(digest_size=20)
    folder = glob.escape(os.path.dirname(path))
    for file in sorted({path, *glob.glob(os.path.join(folder, "*.py"))}):
        digest.update(os.path.basename(file).encode("utf-8", "surrogateescape") + b"\0")
        with open(file, "rb") as source:
            digest.update(source.read() + b"\0")
    return digest.hexdigest()

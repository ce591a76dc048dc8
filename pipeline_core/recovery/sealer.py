"""Seals items: before the upload task, an item's files are synced to disk and the item is
recorded in the journal. From then on a crash loses nothing.

    claimed → working → sealed → uploading → uploaded → acknowledged → gone
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.calls import call
from pipeline_core.engine.seal import Seal
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net.backoff import Backoff
from pipeline_core.recovery import description
from pipeline_core.recovery.keeper import Keeper
from pipeline_core.recovery.sealed_files import first_missing, sync_folders, take_files
from pipeline_core.recovery.sealed_item import Sealed, State, remove_manifest, write_manifest
from pipeline_core.tracker import SendDoneToTracker

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.task import Task


class Sealer:
    """Seals the items of one loaded pipeline and records their progress. For the loop only.

    ``version`` identifies the pipeline's code; ``downloader()`` returns the volunteer's name.
    """

    def __init__(
        self, keeper: Keeper, project: str, version: str, downloader: Callable[[], str]
    ) -> None:
        self.keeper = keeper
        self.project = project
        self.version = version
        self._downloader = downloader
        #: The tasks of the pipeline, and their names as they were at the first seal.
        self._tasks: list[Task] = []
        self._steps: tuple[str, ...] = ()

    # -- called by the engine --------------------------------------------------------
    def wants(self, position: int, item: Item) -> bool:
        """Return whether the item must be sealed before the task at this position."""
        if item.seal is not None and item.seal.position == position:
            return False
        task = item.pipeline.tasks[position]
        return isinstance(task, description.UPLOADS) or (
            hasattr(task, "inner_task") and description.upload_in(task) is not None)

    def seal_before(self, position: int, item: Item) -> Coroutine[Any, Any, None]:
        """Seal the item. From then on, a crash loses nothing of it."""
        top = item.pipeline.tasks[position]
        upload = description.upload_in(top)
        assert upload is not None
        plain, done = description.plain_tail(item.pipeline, position, upload)
        return self._seal(item, position, top, upload, done, plain)

    async def seal_at_start(self, upload: Task, item: Item) -> None:
        """Seal the item when an upload starts that could not be foreseen."""
        position = item.scope.position
        if item.seal is None or item.seal.position != position:
            await self._seal(item, position, upload, upload, None, False)

    async def left(self, position: int, item: Item) -> None:
        """Record that a sealed item has left a task."""
        seal = item.seal
        assert seal is not None
        if position == seal.position:
            state = State.UPLOADED
        elif any([isinstance(task, SendDoneToTracker)
                  for task in description.chain(item.pipeline.tasks[position])]):
            state = State.ACKNOWLEDGED
        else:
            return
        write = functools.partial(
            self.keeper.journal.advance, item.item_id, state, seal.next_after(position))
        try:
            await asyncio.shield(write())
        except Exception as error:
            await self._write_again(item, write, error)

    def ended(self, item: Item) -> bool:
        """Handle the end of the item. Return whether its folder is kept for another try."""
        assert item.seal is not None
        self.keeper.queue.leave(item.item_id)
        if item.completed:
            return False
        journal = self.keeper.journal
        sealed = journal.records.get(item.item_id)
        why = "It was stopped."
        if not item.canceled:
            failed = [task for task, status in item.task_status.items()
                      if status == item.TaskStatus.failed]
            last = failed[-1] if failed else item.pipeline.tasks[item.scope.position]
            why = f"It failed in {last}."
            if sealed is not None:
                journal.note_trouble(item.item_id, why)
            if item.scope.failure is not None:
                # Not in the journal: the message of an error may contain anything.
                why = f"{why[:-1]}: {item.scope.failure or type(item.scope.failure).__name__}"
        self.keeper.keep(sealed or item.seal.sealed, why)
        item.log_output(f"Its files are kept in {item.seal.sealed.folder}; the item will be "
                        f"resumed {self.keeper.next_try}.")
        return True

    def clear(self, item: Item) -> None:
        """Remove the folder of an item that is done. Blocks; raises OSError."""
        assert item.seal is not None
        # The manifest goes first: a folder that cannot be removed must not look sealed.
        remove_manifest(item.seal.sealed.folder)
        item.clear_data_directory()

    def gone(self, item: Item) -> None:
        """Forget an item that is done, and whose folder was removed (or kept on request)."""
        self.keeper.journal.forget(item.item_id)
        self.keeper.unlock(item.item_id)

    async def missing_file(self, item: Item) -> str:
        """Return a sealed file that is missing now; '' when all are there, or when the disk
        cannot be read."""
        assert item.seal is not None
        try:
            missing: str = await self.keeper.files.run(first_missing, item.seal.sealed)
        except OSError:
            return ""
        return missing

    # -- sealing ---------------------------------------------------------------------
    async def _seal(
        self, item: Item, position: int, top: Task, upload: Task, done: Any, plain: bool
    ) -> None:
        if description.runs_project_code(upload, done, top):
            found = await call(item, top, description.describe, item, top, upload, done, plain,
                               in_worker=True)
        else:
            found = description.describe(item, top, upload, done, plain)
        if found is None:
            return
        fields, paths = found
        if self._tasks != item.pipeline.tasks:
            self._tasks = list(item.pipeline.tasks)
            self._steps = tuple([str(task) for task in self._tasks])
        sealed = Sealed(
            item_id=item.item_id, number=item.item_number, name=str(item.get("item_name", "")),
            project=self.project, version=self.version, folder="", position=position,
            steps=self._steps, files=(), sealed_at=time.time(), next=position,
            downloader=str(fields["upload"].get("downloader") or self._downloader()), **fields)
        backoff: Backoff | None = None
        while True:
            taking = self.keeper.files.run(
                _take_files, self.keeper, sealed, str(item["data_dir"]), paths)
            try:
                sealed = await asyncio.shield(taking)
                break
            except asyncio.CancelledError:
                # The thread continues. The record of an earlier seal must stay.
                if item.seal is None:
                    taking.add_done_callback(functools.partial(self._take_back, item))
                raise
            except Exception as error:
                backoff = backoff or _new_backoff()
                await self._wait(
                    item, f"The item's files cannot be synced to disk: {error}.", backoff)
        # From here on the record may be on the disk, so the item's end must keep the files.
        item.seal = Seal(sealed, position)
        write = functools.partial(self.keeper.journal.seal, sealed)
        try:
            await asyncio.shield(write())
        except Exception as error:
            await self._write_again(item, write, error)
        count, size = len(sealed.files), sealed.size
        self.keeper.queue.enter(sealed.item_id, size)
        item.pipeline.on_seal_item(item)
        item.log_output(f"Sealed: {count} file{'' if count == 1 else 's'}, {size:,} "
                        "bytes, kept until they are uploaded and reported")

    def _take_back(self, item: Item, taking: asyncio.Future[Sealed]) -> None:
        """Remove what the thread writes for an item that was abandoned meanwhile: the next start
        must not take it for a sealed item."""
        if not taking.cancelled():
            taking.exception()  # retrieved, so that asyncio does not log it
        self.keeper.files.call(
            _remove_traces, item, then=lambda result, error: self.keeper.unlock(item.item_id))

    async def _write_again(
        self, item: Item, write: Callable[[], asyncio.Future[None]], error: Exception
    ) -> None:
        """Try a write that has failed again until it is on the disk. As at the first time, it is
        not undone when the item ends meanwhile."""
        backoff = _new_backoff()
        while True:
            await self._wait(
                item, f"The journal of finished items cannot be written: {error}.", backoff)
            try:
                await asyncio.shield(write())
                return
            except Exception as again:
                error = again

    async def _wait(self, item: Item, reason: str, backoff: Backoff) -> None:
        delay = backoff.next_delay()
        backoff.grow()
        item.log_output(f"{reason} Trying again after {delay:.0f} seconds...")
        await item.scope.wait(
            Waiting(reason, Fault.MACHINE, time.monotonic() + delay, "resources"), delay)


def _new_backoff() -> Backoff:
    return Backoff(2.0, factor=2.0, maximum=60.0)


def _take_files(keeper: Keeper, sealed: Sealed, folder: str, paths: Iterable[str]) -> Sealed:
    """Sync the files and their folders to disk. Return the record with them. Blocks."""
    folder = os.path.realpath(folder)
    files, whole = take_files(paths)
    sealed = dataclasses.replace(
        sealed, folder=folder, files=files,
        upload={**sealed.upload, "folders": whole} if whole else dict(sealed.upload))
    if not keeper.lock(sealed.item_id, folder):
        raise OSError(f"another process has locked {folder}")
    write_manifest(sealed)
    sync_folders(folder, files)
    return sealed


def _remove_traces(item: Item) -> None:
    """Remove what :func:`_take_files` has written for an item that was abandoned. Blocks."""
    folder = str(item["data_dir"])
    remove_manifest(folder)
    if not item.keep_data:
        # The manifest may have been written while the folder was being removed.
        with contextlib.suppress(OSError):
            os.rmdir(folder)

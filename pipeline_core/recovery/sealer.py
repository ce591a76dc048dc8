"""Seals items: before the task that uploads, their files are brought to the disk and they
are noted in the journal. From there on a crash loses nothing.

    claimed → working → sealed → uploading → uploaded → acknowledged → gone
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net.backoff import Backoff
from pipeline_core.recovery import description
from pipeline_core.recovery.keeper import Keeper
from pipeline_core.recovery.sealed_files import first_missing, sync_folders, take_files
from pipeline_core.recovery.sealed_item import Sealed, State, remove_manifest, write_manifest

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.task import Task


@dataclasses.dataclass
class Seal:
    """An item's record, and the number that its position has in the item's own pipeline."""

    sealed: Sealed
    position: int

    def next_after(self, position: int) -> int:
        """The position behind this one, as the journal counts."""
        return self.sealed.position + position - self.position + 1


class Sealer:
    """Seals the items of one loaded pipeline, and notes how far they are. All on the loop.

    ``version`` names the pipeline's code, ``downloader()`` who works.
    """

    def __init__(
        self, keeper: Keeper, project: str, version: str, downloader: Callable[[], str]
    ) -> None:
        self.keeper = keeper
        self.project = project
        self.version = version
        self._downloader = downloader

    # -- what the pipeline asks ------------------------------------------------------
    def wants(self, position: int, item: Item) -> bool:
        """Whether the item is to be sealed before the task at this position."""
        return (not (item.seal is not None and item.seal.position == position)
                and description.upload_in(item.pipeline.tasks[position]) is not None)

    def seal_before(self, position: int, item: Item, then: Callable[[], Any]) -> None:
        """Seal the item, then go on."""
        top = item.pipeline.tasks[position]
        upload = description.upload_in(top)
        assert upload is not None
        plain, done = description.plain_tail(item.pipeline, position, upload)
        self._seal(item, position, top, upload, done, plain, then)

    def seal_at_start(self, upload: Task, item: Item, then: Callable[[], Any]) -> None:
        """An upload starts that could not be seen beforehand: seal now, if that is not done."""
        position = item.scope.position
        if item.seal is not None and item.seal.position == position:
            then()
        else:
            self._seal(item, position, upload, upload, None, False, then)

    def left(self, position: int, item: Item, then: Callable[[], Any]) -> None:
        """The item has left a task behind its seal: note what that means, then go on."""
        seal = item.seal
        assert seal is not None
        if position == seal.position:
            state = State.UPLOADED
        elif description.done_in(item.pipeline.tasks[position]) is not None:
            state = State.ACKNOWLEDGED
        else:
            then()
            return
        write = functools.partial(
            self.keeper.journal.advance, item.item_id, state, seal.next_after(position))
        self._until_written(item, write, then)

    def ended(self, item: Item) -> bool:
        """The item has ended: whether its folder is kept for a next try."""
        assert item.seal is not None
        self.keeper.queue.leave(item.item_id)
        if item.completed:
            return False
        journal = self.keeper.journal
        why = "It was stopped." if item.canceled else f"It failed in {_last_task(item)}."
        sealed = journal.records.get(item.item_id)
        if sealed is not None and not item.canceled:
            journal.note_trouble(item.item_id, why)
        if item.scope.failure is not None and not item.canceled:
            # Not into the journal: what an error says may hold anything.
            why = f"{why[:-1]}: {item.scope.failure or type(item.scope.failure).__name__}"
        self.keeper.keep(sealed or item.seal.sealed, why)
        item.log_output(f"Its files are kept in {item.seal.sealed.folder}; it is carried on "
                        f"{self.keeper.next_try}.")
        return True

    def clear(self, item: Item) -> None:
        """Remove the folder of an item that is done. Blocks; raises OSError."""
        assert item.seal is not None
        # First of all: a folder that cannot be removed must not look like a sealed item.
        remove_manifest(item.seal.sealed.folder)
        item.clear_data_directory()

    def gone(self, item: Item) -> None:
        """The item is over, and its folder has been removed (or stays, as was wished)."""
        self.keeper.journal.forget(item.item_id)
        self.keeper.unlock(item.item_id)

    def look_for_files(
        self, item: Item, there: Callable[[], Any], missing: Callable[[], Any]
    ) -> None:
        """After a failed upload: ``missing()`` where a file is gone, so that it is not tried for
        ever; else ``there()``."""
        def looked(gone: Any, error: BaseException | None) -> None:
            if error is None and gone:
                item.log_output(f"{gone} is missing: the upload is given up.")
                item.scope.guard(missing)
            else:
                item.scope.guard(there)

        assert item.seal is not None
        self.keeper.files.call(first_missing, item.seal.sealed, then=looked)

    # -- sealing ---------------------------------------------------------------------
    def _seal(self, item: Item, position: int, top: Task, upload: Task, done: Any, plain: bool,
              then: Callable[[], Any]) -> None:
        def described(description: description.Description | None) -> None:
            if description is None:
                then()
            else:
                self._take_files(item, self._record(item, position, description),
                                 description.paths, position, then)

        top._hook(item, description.describe, item, top, upload, done, plain, then=described,
                  runs_project_code=description.runs_project_code(upload, done, top))

    def _record(
        self, item: Item, position: int, description: description.Description
    ) -> Sealed:
        return Sealed(
            item_id=item.item_id, number=item.item_number, name=str(item.get("item_name", "")),
            project=self.project, version=self.version, folder="", position=position,
            steps=tuple(str(task) for task in item.pipeline.tasks),
            downloader=str(description.upload.get("downloader") or self._downloader()),
            upload=description.upload, done=description.done, plain=description.plain, files=(),
            properties=description.properties, lost=description.lost,
            lost_attributes=description.lost_attributes, sealed_at=time.time(), next=position)

    def _take_files(self, item: Item, sealed: Sealed, paths: Iterable[str], position: int,
                    then: Callable[[], Any], backoff: Backoff | None = None) -> None:
        backoff = backoff or Backoff(2.0, factor=2.0, maximum=60.0)
        folder = str(item["data_dir"])

        def taken(complete: Any, error: BaseException | None) -> None:
            if item.scope.ending:
                self.keeper.unlock(item.item_id)
                return
            if error is not None:
                again = functools.partial(
                    self._take_files, item, sealed, paths, position, then, backoff)
                self._wait(item, f"Its files cannot be brought to the disk: {error}.", backoff,
                           again)
                return
            self._commit(item, complete, position, then)

        self.keeper.files.call(_take_files, self.keeper, sealed, folder, paths, then=taken)

    def _commit(
        self, item: Item, sealed: Sealed, position: int, then: Callable[[], Any]
    ) -> None:
        # From here on the record may be on the disk: an end in between keeps the files.
        item.seal = Seal(sealed, position)

        def go_on() -> None:
            count = len(sealed.files)
            self.keeper.queue.enter(sealed.item_id, sealed.size)
            item.pipeline.on_seal_item(item)
            item.log_output(f"Sealed: {count} file{'' if count == 1 else 's'}, {sealed.size:,} "
                            "bytes, kept until they are uploaded and reported")
            then()

        self._until_written(item, functools.partial(self.keeper.journal.seal, sealed), go_on)

    def _until_written(
        self, item: Item, write: Callable[[Any], Any], then: Callable[[], Any],
        backoff: Backoff | None = None,
    ) -> None:
        backoff = backoff or Backoff(2.0, factor=2.0, maximum=60.0)

        def written(error: Exception | None) -> None:
            if error is None:
                item.scope.guard(then)
            elif not item.scope.ending:
                self._wait(item, f"The journal of finished items cannot be written: {error}.",
                           backoff,
                           functools.partial(self._until_written, item, write, then, backoff))

        write(written)

    def _wait(
        self, item: Item, reason: str, backoff: Backoff, again: Callable[[], Any]
    ) -> None:
        delay = backoff.next_delay()
        backoff.grow()
        item.log_output(f"{reason} Trying again after {delay:.0f} seconds...")
        item.scope.wait(Waiting(reason, Fault.MACHINE, time.monotonic() + delay, "resources"),
                       delay, again)


def _last_task(item: Item) -> str:
    failed = [str(task) for task, status in item.task_status.items()
              if status == item.TaskStatus.failed]
    return failed[-1] if failed else str(item.pipeline.tasks[item.scope.position])


def _take_files(keeper: Keeper, sealed: Sealed, folder: str, paths: Iterable[str]) -> Sealed:
    """Bring the files and their folders to the disk; the record with them in it. Blocks."""
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

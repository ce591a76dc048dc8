"""The parts that all pipelines of a process share for sealing, and the items that were kept."""

from __future__ import annotations

import dataclasses
import fcntl
import os

from pipeline_core.engine.worker_thread import WorkerThread
from pipeline_core.event import Event
from pipeline_core.recovery.journal import Journal
from pipeline_core.recovery.sealed_item import Sealed
from pipeline_core.recovery.upload_queue import UploadQueue


@dataclasses.dataclass(frozen=True)
class Kept:
    """A sealed item that is not at work; ``why`` is a sentence."""

    sealed: Sealed
    why: str


class Keeper:
    """What all pipelines of a process share for sealing: the journal, and a thread for files.

    ``kept`` holds the sealed items that ended without being done; ``on_kept()`` is fired when it
    changes. ``next_try`` says when they are tried again. With ``locks``, several processes share
    the folders, so the process that works on a sealed item locks its folder (flock).
    """

    def __init__(
        self, journal: Journal, *, locks: bool = False, next_try: str = "at the next start"
    ) -> None:
        self.journal = journal
        self.files = WorkerThread("sealing", journal.loop)
        self.locks: dict[str, int] | None = {} if locks else None
        self.next_try = next_try
        self.queue = UploadQueue()
        self.kept: dict[str, Kept] = {}
        self.on_kept = Event()

    def keep(self, sealed: Sealed, why: str) -> None:
        """Keep an item that is no longer at work, and not done."""
        self.kept[sealed.item_id] = Kept(sealed, why)
        self.on_kept()

    def take_up(self, item_id: str) -> None:
        """Remove an item that is at work again from ``kept``."""
        if self.kept.pop(item_id, None) is not None:
            self.on_kept()

    def lock(self, item_id: str, folder: str) -> bool:
        """Lock an item's folder. Return False when another process has locked it. Blocks; raises
        OSError."""
        if self.locks is None or item_id in self.locks:
            return True
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            # The file system has no such locks: then processes must not share it.
            os.close(descriptor)
            return True
        self.locks[item_id] = descriptor
        return True

    def unlock(self, item_id: str) -> None:
        """Unlock an item's folder, which may be gone already."""
        if self.locks is not None and item_id in self.locks:
            os.close(self.locks.pop(item_id))

    async def close(self, patience: float) -> None:
        """Finish pending writes, for at most ``patience`` seconds."""
        self.files.close()
        await self.journal.finish(patience)

"""What all pipelines of a process share for sealing: the journal, the queue of uploads, and the
items that were kept."""

from __future__ import annotations

import dataclasses
import fcntl
import os

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.engine.worker_thread import WorkerThread
from pipeline_core.event import Event
from pipeline_core.recovery.journal import Journal
from pipeline_core.recovery.sealed_item import Sealed

#: Stop claiming at either limit: bytes, items.
MOST_BYTES, MOST_ITEMS = 16 << 30, 24
#: Claim again below this share of both limits, so that claims do not start and stop in turns.
HYSTERESIS = 0.75


class UploadQueue:
    """Limits how much may wait to be uploaded: sealed items hold no slot, so they could pile up.

    Fires ``on_full(why)`` when no item may be started, ``on_full(None)`` when items may.
    """

    def __init__(self) -> None:
        self.on_full = Event()
        self._sizes: dict[str, int] = {}
        self._full = False

    def enter(self, item_id: str, size: int) -> None:
        """Add a sealed item of ``size`` bytes."""
        self._sizes[item_id] = size
        self._measure()

    def leave(self, item_id: str) -> None:
        """Remove an item that has ended."""
        self._sizes.pop(item_id, None)
        self._measure()

    def _measure(self) -> None:
        size, count = sum(self._sizes.values()), len(self._sizes)
        factor = HYSTERESIS if self._full else 1.0
        full = size >= factor * MOST_BYTES or count >= factor * MOST_ITEMS
        if full != self._full:
            self._full = full
            self.on_full(Waiting(
                f"{count} finished items ({size / 2**30:.1f} GiB) wait to be uploaded. No new "
                "items start until some of them are.", Fault.TARGET, None, "queue")
                if full else None)


@dataclasses.dataclass(frozen=True)
class Kept:
    """A sealed item that is not at work; ``why`` is a sentence."""

    sealed: Sealed
    why: str


class Keeper:
    """The journal, a thread for files, and the queue of uploads.

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

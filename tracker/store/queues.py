"""The queues in which items wait, in the order in which they are emptied.

Items reserved for one downloader go out first, and to that downloader only. The normal queue
follows, then the secondary queue, then the redo queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracker.errors import BadValue
from tracker.names import check_downloader, shown

RESERVED, NORMAL, SECONDARY, REDO = range(4)

NUMBERS: Mapping[str, int] = {"normal": NORMAL, "secondary": SECONDARY, "redo": REDO}
"""The queues that operators name, by name."""

_NAMES_FOR_CLIENTS = {NORMAL: "todo", SECONDARY: "todo:secondary", REDO: "todo:redo"}


@dataclass(frozen=True)
class Queue:
    """One queue: its *number*, and the downloader that it is reserved for, if any."""

    number: int = NORMAL
    reserved_for: str | None = None

    @property
    def name(self) -> str:
        """The name that clients get: ``todo``, ``todo:secondary``, ``todo:d:NAME``, …"""
        return _NAMES_FOR_CLIENTS.get(self.number, f"todo:d:{self.reserved_for}")


NORMAL_QUEUE = Queue()


def queue_of(name: str | None, downloader: str | None) -> Queue | None:
    """Return the queue called *name* or reserved for *downloader*; None if neither is given.

    Raises BadValue if there is no such queue, or if both are given.
    """
    if downloader is not None:
        if name is not None:
            raise BadValue("An item waits in one queue: give a queue or a downloader, not both.")
        return Queue(RESERVED, check_downloader(downloader))
    if name is None:
        return None
    if name not in NUMBERS:
        raise BadValue(f"There is no queue {shown(name)}. The queues are {', '.join(NUMBERS)}.")
    return Queue(NUMBERS[name])

"""The queues that items wait in, in the order in which they are emptied.

What waits for one downloader goes out first, and to that one alone; then the normal queue,
the secondary, and last what is to be done again.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from tracker.errors import BadValue
from tracker.names import check_downloader, shown

RESERVED, NORMAL, SECONDARY, REDO = range(4)

NUMBERS = MappingProxyType({"normal": NORMAL, "secondary": SECONDARY, "redo": REDO})
"""The shared queues, by the name that an operator gives."""

_ON_THE_WIRE = {NORMAL: "todo", SECONDARY: "todo:secondary", REDO: "todo:redo"}


@dataclass(frozen=True)
class Queue:
    """One queue: its *number*, and for whom it is when it is one downloader's."""

    number: int = NORMAL
    reserved_for: str | None = None

    @property
    def name(self) -> str:
        """The name told to clients beside each item."""
        return wire_name(self.number, self.reserved_for)


def queue_of(name: str | None = None, downloader: str | None = None) -> Queue:
    """Return the queue called *name*, or that of *downloader*; neither: the normal one.

    Raises BadValue when there is no such queue, or both are given.
    """
    if downloader is not None:
        if name is not None:
            raise BadValue("Items wait in one queue: name a queue or a downloader, not both.")
        return Queue(RESERVED, check_downloader(downloader))
    if name is None:
        return Queue()
    if name not in NUMBERS:
        raise BadValue(f"There is no queue {shown(name)}: it is one of {', '.join(NUMBERS)}.")
    return Queue(NUMBERS[name])


def wire_name(number: int, reserved_for: str | None) -> str:
    """Return the name that clients read: ``todo``, ``todo:secondary``, ``todo:d:NAME``, …"""
    return _ON_THE_WIRE.get(number, f"todo:d:{reserved_for}")

"""Limits how much may wait to be uploaded: sealed items hold no slot, so they could pile up."""

from __future__ import annotations

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.event import Event

#: Stop claiming at either limit: bytes, items.
MOST_BYTES, MOST_ITEMS = 16 << 30, 24
#: Claim again below this share of both limits, so that claims do not start and stop in turns.
HYSTERESIS = 0.75


class UploadQueue:
    """Fires ``on_full(why)`` when no item may be started, ``on_full(None)`` when items may."""

    def __init__(self, most_bytes: int = MOST_BYTES, most_items: int = MOST_ITEMS) -> None:
        self.on_full = Event()
        self._most_bytes = most_bytes
        self._most_items = most_items
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
        full = size >= factor * self._most_bytes or count >= factor * self._most_items
        if full != self._full:
            self._full = full
            self.on_full(Waiting(
                f"{count} finished items ({size / 2**30:.1f} GiB) wait to be uploaded. No new "
                "items start until some of them are.", Fault.TARGET, None, "queue")
                if full else None)

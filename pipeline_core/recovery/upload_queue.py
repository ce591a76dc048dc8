"""How much is sealed and not yet reported. Such items hold no slot, so they must not pile up."""

from __future__ import annotations

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.event import Event

#: From so much on nothing more is claimed: bytes, items.
MOST_BYTES, MOST_ITEMS = 16 << 30, 24
#: It must be so much less before claims go on: else they would start and stop by turns.
HYSTERESIS = 0.75


class UploadQueue:
    """``on_full(why)`` when no item should be begun, ``on_full(None)`` when one may again."""

    def __init__(self, most_bytes: int = MOST_BYTES, most_items: int = MOST_ITEMS) -> None:
        self.on_full = Event()
        self._most_bytes = most_bytes
        self._most_items = most_items
        self._sizes: dict[str, int] = {}
        self._full = False

    def enter(self, item_id: str, size: int) -> None:
        """The item is on its way to be uploaded: so many bytes."""
        self._sizes[item_id] = size
        self._measure()

    def leave(self, item_id: str) -> None:
        """It has ended, however."""
        self._sizes.pop(item_id, None)
        self._measure()

    def _measure(self) -> None:
        size, count = sum(self._sizes.values()), len(self._sizes)
        factor = HYSTERESIS if self._full else 1.0
        full = size >= factor * self._most_bytes or count >= factor * self._most_items
        if full != self._full:
            self._full = full
            self.on_full(Waiting(
                f"{count} finished items ({size / 2**30:.1f} GiB) wait to be uploaded: no new one "
                "is begun before some of them are.", Fault.TARGET, None, "queue")
                if full else None)

"""The slots that rest after a failed item, so that a project that always fails starts no item after
another."""

from __future__ import annotations

import time


class RestingSlots:
    """Times until which slots rest, of ``time.monotonic()``."""

    def __init__(self) -> None:
        self._until: list[float] = []

    def add(self, seconds: float) -> None:
        """One more slot rests for this time."""
        self._until = [*self._resting(), time.monotonic() + seconds]

    def __len__(self) -> int:
        return len(self._resting()) if self._until else 0

    @property
    def next_end(self) -> float | None:
        """When the next of them may start an item; None if none rests."""
        return min(self._resting(), default=None)

    def _resting(self) -> list[float]:
        now = time.monotonic()
        return [until for until in self._until if until > now]

"""The slots that rest after a failed item."""

from __future__ import annotations

import pytest

from pipeline_core.engine.resting_slots import RestingSlots


def test_each_rests_for_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that ends is named; those that have ended do not count."""
    now = [100.0]
    monkeypatch.setattr("pipeline_core.engine.resting_slots.time.monotonic", lambda: now[0])
    slots = RestingSlots()
    assert len(slots) == 0 and slots.next_end is None
    slots.add(10)
    now[0] += 4
    slots.add(10)
    assert len(slots) == 2 and slots.next_end == 110
    now[0] += 6
    assert len(slots) == 1 and slots.next_end == 114
    slots.add(1)
    assert len(slots) == 2 and slots.next_end == 111
    now[0] += 20
    assert len(slots) == 0 and slots.next_end is None

"""What is sealed must not pile up."""

from __future__ import annotations

import pytest

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.recovery import keeper


def test_it_is_full_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told once, whose turn it is too; and once more when there is room, with some to spare."""
    told: list[Waiting | None] = []
    monkeypatch.setattr(keeper, "MOST_BYTES", 100)
    monkeypatch.setattr(keeper, "MOST_ITEMS", 4)
    queue = keeper.UploadQueue()
    queue.on_full += told.append
    for name in "abc":
        queue.enter(name, 1)
    assert told == []
    queue.enter("d", 1)
    queue.enter("e", 1)
    assert len(told) == 1 and told[0] is not None
    assert told[0].fault is Fault.TARGET and "4 finished items" in told[0].reason
    for name in "ed":
        queue.leave(name)
    assert len(told) == 1
    queue.leave("c")
    assert told[1:] == [None]
    queue.enter("large", 100)
    queue.leave("unknown")
    assert len(told) == 3 and told[2] is not None

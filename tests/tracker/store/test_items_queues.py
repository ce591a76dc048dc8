"""The queues and their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracker.errors import BadValue
from tracker.store.items import NORMAL, RESERVED, SECONDARY, Added, Queue, queue_of
from tracker.store.store import Store


def test_names() -> None:
    """A queue has a name or is reserved for a downloader."""
    assert queue_of(None, None) is None
    assert queue_of("normal", None) == Queue(NORMAL)
    assert queue_of("secondary", None) == Queue(SECONDARY)
    assert queue_of(None, "SOME-ONE") == Queue(RESERVED, "SOME-ONE")
    assert [queue_of(name, None).name for name in ("normal", "secondary", "redo")] == [
        "todo", "todo:secondary", "todo:redo",
    ]  # fmt: skip
    assert queue_of(None, "SOME-ONE").name == "todo:d:SOME-ONE"


@pytest.mark.parametrize("told", [("nope", None), ("normal", "SOME-ONE"), (None, "a b"), ("", None)])
def test_illegal_queues(told: tuple[str | None, str | None]) -> None:
    """Other names, both at once, and an illegal nickname are refused."""
    with pytest.raises(BadValue):
        queue_of(*told)


def test_emptied_in_their_order(tmp_path: Path) -> None:
    """Items reserved for the downloader come first, then normal, secondary and redo, each in the
    order of adding; nobody gets what is reserved for somebody else."""
    store = Store(tmp_path / "t")
    for queue, names in (
        (queue_of("redo", None), ["r1", "r2"]), (queue_of("secondary", None), ["s1"]),
        (queue_of(None, "ONE"), ["own1", "own2"]), (queue_of("normal", None), ["n1", "n2"]),
    ):  # fmt: skip
        store.add("p", names, queue)
    assert store.add("p", ["r1", "n3"]) == Added(1, 1)  # known: it stays in its queue
    assert [(c.name, c.queue) for c in store.claim("p", "TWO", 4)] == [
        ("n1", "todo"), ("n2", "todo"), ("n3", "todo"), ("s1", "todo:secondary"),
    ]  # fmt: skip
    assert [(c.name, c.queue) for c in store.claim("p", "ONE", 3)] == [
        ("own1", "todo:d:ONE"), ("own2", "todo:d:ONE"), ("r1", "todo:redo"),
    ]  # fmt: skip
    store.release("p", "ONE", ["own1", "r1"])
    assert [c.name for c in store.claim("p", "TWO", 9)] == ["r2", "r1"]
    assert [c.name for c in store.claim("p", "ONE", 9)] == ["own1"]
    store.close()

"""Claims that are listed and released."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tracker_server import counts
from tracker.errors import BadValue, UnknownProject
from tracker.store.claims import CHUNK, Selection
from tracker.store.items import queue_of
from tracker.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with claims: a and b by ONE an hour ago, c by ONE and d by TWO now; e waits."""
    store = Store(tmp_path / "t")
    store.add("p", ["a", "b", "c", "d", "e"])
    store.claim("p", "ONE", 2)
    store.connection.execute("UPDATE items SET claimed_at = claimed_at - 3600 WHERE state = 'out'")
    store.claim("p", "ONE", 1)
    store.claim("p", "TWO", 1)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (Selection(), "abcd"),
        (Selection(older_than=1800), "ab"),
        (Selection(older_than=7200), ""),
        (Selection(downloader="TWO"), "d"),
        (Selection(pattern="[bd]"), "bd"),
        (Selection(pattern="*"), "abcd"),
        (Selection(older_than=1800, downloader="ONE", pattern="b*"), "b"),
        (Selection(downloader="ONE' OR 1"), ""),
    ],
)
def test_chosen_by_age_downloader_and_pattern(store: Store, chosen: Selection, names: str) -> None:
    """Each part narrows the selection; the same claims are listed, oldest first, and released."""
    listed = store.claims("p", chosen)
    assert "".join(claim.name for claim in listed) == names
    assert store.requeue("p", chosen)[0] == len(names)
    assert counts(store, "p") == (1 + len(names), 4 - len(names), 0)
    assert store.claims("p", chosen) == []


def test_released_items_go_to_the_end_of_a_queue(store: Store) -> None:
    """Released items go to the end of their queue, or to the queue that was named."""
    store.requeue("p", Selection(downloader="TWO"))
    store.requeue("p", Selection(pattern="a"), queue_of("redo", None))
    store.requeue("p", Selection(pattern="b"), queue_of(None, "SIX"))
    assert [one.name for one in store.claim("p", "SIX", 9)] == ["b", "e", "d", "a"]


def test_limits(store: Store) -> None:
    """A list is as long as requested; releasing many claims takes several calls."""
    store.add("q", [f"item-{n}" for n in range(CHUNK + 5)])
    store.claim("q", "ONE", CHUNK + 5)
    assert len(store.claims("q", Selection(), 3)) == 3
    assert [store.requeue("q", Selection())[0] for _ in range(3)] == [CHUNK, 5, 0]
    assert store.claims("p", Selection())[0].claimed_at < time.time() - 3000


def test_illegal_arguments(store: Store) -> None:
    """An unknown project and an impossible age are refused."""
    with pytest.raises(UnknownProject):
        store.requeue("nope", Selection())
    for seconds in (-1.0, float("nan")):
        with pytest.raises(BadValue):
            store.claims("p", Selection(older_than=seconds))


def test_done_after_a_release_counts_once(store: Store) -> None:
    """The report of the downloader whose claim was released counts; that of the next one does
    not."""
    store.requeue("p", Selection(pattern="a"))
    assert "a" in [one.name for one in store.claim("p", "TWO", 9)]
    assert store.done("p", "ONE", ["a"], {}) == 1
    assert store.done("p", "TWO", ["a"], {}) == 0


def test_work_done_again(store: Store) -> None:
    """Selected finished items go to the redo queue in several calls, and count when they are done
    again; the first totals stay."""
    names = [f"item-{n}" for n in range(CHUNK + 5)]
    store.add("q", [*names, "good", "waits"])
    store.done("q", "ONE", names, {"bytes": {"data": 7}})
    store.done("q", "TWO", ["good"], {})
    chosen, redo = Selection(downloader="ONE", pattern="item-*"), queue_of("redo", None)
    first, last = store.requeue("q", chosen, redo, done=True)
    assert (first, store.requeue("q", chosen, redo, True, last)[0]) == (CHUNK, 5)
    assert store.requeue("q", Selection(older_than=3600), redo, done=True) == (0, 0)
    assert counts(store, "q") == (CHUNK + 6, 0, 1)
    taken = store.claim("q", "SIX", 2)
    assert [(one.name, one.queue) for one in taken] == [("waits", "todo"), ("item-0", "todo:redo")]
    assert store.item("q", "item-1").done_at is None
    assert store.done("q", "SIX", ["item-0"], {"bytes": {"data": 3}}) == 1
    assert store.done("q", "SIX", ["item-0"], {"bytes": {"data": 3}}) == 0
    rows = store.connection.execute("SELECT items, bytes FROM downloaders ORDER BY downloader")
    assert rows.fetchall() == [(CHUNK + 5, 7), (1, 3), (1, 0)]

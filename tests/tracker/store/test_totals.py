"""Totals that each report adds to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.store.store import Store
from tracker.store.totals import MINUTES_KEPT, MOST_GROUPS, OTHER, count_report, group_bytes


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store whose project ``p`` has items."""
    store = Store(tmp_path / "t")
    store.add("p", ["a", "b", "c"])
    yield store
    store.close()


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"data": 5, "log": 2.9}, {"data": 5, "log": 2}),
        ({"data": -1, "x": True, "y": "5", "z": None, "w": float("nan")}, {}),
        ({"data": float("inf")}, {"data": 1 << 50}),
        ({"data": 10**400}, {"data": 1 << 50}),
        ({"": 1, "a\nb": 2, "x" * 65: 3}, {OTHER: 6}),
        (None, {}), ([1], {}), (7, {}),
    ],
)  # fmt: skip
def test_what_counts_as_bytes(told: Any, found: dict[str, int]) -> None:
    """Numbers of bytes count by group, up to a limit; other values are left out."""
    assert group_bytes({"bytes": told}) == found
    assert group_bytes({}) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,  # what is nested is no number, however much it is
)


@given(st.dictionaries(st.text(), JSON))
def test_any_report_can_be_counted(told: dict[str, Any]) -> None:
    """Whatever a report contains, its bytes are whole numbers that the database can hold."""
    for size in group_bytes({"bytes": told}).values():
        assert isinstance(size, int) and 0 <= size < 1 << 63


def test_a_report_counts_everywhere_once(store: Store) -> None:
    """Downloader, groups, spans and project agree; a repeated report adds nothing."""
    stats = {"bytes": {"data": 10, "log": 1}}
    for _ in range(2):
        store.done("p", "ONE", ["a", "b"], stats)
    store.done("p", "TWO", ["b", "c"], {"bytes": {"data": 4}})
    assert [(r.downloader, r.items, r.bytes) for r in store.leaderboard("p")] == [
        ("ONE", 2, 11), ("TWO", 1, 4),
    ]  # fmt: skip
    assert store.groups("p") == {"data": 14, "log": 1}
    assert store.project("p").bytes == 15
    for step in (60, 3600, 86400):
        spans = store.over_time("p", time.time() - 3 * 86400, step)
        assert (sum(s.items for s in spans), sum(s.bytes for s in spans)) == (3, 15)


def test_groups_have_an_end(store: Store) -> None:
    """A client that invents a new group each time cannot fill the database."""
    for number in range(MOST_GROUPS + 20):
        count_report(store.connection, 1, "ONE", time.time(), 1, {f"group-{number}": 1})
    rows = dict(store.connection.execute("SELECT name, bytes FROM groups"))
    assert len(rows) == MOST_GROUPS + 1
    assert rows[OTHER] == 20


def test_old_minutes_go(store: Store) -> None:
    """Single minutes are deleted after two days; hours and days stay."""
    now = time.time()
    for at in (now - MINUTES_KEPT + 600, now - MINUTES_KEPT - 600, now):
        count_report(store.connection, 1, "ONE", at, 1, {})
    count = "SELECT sum(items) FROM spans WHERE seconds = ?"
    assert store.connection.execute(count, (60,)).fetchone() == (2,)
    assert store.connection.execute(count, (3600,)).fetchone() == (3,)

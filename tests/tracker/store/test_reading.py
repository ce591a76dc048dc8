"""The reports and totals that pages show."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker.errors import BadValue, FolderUnusable, UnknownProject
from tracker.store.reading import SHOWN_NAMES, Span
from tracker.store.store import Store
from tracker.store.totals import count_report

HOUR = 1_800_000_000 // 3600 * 3600


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store whose project ``p`` has items; ``q`` has none."""
    store = Store(tmp_path / "t")
    store.add("p", [f"item-{n}" for n in range(100)])
    store.add("q", [])
    yield store
    store.close()


@pytest.fixture
def reading(store: Store, tmp_path: Path) -> Iterator[Store]:
    """Reads the database of the store."""
    other = Store(tmp_path / "t", read_only=True)
    yield other
    other.close()


def test_summaries(store: Store, reading: Store) -> None:
    """Every project is listed, by name, with its counts."""
    store.claim("p", "ONE", 3)
    store.done("p", "ONE", ["item-0"], {"bytes": {"data": 7}})
    first, second = reading.projects()
    assert (first.name, first.todo, first.out, first.done, first.bytes) == ("p", 97, 2, 1, 7)
    assert (second.name, second.todo, second.created_at > 0) == ("q", 0, True)
    assert reading.project("p") == first


def test_leaderboard(store: Store, reading: Store) -> None:
    """Most bytes come first, then most items, up to the limit."""
    for number, (who, size) in enumerate([("ONE", 5), ("TWO", 9), ("SIX", 5), ("SIX", 0)]):
        store.done("p", who, [f"item-{number}"], {"bytes": {"data": size}})
    assert [rank.downloader for rank in reading.leaderboard("p")] == ["TWO", "SIX", "ONE"]
    top = reading.leaderboard("p", 1)[0]
    assert (top.items, top.bytes, top.last_at > 0) == (1, 9, True)


def test_over_time(store: Store, reading: Store) -> None:
    """Spans can have any step of whole minutes; they begin with the one at *since*; empty ones are
    left out."""
    for at in (HOUR + 30, HOUR + 3600, HOUR + 3 * 3600, HOUR + 49 * 3600):
        count_report(store.connection, 1, "ONE", at, 1, {"data": 10})
    assert reading.over_time("p", HOUR + 59, 3600)[:2] == [Span(HOUR, 1, 10), Span(HOUR + 3600, 1, 10)]
    two = 2 * 3600
    start = (HOUR + 30) // two * two
    assert reading.over_time("p", HOUR, two)[0].start == start
    assert sum(span.items for span in reading.over_time("p", 0, two)) == 4
    assert sum(span.items for span in reading.over_time("p", 0, 86400)) == 4
    assert reading.over_time("p", HOUR + 50 * 3600, 3600) == []
    assert reading.over_time("q", 0, 60) == []


@pytest.mark.parametrize("step", [0, -60, 1, 90])
def test_illegal_steps(reading: Store, step: int) -> None:
    """A step must be a multiple of a minute."""
    with pytest.raises(BadValue):
        reading.over_time("p", 0, step)


def test_recent(store: Store, reading: Store) -> None:
    """The last reports come newest first, with only the first of their names."""
    store.done("p", "ONE", ["item-1"], {"bytes": {"data": 1}})
    many = [f"item-{n}" for n in range(20, 60)]
    store.done("p", "TWO", many, {"bytes": {"data": 2, "log": 3}})
    new, old = reading.recent("p")
    assert (new.downloader, new.count, new.bytes) == ("TWO", 40, 5)
    assert new.items == tuple(many[:SHOWN_NAMES])
    assert old.items == ("item-1",)
    assert reading.recent("p", limit=1) == [new]
    assert reading.recent("q") == []


def test_unknown_project(reading: Store) -> None:
    """The error about an unknown project says what to do."""
    for ask in (reading.project, reading.leaderboard, reading.recent, reading.groups):
        with pytest.raises(UnknownProject, match="run-tracker create nope"):
            ask("nope")
    with pytest.raises(UnknownProject):
        reading.over_time("nope", 0, 60)


def test_it_cannot_write(reading: Store, tmp_path: Path) -> None:
    """The connection refuses changes, and does not make a database."""
    with pytest.raises(sqlite3.OperationalError):
        reading.execute("DELETE FROM items")
    with pytest.raises(FolderUnusable):
        Store(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()


def test_no_question_scans_items(store: Store, reading: Store) -> None:
    """SQLite uses an index for every question of a page, so the cost does not grow with the
    items."""
    seen: list[str] = []
    connection = reading.connection
    connection.set_trace_callback(seen.append)
    reading.projects()
    store.done("p", "ONE", ["item-1"], {})
    for ask in (reading.project, reading.leaderboard, reading.recent, reading.groups):
        ask("p")
    reading.over_time("p", 0, 60)
    connection.set_trace_callback(None)
    assert len(seen) > 8
    for statement in seen:
        # Python 3.10 tells the statement without its values.
        numbered = [int(number) for number in re.findall(r"\?(\d)", statement)]
        values = [0] * (max(numbered) if numbered else statement.count("?"))
        for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values):
            assert not row[3].startswith(("SCAN items", "SCAN reports", "SCAN spans")), statement

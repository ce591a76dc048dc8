"""Exports as lines of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tracker.errors import UnknownProject
from tracker.store import reading
from tracker.store.store import Store


def test_a_line_for_each_report(tmp_path: Path) -> None:
    """Each report is a line, oldest first, with the items that it counted and all its
    statistics."""
    store = Store(tmp_path / "t")
    store.add("p", ["a", "b", "two\nlines é\u2028"])
    store.add("q", ["a"])
    store.done("p", "ONE", ["a", "b"], {"item": "a\0b", "bytes": {"data": 5}, "id": "é"})
    store.done("q", "ONE", ["a"], {})
    store.done("p", "TWO", ["b", "two\nlines é\u2028"], {"version": "1"})
    lines = list(store.export_lines("p"))
    assert all("\n" not in line and "\u2028" not in line for line in lines)
    first, second = map(json.loads, lines)
    assert first["time"].endswith("Z") and len(first["time"]) == 20
    del first["time"]
    assert first == {
        "downloader": "ONE", "items": ["a", "b"], "bytes": 5,
        "stats": {"item": "a\0b", "bytes": {"data": 5}, "id": "é"},
    }  # fmt: skip
    assert (second["downloader"], second["items"]) == ("TWO", ["two\nlines é\u2028"])
    with pytest.raises(UnknownProject):
        list(store.export_lines("nope"))
    store.close()


def test_since_and_many(tmp_path: Path) -> None:
    """An export can begin at a time; more reports than are read at once all come, once."""
    store = Store(tmp_path / "t")
    number = reading.CHUNK * 2 + 3
    store.add("p", [f"item-{n}" for n in range(number)])
    with store.transaction():
        for n in range(number):
            store.done("p", "ONE", [f"item-{n}"], {})
        store.connection.execute("UPDATE reports SET received_at = id")
    items = [json.loads(line)["items"][0] for line in store.export_lines("p")]
    assert items == [f"item-{n}" for n in range(number)]
    assert len(list(store.export_lines("p", since=number - 1))) == 2
    store.close()

"""The practice project's stock of items."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.tracker_server import counts
from tracker.practice import PROJECT, stock
from tracker.store.store import Store


def test_stock_is_filled_up(tmp_path: Path) -> None:
    """Each start adds new names until enough items wait, however many are out or done."""
    store = Store(tmp_path / "t")
    assert stock(store, 3) == 3
    first = [one.name for one in store.claim(PROJECT, "ONE", 9)]
    assert first == ["practice:1", "practice:2", "practice:3"]
    store.done(PROJECT, "ONE", ["practice:1"], {})
    assert stock(store, 3) == 3
    assert stock(store, 3) == 0
    assert stock(store, 2) == 0
    assert counts(store, PROJECT) == (3, 2, 1)
    assert [one.name for one in store.claim(PROJECT, "ONE", 1)] == ["practice:4"]
    store.close()


def test_names_added_by_hand_are_passed_over(tmp_path: Path) -> None:
    """Practice items that somebody added do not count as new."""
    store = Store(tmp_path / "t")
    store.add(PROJECT, ["practice:2", "practice:3", "mine"])
    store.claim(PROJECT, "ONE", 9)
    assert stock(store, 4) == 4
    assert len(store.claim(PROJECT, "ONE", 9)) == 4
    store.close()


def test_no_items_make_the_project_too(tmp_path: Path) -> None:
    """The project exists even if no items should wait."""
    store = Store(tmp_path / "t")
    assert stock(store, 0) == 0
    assert counts(store, PROJECT) == (0, 0, 0)
    store.close()


def test_served(start_tracker: Callable[..., Any]) -> None:
    """--practice serves items and an upload folder, and prints the address of the project."""
    server = start_tracker("--practice")
    assert f"Practice project: {server.url}/practice\n" in server.output
    client = server.client()
    assert client.request("practice") == ["practice:1"]
    assert client.status("practice")["todo"] > 5000

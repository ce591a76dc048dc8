"""Upload targets that the database keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker.errors import AlreadyThere, BadValue, UnknownEntry
from tracker.store import Store
from tracker.targets import Target
from tracker.targettable import TargetTable, kept_targets

URL = "rsync://a.example/m/"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database with the project ``p``, whose number is 1."""
    store = Store.open(tmp_path / "t")
    store.add("p", [])
    yield store
    store.close()


def test_added_changed_listed_and_removed(store: Store) -> None:
    """The same address can be a project's and everyone's; each has its weight and state."""
    table = TargetTable(store.connection)
    table.add(None, URL, 3)
    table.add(1, URL, active=False)
    table.add(None, "http://b.example/")
    assert [(t.project, t.url, t.weight, t.active) for t in table.list()] == [
        (None, URL, 3, True), (None, "http://b.example/", 1, True), ("p", URL, 1, False),
    ]  # fmt: skip
    assert kept_targets(store, "p") == (
        [Target(URL, 1, False)], [Target(URL, 3), Target("http://b.example/")],
    )  # fmt: skip
    assert table.change(1, URL, active=True).active
    changed = table.change(None, URL, weight=5)
    assert (changed.weight, changed.active) == (5, True)
    table.remove(None, URL)
    assert kept_targets(store, "p") == ([Target(URL)], [Target("http://b.example/")])


def test_what_cannot_be(store: Store) -> None:
    """Twice the same, one that is not there, bad addresses and weights are refused."""
    table = TargetTable(store.connection)
    table.add(None, URL)
    with pytest.raises(AlreadyThere):
        table.add(None, URL, 2)
    for change in (lambda: table.change(1, URL, 2), lambda: table.remove(1, URL)):
        with pytest.raises(UnknownEntry):
            change()
    for weight in (0, -1, 1001, True):
        with pytest.raises(BadValue):
            table.add(1, URL, weight)
        with pytest.raises(BadValue):
            table.change(None, URL, weight)
    with pytest.raises(BadValue):
        table.add(1, "/srv/")
    assert len(table.list()) == 1

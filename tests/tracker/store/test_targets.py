"""Upload targets in the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker.errors import AlreadyExists, BadValue, UnknownEntry
from tracker.store.store import Store
from tracker.store.targets import Target

URL = "rsync://a.example/m/"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database with the projects ``p`` and ``q``."""
    store = Store(tmp_path / "t")
    store.add("p", [])
    store.add("q", [])
    yield store
    store.close()


def test_added_changed_listed_and_removed(store: Store) -> None:
    """The same URL can be a target of one project and of all, with a weight and state for each."""
    store.add_target(None, URL, 3)
    store.add_target("p", URL, active=False)
    store.add_target(None, "http://b.example/")
    assert [(t.project, t.url, t.weight, t.active) for t in store.targets()] == [
        (None, URL, 3, True), (None, "http://b.example/", 1, True), ("p", URL, 1, False),
    ]  # fmt: skip
    assert [(t.project, t.url, t.weight, t.active) for t in store.targets_of("p")] == [
        (None, URL, 3, True), ("p", URL, 1, False), (None, "http://b.example/", 1, True),
    ]  # fmt: skip
    assert [t.project for t in store.targets_of("q")] == [None, None]
    assert store.change_target("p", URL, active=True).active
    changed = store.change_target(None, URL, weight=5)
    assert (changed.weight, changed.active) == (5, True)
    store.remove_target(None, URL)
    assert store.targets_of("p") == [
        Target(URL, project="p", id=2), Target("http://b.example/", id=3),
    ]  # fmt: skip


def test_illegal_arguments(store: Store) -> None:
    """A target that exists already, an unknown one, and illegal URLs and weights are refused."""
    store.add_target(None, URL)
    with pytest.raises(AlreadyExists):
        store.add_target(None, URL, 2)
    for change in (lambda: store.change_target("p", URL, 2), lambda: store.remove_target("p", URL)):
        with pytest.raises(UnknownEntry):
            change()
    for weight in (0, -1, 1001, True):
        with pytest.raises(BadValue):
            store.add_target("p", URL, weight)
        with pytest.raises(BadValue):
            store.change_target(None, URL, weight)
    with pytest.raises(BadValue):
        store.add_target("p", "/srv/")
    assert len(store.targets()) == 1

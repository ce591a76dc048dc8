"""Projects and their settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker.errors import AlreadyExists, BadValue, UnknownProject
from tracker.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new database."""
    store = Store(tmp_path / "t")
    yield store
    store.close()


def test_made_changed_and_listed(store: Store) -> None:
    """A change leaves other settings as they are; null, 0 or '' removes a limit."""
    made = store.create_project("p", {"title": "Das Ding", "min_version": "2", "requests_per_minute": 9})
    assert (made.title, made.min_version, made.requests_per_minute, made.paused) == (
        "Das Ding", "2", 9, False,
    )  # fmt: skip
    changed = store.change_project("p", {"paused": True, "max_items": 5, "min_version": ""})
    assert (changed.title, changed.min_version, changed.max_items, changed.paused) == (
        "Das Ding", None, 5, True,
    )  # fmt: skip
    gone = store.change_project("p", {"requests_per_minute": 0, "max_items": None, "paused": False})
    assert (gone.requests_per_minute, gone.max_items, gone.paused) == (None, None, False)
    store.create_project("a", {})
    assert [its.name for its in store.projects()] == ["a", "p"]
    assert store.project("p") == gone


@pytest.mark.parametrize(
    "settings",
    [
        {"title": 5}, {"title": "a\nb"}, {"title": "x" * 201}, {"min_version": 5}, {"done": 5},
        {"min_version": "x" * 65}, {"requests_per_minute": -1}, {"requests_per_minute": True},
        {"requests_per_minute": 1.5}, {"max_items": 10_001}, {"paused": 1}, {"paused": None},
        {"name = 'x'; --": 1},
    ],
)  # fmt: skip
def test_illegal_settings(store: Store, settings: dict[str, object]) -> None:
    """An unknown setting or an illegal value is refused, and nothing is changed."""
    before = store.create_project("p", {"title": "before"})
    with pytest.raises(BadValue):
        store.change_project("p", {"title": "after", **settings} if "title" not in settings else settings)
    assert store.project("p") == before


def test_existing_and_unknown_projects(store: Store) -> None:
    """A project is made once; the error about an unknown one says what to do."""
    store.create_project("p", {})
    with pytest.raises(AlreadyExists):
        store.create_project("p", {"title": "again"})
    with pytest.raises(BadValue):
        store.create_project("_admin", {})
    for settings in ({}, {"title": "x"}):
        with pytest.raises(UnknownProject, match="run-tracker create nope"):
            store.change_project("nope", settings)

"""Projects that are removed completely."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker.errors import UnknownProject
from tracker.store import projects
from tracker.store.items import queue_of
from tracker.store.projects import Projects
from tracker.store.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store whose projects ``p`` and ``q`` have items in each state and queue, reports, targets
    and blocks, of which few fit into one transaction."""
    monkeypatch.setattr(projects, "CHUNK", 3)
    monkeypatch.setattr(projects, "PAUSE_SECONDS", 0.0)
    store = Store(tmp_path / "t")
    for project in "p", "q":
        for queue in queue_of("normal", None), queue_of("secondary", None), queue_of("redo", None), queue_of(None, "SIX"):
            store.add(project, [f"{queue.number}-{n}" for n in range(5)], queue)
        names = [claimed.name for claimed in store.claim(project, "SIX", 9)]
        for name in names[:4]:
            store.done(project, "SIX", [name], {"bytes": {"data": 1}})
        store.add_target(project, "rsync://a.example/m/")
        store.block(project, "SOMEONE")
    yield store
    store.close()


def rows(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows, by table."""
    names = ("projects", "items", "reports", *projects.TABLES)
    return {name: store.connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}


def test_nothing_is_left_of_it(store: Store) -> None:
    """Every row of the project is removed, and no other row."""
    number = store.project_id("q")
    before = rows(store)
    store.remove_project("p")
    after = rows(store)
    place = {"projects": 0, "items": 1, "reports": 1, "targets": 1, "blocks": 1}
    for name, kept in after.items():
        assert kept == [row for row in before[name] if row[place.get(name, 0)] == number], name
        assert 0 < len(kept) < len(before[name])
    assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with pytest.raises(UnknownProject):
        store.remove_project("p")


def test_interrupted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interruption the counts are right and no item is handed out; another call removes
    the rest."""
    whole = Projects._remove_items
    calls = []

    def fails(store: Store, project_id: int) -> int:
        calls.append(project_id)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return whole(store, project_id)

    monkeypatch.setattr(Store, "_remove_items", fails)
    with pytest.raises(KeyboardInterrupt):
        store.remove_project("p")
    counted = store.connection.execute(
        "SELECT sum(state = 'todo'), sum(state = 'out'), sum(state = 'done'), "
        "sum(state = 'todo' AND queue = 0), sum(state = 'todo' AND queue = 2), "
        "sum(state = 'todo' AND queue = 3) FROM items WHERE project_id = ?", (calls[0],)
    ).fetchone()  # fmt: skip
    kept = "SELECT todo, out, done, reserved, secondary, redo FROM projects WHERE name = 'p'"
    assert store.connection.execute(kept).fetchone() == counted
    assert sum(counted[:3]) == 11
    assert store.connection.execute("SELECT paused FROM projects WHERE name = 'p'").fetchone() == (1,)
    monkeypatch.setattr(Store, "_remove_items", whole)
    store.remove_project("p")
    assert [project.name for project in store.projects()] == ["q"]

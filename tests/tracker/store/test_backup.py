"""Copies of the database that are made while it is written."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tests.support.tracker_server import counts
from tracker.errors import BackupFailed, BadValue, FolderUnusable
from tracker.store import backup
from tracker.store.backup import back_up, default_path
from tracker.store.store import Store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with a project of three items."""
    path = tmp_path / "data" / "tracker.sqlite3"
    store = Store(path)
    store.add("p", ["a", "b", "c"])
    store.claim("p", "ONE", 1)
    store.close()
    return path


def test_a_copy_is_a_database_of_its_own(database: Path, tmp_path: Path) -> None:
    """The copy is one complete file without journals, a tracker can use it, and nothing else is
    left."""
    target = tmp_path / "new" / "folder" / "copy"
    made = back_up(database, target)
    assert (made.path, made.projects, made.items) == (target, 1, 3)
    assert made.size == target.stat().st_size
    assert list(target.parent.iterdir()) == [target]
    store = Store(target, create=False)
    assert counts(store, "p") == (2, 1, 0)
    assert [one.name for one in store.claim("p", "TWO", 9)] == ["b", "c"]
    store.close()


def test_the_copy_is_of_one_moment(database: Path, tmp_path: Path) -> None:
    """While another connection writes all the time, each copy is consistent and newer than the
    last."""
    stop, written = threading.Event(), []

    def write() -> None:
        store = Store(database)
        while not stop.is_set():
            with store.transaction():
                store.add("p", [f"more-{len(written)}-{n}" for n in range(50)])
            written.append(1)
        store.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = []
        for number in range(5):
            made = back_up(database, tmp_path / f"copy-{number % 2}")
            counts.append(made.items)
            before = len(written)
            while len(written) == before and thread.is_alive():
                stop.wait(0.01)
    finally:
        stop.set()
        thread.join()
    assert counts == sorted(counts) and counts[0] < counts[-1]
    assert all(count % 50 == 3 for count in counts)


def test_an_older_copy_is_replaced_only_by_a_whole_one(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed copy leaves the earlier one as it was, and nothing beside it."""
    target = tmp_path / "copies" / "copy"
    back_up(database, target)
    before = target.read_bytes()

    def fail(_path: Path) -> None:
        raise OSError(28, "No space")

    with monkeypatch.context() as patch:
        patch.setattr(backup, "sync", fail)
        with pytest.raises(BackupFailed, match="No space"):
            back_up(database, target)
    assert target.read_bytes() == before
    damaged = sqlite3.connect(database)
    damaged.execute("UPDATE projects SET todo = todo + 1")
    damaged.commit()
    damaged.close()
    with pytest.raises(BackupFailed, match="3 items, but its projects count 4"):
        back_up(database, target)
    assert target.read_bytes() == before
    assert list(target.parent.iterdir()) == [target]


def test_illegal_targets(database: Path, tmp_path: Path) -> None:
    """The database itself, a folder, and a path that cannot be written are refused."""
    for target in (database, tmp_path):
        with pytest.raises(BadValue):
            back_up(database, target)
    with pytest.raises(BackupFailed):
        back_up(database, database / "below a file")
    with pytest.raises(FolderUnusable):
        back_up(tmp_path / "none", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_default_names_tell_the_time(tmp_path: Path) -> None:
    """By default the copy is named after the time, in a folder of its own."""
    path = default_path(tmp_path)
    assert path.parent == tmp_path / "backups"
    assert path.name.startswith("tracker-2") and path.name.endswith("Z.sqlite3")

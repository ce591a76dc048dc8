"""The upgrade of a database of the first version."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tests.support.tracker_server import counts
from tracker.store.reading import Span
from tracker.store.schema import connect
from tracker.store.store import Store

DUMP = Path(__file__).with_name("version1.sql")
"""Written by the first version: items in every state, two reports, one of them nobody's."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database of the first version."""
    path = tmp_path / "tracker.sqlite3"
    database = sqlite3.connect(path)
    database.executescript(DUMP.read_text("utf-8"))
    database.close()
    return path


def shape(path: Path) -> list[object]:
    """The tables, indexes and triggers."""
    connection = connect(path)
    found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return list(found)


def test_an_old_database_goes_on(old: Path) -> None:
    """Items keep their state and order, and can be claimed and reported."""
    store = Store(old)
    assert (counts(store, "p"), counts(store, "empty")) == ((1, 2, 3), (0, 0, 0))
    assert store.item("p", "c").downloader == "ONE"
    store.add("p", ["new"])
    assert [one.name for one in store.claim("p", "TWO", 5)] == ["waits", "new"]
    assert store.done("p", "TWO", ["a", "waits"], {"bytes": {"data": 3}}) == 1
    store.close()


def test_totals_are_those_of_the_old_reports(old: Path) -> None:
    """The totals include the reports from before the upgrade."""
    store = Store(old)
    project = store.project("p")
    assert [(r.downloader, r.items, r.bytes) for r in store.leaderboard("p")] == [
        ("ONE", 2, 107), ("TWO", 1, 5),
    ]  # fmt: skip
    assert (project.bytes, project.created_at) == (112, 1790016000.25)
    assert store.groups("p") == {"data": 105, "log": 7}
    assert store.over_time("p", 0, 86400) == [Span(1790016000 // 86400 * 86400, 3, 112)]
    assert [(r.downloader, r.items, r.bytes) for r in store.recent("p")] == [
        ("TWO", ("https://site.example/é?x=1",), 5), ("ONE", ("a", "b"), 107),
    ]  # fmt: skip
    store.close()


def test_old_and_new_files_end_alike(old: Path, tmp_path: Path) -> None:
    """An upgraded database has the same tables as a new one."""
    assert shape(old) == shape(tmp_path / "new.sqlite3")


def test_an_update_that_fails_changes_nothing(old: Path) -> None:
    """After a failed upgrade, the old version can still use the file."""
    database = sqlite3.connect(old)
    database.execute("UPDATE reports SET stats = 'garbage'")
    database.commit()
    with pytest.raises(ValueError):
        connect(old)
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
    assert "title" not in [row[1] for row in database.execute("PRAGMA table_info(projects)")]
    database.close()


def test_many_update_at_once(old: Path) -> None:
    """Several processes that find the old version upgrade it once."""
    errors: list[BaseException] = []

    def open_it() -> None:
        try:
            connect(old).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    store = Store(old)
    assert store.project("p").bytes == 112
    store.close()

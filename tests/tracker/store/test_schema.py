"""Opening the database: new, kept, foreign, newer, broken."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tracker.errors import FolderUnusable, NewerDatabase
from tracker.store.schema import VERSION, connect


def test_made_once_and_durable(tmp_path: Path) -> None:
    """A new file gets its tables and settings; when it is opened again, nothing changes."""
    path = tmp_path / "deep" / "tracker.sqlite3"
    connect(path).close()
    connection = connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # 2: FULL
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()


def test_many_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Several processes can make the file at once without an error."""
    path, errors, start = tmp_path / "tracker.sqlite3", [], threading.Barrier(8)

    def open_it() -> None:
        start.wait()
        try:
            connect(path).close()
        except (FolderUnusable, sqlite3.Error) as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_newer_version_is_refused(tmp_path: Path) -> None:
    """A newer tracker's database is not changed, and the sentence says why."""
    path = tmp_path / "tracker.sqlite3"
    connection = connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(NewerDatabase, match="newer tracker"):
        connect(path)


def test_foreign_database_is_refused(tmp_path: Path) -> None:
    """Another program's database is refused."""
    path = tmp_path / "tracker.sqlite3"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    with pytest.raises(FolderUnusable, match="another program"):
        connect(path)


def test_garbage_is_refused(tmp_path: Path) -> None:
    """A file that is not a database is refused and stays as it is."""
    path = tmp_path / "tracker.sqlite3"
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(FolderUnusable, match="not a database"):
        connect(path)
    assert path.read_bytes() == b"garbage" * 1000


def test_nothing_is_made_when_not_asked(tmp_path: Path) -> None:
    """Opening a folder without a tracker does not make one."""
    with pytest.raises(FolderUnusable, match="no tracker"):
        connect(tmp_path / "x" / "tracker.sqlite3", create=False)
    assert not (tmp_path / "x").exists()

"""One server a data folder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tracker.store.lock import FolderLock, FolderUnusable


def test_taken_until_released(tmp_path: Path) -> None:
    """The second is told who holds it; looking at it changes nothing; a released one is free."""
    assert not FolderLock.taken(tmp_path / "none")
    assert not FolderLock.taken(tmp_path)
    lock = FolderLock(tmp_path)
    assert FolderLock.taken(tmp_path)
    with pytest.raises(FolderUnusable, match="process"):
        FolderLock(tmp_path)
    lock.close()
    assert not FolderLock.taken(tmp_path)
    FolderLock(tmp_path).close()


def test_who_only_looks_keeps_no_server_out(tmp_path: Path) -> None:
    """However often others look whether the folder is taken, a server gets it."""
    FolderLock(tmp_path).close()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            FolderLock.taken(tmp_path)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(5):
            FolderLock(tmp_path).close()
    finally:
        stop.set()
        thread.join()

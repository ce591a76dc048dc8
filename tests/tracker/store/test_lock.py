"""One server for each data folder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tracker.store.lock import FolderLock, FolderUnusable


def test_taken_until_released(tmp_path: Path) -> None:
    """The error names the holder; looking changes nothing; a closed lock can be taken."""
    assert not FolderLock.taken(tmp_path / "none")
    assert not FolderLock.taken(tmp_path)
    lock = FolderLock(tmp_path)
    assert FolderLock.taken(tmp_path)
    with pytest.raises(FolderUnusable, match="process"):
        FolderLock(tmp_path)
    lock.close()
    assert not FolderLock.taken(tmp_path)
    FolderLock(tmp_path).close()


def test_looking_does_not_delay_a_server(tmp_path: Path) -> None:
    """A server gets the folder, however often others look whether it is taken."""
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

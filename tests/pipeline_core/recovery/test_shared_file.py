"""Folders that have to be on the disk, and a file that several processes share."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline_core.engine.files import sync_folder
from pipeline_core.recovery import shared_file
from pipeline_core.recovery.shared_file import SharedFile
from tests.pipeline_core.recovery.test_sealer import WORK, Watched
from tests.support.kit import play, write_pipeline
from tests.support.scripted_tracker import ScriptedTracker

Refuse = Callable[[int], None]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Lets fsync of each folder fail with this number, as some file systems do."""
    real = os.fsync

    def start(number: int) -> None:
        def fsync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    return start


@pytest.fixture
def tracker() -> Iterator[ScriptedTracker]:
    with ScriptedTracker() as scripted:
        yield scripted


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders(
    tmp_path: Path, refuse: Refuse, number: int
) -> None:
    """It says so; nothing more can be done there."""
    before = open_descriptors()
    refuse(number)
    sync_folder(str(tmp_path))
    assert open_descriptors() == before


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails(tmp_path: Path, refuse: Refuse, number: int) -> None:
    """That is an error: the file is not there for sure."""
    before = open_descriptors()
    refuse(number)
    with pytest.raises(OSError, match=os.strerror(number)):
        sync_folder(str(tmp_path))
    assert open_descriptors() == before


def test_uploads_go_on_where_folders_cannot_be_synced(
    tmp_path: Path, tracker: ScriptedTracker, refuse: Refuse
) -> None:
    """The seal does not wait for what never comes."""
    refuse(errno.EINVAL)
    path = write_pipeline(tmp_path, WORK.rstrip() + f"""
    pipeline = Pipeline(Work('Work'), Upload({tracker.url!r}, downloader, FILES))
    """)
    watched = Watched()
    played = play(path, prepare=watched.prepare, timeout=8)
    assert played.outcomes == ["completed"], played.log
    assert watched.states == ["sealed", "uploaded"]


# -- a file that several share ---------------------------------------------------------------
def test_the_last_one_removes_it(tmp_path: Path) -> None:
    """With what SQLite has left beside it; not where something is in it."""
    path = str(tmp_path / "journal")
    one, two = SharedFile(path), SharedFile(path)
    for use in (one, two, one):
        use.begin()
    (tmp_path / "journal-wal").touch()
    one.end(lambda: True)
    assert os.path.exists(path)
    two.end(lambda: False)
    assert os.path.exists(path)
    two.end(lambda: True)
    one.begin()
    one.end(lambda: True)
    assert os.listdir(tmp_path) == []


def test_one_that_was_removed_in_between_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file that nobody can find any more is none."""
    path, real, removed = str(tmp_path / "journal"), shared_file.fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        real(descriptor, operation)
        if not removed:
            removed.append(path)
            os.remove(path)

    monkeypatch.setattr(shared_file.fcntl, "flock", flock)
    before = open_descriptors()
    use = SharedFile(path)
    use.begin()
    assert removed and os.path.exists(path) and open_descriptors() == before + 1
    use.end(lambda: False)
    assert open_descriptors() == before

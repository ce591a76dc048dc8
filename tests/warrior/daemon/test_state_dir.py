"""The state folder: locked by one, cleared of what a crash left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from warrior.daemon.state_dir import StateDirectory, StateInUse, StateUnusable


def make(folder: Path) -> StateDirectory:
    return StateDirectory(str(folder / "state"), str(folder / "data"))


def test_only_one_may_use_it(tmp_path: Path) -> None:
    """The second one is refused and names the first; when that lets go, the next may."""
    first, second = make(tmp_path), make(tmp_path)
    first.lock()
    with pytest.raises(StateInUse, match=f"process {os.getpid()} .*--state-dir"):
        second.lock(timeout=0)
    first.release()
    second.lock(timeout=0)
    second.release()


def test_folders_are_private(tmp_path: Path) -> None:
    """0700 for the folder, 0600 for the lock."""
    state = make(tmp_path)
    state.lock()
    assert os.stat(state.path).st_mode & 0o777 == 0o700
    assert os.stat(state.file("lock")).st_mode & 0o777 == 0o600
    state.release()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_folder_from_before_is_made_private(tmp_path: Path, umask: int) -> None:
    """One that others could look into is shut; folders above a new one are made private."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o2755)
    state = StateDirectory(str(tmp_path / "state"), str(tmp_path / "new" / "folder" / "data"))
    before = os.umask(umask)
    try:
        state.lock()
        state.new_item_prefix()
    finally:
        os.umask(before)
    assert os.stat(state.path).st_mode & 0o7777 == 0o2700
    for path in ("new", "new/folder", "new/folder/data", "state/lock", "state/item-prefixes"):
        assert os.stat(tmp_path / path).st_mode & 0o077 == 0, path
    state.release()


def test_a_folder_for_all_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who takes a shared folder for the state, as /tmp, does not lock the others out of it."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o1777)
    state = make(tmp_path)
    state.lock()
    assert os.stat(state.path).st_mode & 0o7777 == 0o1777
    assert "can read the state folder" in caplog.text
    state.release()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The sentence says what to do."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StateUnusable, match="--state-dir"):
        make(tmp_path).lock()


def test_only_item_folders_of_ours_are_removed(tmp_path: Path) -> None:
    """What carries a prefix that was noted goes; all else of the project stays."""
    state = make(tmp_path)
    state.lock()
    prefix = state.new_item_prefix()
    project = tmp_path / "data" / "one"
    ours = project / f"{prefix}-1-17"
    others = [project / "cookies", project / f"{prefix}x-1-17", project / prefix,
              project / "00000000w00000000-1-1"]
    for folder in (ours, *others):
        folder.mkdir(parents=True)
    (ours / "half.warc.gz").touch()
    (project / f"{prefix}-1-18").touch()
    assert state.remove_leftovers(keep=True) == []
    assert state.remove_leftovers(keep=False) == [str(ours)]
    assert not ours.exists() and all(folder.is_dir() for folder in others)
    assert state.remove_leftovers(keep=False) == []
    state.release()

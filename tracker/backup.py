"""Copies the database while a server may be writing it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tracker.errors import BackupFailed, BadValue
from tracker.schema import connect


@dataclass(frozen=True)
class Backup:
    """A copy that was checked: where it is, its size in bytes, and what it holds."""

    path: Path
    size: int
    projects: int
    items: int


def default_path(folder: Path) -> Path:
    """Return a new name in the data folder's ``backups``, after the time now (UTC)."""
    return folder / "backups" / time.strftime("tracker-%Y%m%dT%H%M%SZ.sqlite3", time.gmtime())


def back_up(database: Path, target: Path) -> Backup:
    """Copy *database* to *target*, replacing what stands there when the copy is whole.

    One moment is copied, as one file without its journals. The copy is checked and on the
    disk before it gets its name. Raises FolderUnusable when there is no tracker, BadValue for
    a target that cannot be, BackupFailed.
    """
    source = connect(database, create=False)
    try:
        if target.is_dir() or (target.exists() and target.samefile(database)):
            raise BadValue(f"{target} cannot be the copy: name a file that is something else.")
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(".partial", f".{target.name[:100]}.", target.parent)
        os.close(handle)
        partial = Path(name)
        try:
            made = _copy(source, partial, target)
            _sync(partial)
            partial.replace(target)
            _sync(target.parent)
        except BaseException:
            for left in (partial, *(Path(f"{name}{end}") for end in ("-wal", "-shm", "-journal"))):
                left.unlink(missing_ok=True)
            raise
        return made
    except OSError as error:
        raise BackupFailed(f"Cannot write the copy to {target}: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise BackupFailed(f"The copy to {target} failed: {error}.") from error
    finally:
        source.close()


def _copy(source: sqlite3.Connection, partial: Path, target: Path) -> Backup:
    """Copy everything in one step (with several, each commit of the server would start it
    anew; readers do not hold writers up), then check what came."""
    with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        source.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode = DELETE")
        told = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if told != "ok":
            raise BackupFailed(f"The copy is damaged, and was thrown away: {told}.")
        projects = copy.execute("SELECT count(*) FROM projects").fetchone()[0]
        items = copy.execute("SELECT coalesce(sum(todo + out + done), 0) FROM projects").fetchone()
        there = copy.execute("SELECT count(*) FROM items").fetchone()[0]
        if items[0] != there:
            raise BackupFailed(
                f"The copy holds {there} items where {items[0]} were counted, and was thrown away."
            )
    return Backup(target, partial.stat().st_size, projects, there)


def _sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

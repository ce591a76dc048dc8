"""Copies the database while a server may write to it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tracker.errors import BackupFailed, BadValue
from tracker.store.schema import connect


@dataclass(frozen=True)
class Backup:
    """A copy that was checked: where it is, its size in bytes, and what it contains."""

    path: Path
    size: int
    projects: int
    items: int


def default_path(folder: Path) -> Path:
    """Return a new path in ``backups`` of the data folder, named after the time (UTC)."""
    return folder / "backups" / time.strftime("tracker-%Y%m%dT%H%M%SZ.sqlite3", time.gmtime())


def back_up(database: Path, target: Path) -> Backup:
    """Copy *database* to *target*, and replace an earlier copy once the new one is complete.

    The copy shows one moment, and is one file without journals. It is checked and flushed to the
    disk before it gets its name. Raises FolderUnusable if there is no tracker, BadValue if
    *target* cannot be the copy, and BackupFailed.
    """
    source = connect(database, create=False)
    try:
        if target.is_dir() or (target.exists() and target.samefile(database)):
            raise BadValue(f"{target} cannot be the copy: give the name of another file.")
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{target.name[:100]}."
        with tempfile.TemporaryDirectory(".partial", prefix, target.parent) as folder:
            partial = Path(folder, "copy")
            partial.touch(0o600)
            made = _copy(source, partial, target)
            sync(partial)
            partial.replace(target)
            sync(target.parent)
        return made
    except OSError as error:
        raise BackupFailed(f"Cannot write the copy to {target}: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise BackupFailed(f"The copy to {target} failed: {error}.") from error
    finally:
        source.close()


def _copy(source: sqlite3.Connection, partial: Path, target: Path) -> Backup:
    """Copy everything in one step, then check the copy.

    With several steps, each commit of the server would start the copy again; one step does not
    delay writers, because readers do not.
    """
    with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        source.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode = DELETE")
        result = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if result != "ok":
            raise BackupFailed(f"The copy is damaged and was deleted: {result}.")
        projects, counted = copy.execute(
            "SELECT count(*), coalesce(sum(todo + out + done), 0) FROM projects"
        ).fetchone()
        items = copy.execute("SELECT count(*) FROM items").fetchone()[0]
        if counted != items:
            raise BackupFailed(
                f"The copy has {items} items, but its projects count {counted}. It was deleted."
            )
    return Backup(target, partial.stat().st_size, projects, items)


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

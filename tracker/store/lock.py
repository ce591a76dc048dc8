"""Lets one server at a time use a data folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from tracker.errors import FolderUnusable

LOCK_FILE = "tracker.lock"
TRY_SECONDS = 0.5


class FolderLock:
    """Holds the folder until ``close``, or until the process ends in any way."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raises FolderUnusable, which names the holder if there is one."""
        path = folder / LOCK_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise FolderUnusable(
                f"Cannot use the data folder {folder}: {error.strerror}. Make it writable, or "
                "choose another --data-dir."
            ) from error
        try:
            self._take()
        except OSError as error:
            holder = os.read(self._handle, 32).decode("ascii", errors="replace").strip()
            os.close(self._handle)
            raise FolderUnusable(
                f"Another tracker (process {holder or 'unknown'}) uses the data folder {folder}. "
                "Stop it, or choose another --data-dir."
            ) from error
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def _take(self) -> None:
        """Lock the file. ``taken`` holds the lock for a moment too, so try for a while."""
        deadline = time.monotonic() + TRY_SECONDS
        while True:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    @staticmethod
    def taken(folder: Path) -> bool:
        """Whether a server uses the folder now."""
        try:
            handle = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except OSError:
            return True
        finally:
            os.close(handle)

    def close(self) -> None:
        """Let the next server use the folder."""
        os.close(self._handle)

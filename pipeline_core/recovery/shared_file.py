"""A file that several processes share. All of this blocks."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable


class SharedFile:
    """A file that several processes share; the last process to use it can remove it.

    Each process holds a shared lock (flock) on the file; SQLite's locks are of another kind.
    Close the descriptor only after the last SQLite connection: closing it earlier would release
    SQLite's locks. Blocks.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None

    def begin(self) -> None:
        """Create the file if necessary, and lock it. Raises OSError."""
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                with contextlib.suppress(OSError):  # no such locks: the file is never removed
                    fcntl.flock(descriptor, fcntl.LOCK_SH)
                mine = os.fstat(descriptor).st_ino == os.stat(self.path).st_ino
            except FileNotFoundError:
                mine = False
            except BaseException:
                os.close(descriptor)
                raise
            if mine:
                self._descriptor = descriptor
            else:
                os.close(descriptor)  # another process removed the file meanwhile

    def end(self, may_go: Callable[[], bool]) -> None:
        """Release the file. Remove it if no other process uses it and ``may_go()`` is true."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if may_go():
                for suffix in ("-wal", "-shm", ""):
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(self.path + suffix)
        os.close(self._descriptor)
        self._descriptor = None

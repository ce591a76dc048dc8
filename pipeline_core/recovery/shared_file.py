"""A file that several processes share. It blocks."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable


class SharedFile:
    """Who uses a file that several processes share, so that the last one can remove it.

    A lock (flock) on the file itself; SQLite's own are of another kind. Its descriptor is
    closed after the last connection: closing one earlier would end SQLite's locks. Blocks.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None

    def begin(self) -> None:
        """Make the file if need be, and use it. Raises OSError."""
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                with contextlib.suppress(OSError):  # where there are no such locks: never removed
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
                os.close(descriptor)  # it was removed in between

    def end(self, may_go: Callable[[], bool]) -> None:
        """Use it no longer; nobody else does and ``may_go()``: remove it."""
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

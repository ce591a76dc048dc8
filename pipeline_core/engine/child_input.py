"""The standard input of a child process, and whether the child has read all of it."""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import subprocess
import termios

#: The most bytes written at once.
WRITE_SIZE = 1 << 18


class ChildInput:
    """The standard input of one child: ``data``, or (with None) what :meth:`write` is given.

    The data goes through a pipe whose read end stays open in this process too. So the bytes
    left in the pipe when the child has ended can be counted, however few they are.
    """

    def __init__(self, data: bytes | None) -> None:
        #: Bytes of the data that the child has not read; known after :meth:`settle`.
        self.unread = 0
        self._data = bytearray(data or b"")
        self._stays_open = data is None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self._read_end = -1
        self._write_end = -1

    def open(self) -> int:
        """Return the value for ``stdin`` of ``subprocess.Popen``. Raises OSError."""
        if self._stays_open:
            return subprocess.PIPE
        if not self._data:
            return subprocess.DEVNULL
        self._read_end, self._write_end = os.pipe()
        return self._read_end

    def attach(self, loop: asyncio.AbstractEventLoop, popen: subprocess.Popen[bytes]) -> None:
        """Start to feed the child, which has been started. Like all methods below, on the loop."""
        self._loop = loop
        if popen.stdin is not None:
            self._popen = popen
            self._write_end = popen.stdin.fileno()
        if self._write_end >= 0:
            os.set_blocking(self._write_end, False)
            self._feed()

    def write(self, data: bytes) -> None:
        """Give the child more input. Never blocks."""
        self._data += data
        self._feed()

    def close(self) -> None:
        """Close the input once the child has read what was written."""
        self._stays_open = False
        self._feed()

    def child_exited(self) -> None:
        """The child has exited: write nothing more to it."""
        if self._popen is not None:
            self._close_write_end()

    def settle(self) -> None:
        """Count the unread bytes and close the pipe. May be called twice."""
        if self._read_end >= 0:
            waiting = array.array("i", [0])
            fcntl.ioctl(self._read_end, termios.FIONREAD, waiting)
            self.unread = len(self._data) + waiting[0]
            os.close(self._read_end)
            self._read_end = -1
        self._close_write_end()

    def _feed(self) -> None:
        if self._write_end < 0 or self._loop is None:
            return
        try:
            while self._data:
                del self._data[:os.write(self._write_end, self._data[:WRITE_SIZE])]
        except BlockingIOError:
            self._loop.add_writer(self._write_end, self._feed)
            return
        except OSError:
            # The child has closed its input. Further writes are dropped without an error.
            self._data.clear()
            self._stays_open = False
        self._loop.remove_writer(self._write_end)
        if not self._stays_open:
            self._close_write_end()

    def _close_write_end(self) -> None:
        if self._write_end < 0:
            return
        if self._loop is not None:
            self._loop.remove_writer(self._write_end)
        if self._popen is not None and self._popen.stdin is not None:
            self._popen.stdin.close()
        else:
            os.close(self._write_end)
        self._write_end = -1

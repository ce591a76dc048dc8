"""Writes to standard output and standard error from threads, never from the loop.

A write blocks if the terminal is slow or stopped with Ctrl-S, or if a pager reads it; items, the
page and signals must not wait for that.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable

from pipeline_core.engine.terminal import shown

#: With more waiting characters, ``StdoutWriter.full`` asks writers to pause.
FULL = 1 << 22

#: With more waiting characters, new ones are omitted. Only output that cannot be paused (endless
#: prints of project code) reaches this.
MOST = 1 << 25

#: Seconds between two writes; what comes in between is written in one piece.
WRITE_INTERVAL = 0.01

#: Errors that mean that there is no reader (any more).
_GONE = frozenset({errno.EPIPE, errno.EBADF, errno.EIO, errno.ECONNRESET})


class StdoutWriter:
    """``write(text)`` returns at once; a thread writes the text to ``fd``, in order.

    The encoding is that of the standard stream of this number, else UTF-8; characters that it
    lacks become ``?``.

    ``backlog`` is the number of characters not yet written. ``full`` is true above 4 Mi; when most
    of them have been written, it becomes false and ``on_drained()`` is called. If the reader is
    gone (EPIPE), the rest is dropped and ``on_closed(reason)`` is called once. If writing fails for
    now (a full disk), that text is dropped, ``on_trouble(reason)`` is called once, and later text
    is tried again. The thread calls the callbacks.
    """

    def __init__(
        self,
        fd: int = 1,
        on_closed: Callable[[str], object] | None = None,
        on_drained: Callable[[], object] | None = None,
        on_trouble: Callable[[str], object] | None = None,
    ) -> None:
        self._fd = fd
        self._encoding = _encoding(fd)
        self._on_closed = on_closed
        self._on_drained = on_drained
        self._on_trouble = on_trouble
        self._texts: collections.deque[str] = collections.deque()
        self._changed = threading.Condition()
        self._ending = False
        self._left_out = 0
        self._in_trouble = False
        self._progress = time.monotonic()
        self.backlog = 0
        self.full = False
        self.closed_by_reader = False
        self._thread = threading.Thread(target=self._main, name=f"output {fd}", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Queue the text; callable from any thread."""
        with self._changed:
            if self.closed_by_reader or not text:
                return
            if self.backlog > MOST:
                self._left_out += len(text)
                return
            self._texts.append(text)
            self.backlog += len(text)
            self.full = self.full or self.backlog > FULL
            self._changed.notify()

    def close(self, timeout: float) -> bool:
        """Write the rest and end; whether that took at most ``timeout`` seconds.

        Call it again to wait longer.
        """
        with self._changed:
            if not self._ending:
                self._progress = time.monotonic()
            self._ending = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def stuck_for(self) -> float:
        """Seconds since the last progress, or since the first call of ``close``."""
        return time.monotonic() - self._progress

    # -- on the thread -----------------------------------------------------------
    def _main(self) -> None:
        while (text := self._next_text()) and not self.closed_by_reader:
            try:
                self._write_all(text.encode(self._encoding, "replace"))
                self._in_trouble = False
            except OSError as error:
                self._failed(error)
            with self._changed:
                self.backlog = 0 if self.closed_by_reader else self.backlog - len(text)
                drained = self.full and self.backlog <= FULL // 4
                if drained:
                    self.full = False
            if drained and self._on_drained is not None:
                self._on_drained()
            if not self._ending and not self.full:
                # While it sleeps, nobody has to wake it: that costs more than the writing.
                time.sleep(WRITE_INTERVAL)

    def _next_text(self) -> str:
        with self._changed:
            while not self._texts and not self._left_out and not self._ending:
                self._changed.wait()
            text = "".join(self._texts)
            self._texts.clear()
            if self._left_out:
                note = (f"\n[{self._left_out} characters were left out here: "
                        "the reader of this output is too slow]\n")
                self._left_out = 0
                self.backlog += len(note)
                text += note
            return text

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view):]
                self._progress = time.monotonic()
            except BlockingIOError:
                # Another process has made the file non-blocking: wait until it takes more.
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll()

    def _failed(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        if error.errno in _GONE:
            with self._changed:
                self.closed_by_reader = True
                self._texts.clear()
            if self._on_closed is not None:
                self._on_closed(reason)
        elif not self._in_trouble:
            self._in_trouble = True
            if self._on_trouble is not None:
                self._on_trouble(reason)


def _encoding(fd: int) -> str:
    stream = {1: sys.__stdout__, 2: sys.__stderr__}.get(fd)
    return getattr(stream, "encoding", None) or "utf-8"


class VisibleFormatter(logging.Formatter):
    """Makes control characters visible: text from outside must not control the terminal in which
    somebody reads the log."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


class WriterHandler(logging.Handler):
    """Writes log messages, one per line, to a :class:`StdoutWriter`."""

    def __init__(self, writer: StdoutWriter) -> None:
        super().__init__()
        self.setFormatter(VisibleFormatter())
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:
            # As in the standard library: print to standard error which message was wrong.
            self.handleError(record)
            return
        self._writer.write(text + "\n")

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # the interpreter is ending
            self._writer.close(timeout=2.0)
        super().close()

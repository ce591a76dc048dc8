"""Writes to standard output from a thread: a slow terminal must not stop the loop."""

from __future__ import annotations

import collections
import os
import threading
from collections.abc import Callable


class StdoutWriter:
    """``write(text)`` returns at once; a thread does the rest, in order.

    When nobody reads any more (EPIPE) or nothing can be written, what follows is
    dropped and ``on_closed(reason)`` is called once, on the thread. ``backlog`` is the
    number of characters not yet written; ``on_drained()`` is called, on the thread,
    each time it has become zero.
    """

    def __init__(
        self,
        fd: int = 1,
        on_closed: Callable[[str], object] | None = None,
        on_drained: Callable[[], object] | None = None,
    ) -> None:
        self._fd = fd
        self._on_closed = on_closed
        self._on_drained = on_drained
        self._texts: collections.deque[str] = collections.deque()
        self._changed = threading.Condition()
        self._ending = False
        self.backlog = 0
        self.closed_by_reader = False
        self._thread = threading.Thread(target=self._main, name="standard output", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        if self.closed_by_reader:
            return
        with self._changed:
            self._texts.append(text)
            self.backlog += len(text)
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Wait until all is written, for ``timeout`` seconds at most."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(timeout)

    def _main(self) -> None:
        while True:
            with self._changed:
                while not self._texts:
                    if self._ending:
                        return
                    self._changed.wait()
                text = "".join(self._texts)
                self._texts.clear()
            try:
                self._write_all(text.encode("utf-8", "replace"))
            except OSError as error:
                self.closed_by_reader = True
                if self._on_closed is not None:
                    self._on_closed(error.strerror or str(error))
            with self._changed:
                self.backlog -= len(text)
                drained = self.backlog == 0
            if drained and self._on_drained is not None:
                self._on_drained()
            if self.closed_by_reader:
                return

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view):]
            except BlockingIOError:
                # Somebody made our terminal non-blocking: wait until it takes more.
                import select

                select.select([], [self._fd], [])

"""The daemon's own log: standard error, and a file that the page shows. A thread writes it."""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
import queue

from pipeline_core.engine.files import private
from warrior.process.stdout import StdoutWriter, VisibleFormatter, WriterHandler

#: The size of a file in bytes, and the number of older files.
FILE_SIZE, FILES_KEPT = 1024 * 1024, 2
#: The bytes that the page shows.
SHOWN = 512 * 1024

_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class DaemonLog:
    """The handlers of the root logger, until :meth:`close`."""

    def __init__(self) -> None:
        self.path = ""
        self._screen = WriterHandler(StdoutWriter(2))
        self._listener: logging.handlers.QueueListener | None = None
        self._queued: logging.handlers.QueueHandler | None = None
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[self._screen])

    def keep_in(self, path: str) -> None:
        """Also write to this file, and rotate it. Raises OSError."""
        file = _PrivateFile(
            path, maxBytes=FILE_SIZE, backupCount=FILES_KEPT, encoding="utf-8", errors="replace")
        os.chmod(path, 0o600)  # it may exist already
        file.setFormatter(VisibleFormatter(_FORMAT))
        lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self._queued = logging.handlers.QueueHandler(lines)
        self._listener = logging.handlers.QueueListener(lines, file)
        self._listener.start()
        logging.getLogger().addHandler(self._queued)
        self.path = path

    def read(self) -> bytes:
        """Return the end of the log, from the start of a line. Blocks: call it in a thread."""
        data = b""
        for path in (self.path, self.path + ".1"):
            try:
                with open(path, "rb") as file:
                    file.seek(max(0, os.fstat(file.fileno()).st_size - (SHOWN - len(data))))
                    data = file.read() + data
            except FileNotFoundError:
                continue
            if len(data) >= SHOWN:
                return data[data.find(b"\n") + 1:]
        return data

    def close(self) -> None:
        """Write the remaining lines, then stop."""
        if self._listener is not None and self._queued is not None:
            logging.getLogger().removeHandler(self._queued)
            self._listener.stop()
            for handler in self._listener.handlers:
                handler.close()
            self._listener = None
        self._screen.close()


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """Makes each file private to this user from its first byte, also after a rotation."""

    def _open(self) -> io.TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors,
                    opener=private)

"""The daemon's own log: standard error, and a file that the page shows. Written by a thread."""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
import queue

from pipeline_core.engine.files import private
from warrior.process.stdout import StdoutWriter, VisibleFormatter, WriterHandler

#: Bytes of a file, and how many older ones are kept.
FILE_SIZE, FILES_KEPT = 1024 * 1024, 2
#: Bytes that the page shows.
SHOWN = 512 * 1024

_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class DaemonLog:
    """Installed as the handlers of the root logger until :meth:`close`."""

    def __init__(self) -> None:
        self.path = ""
        self._screen = WriterHandler(StdoutWriter(2))
        self._listener: logging.handlers.QueueListener | None = None
        self._queued: logging.handlers.QueueHandler | None = None
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[self._screen])

    def keep_in(self, path: str) -> None:
        """Write to a file as well, which is rotated. Raises OSError."""
        file = _PrivateFile(
            path, maxBytes=FILE_SIZE, backupCount=FILES_KEPT, encoding="utf-8", errors="replace")
        os.chmod(path, 0o600)  # one of before
        file.setFormatter(VisibleFormatter(_FORMAT))
        lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self._queued = logging.handlers.QueueHandler(lines)
        self._listener = logging.handlers.QueueListener(lines, file)
        self._listener.start()
        logging.getLogger().addHandler(self._queued)
        self.path = path

    def read(self) -> bytes:
        """The end of the log, from a whole line on. Blocks: for a thread."""
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
        """Write what is left."""
        if self._listener is not None and self._queued is not None:
            logging.getLogger().removeHandler(self._queued)
            self._listener.stop()
            for handler in self._listener.handlers:
                handler.close()
            self._listener = None
        self._screen.close()


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """Each file, also the one after a rotation, is for this user alone from its first byte on."""

    def _open(self) -> io.TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors,
                    opener=private)

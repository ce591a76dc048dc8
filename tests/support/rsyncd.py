"""A real rsync daemon on loopback: each connection is handed to ``rsync --daemon``."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from pathlib import Path


class RsyncDaemon:
    """Serves a writable module ``upload``; a context manager.

    It listens itself, on a port that the system chooses, and starts rsync for each
    connection with that as its standard input, as inetd would.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "uploaded"
        self.folder.mkdir(parents=True)
        self._config = folder / "rsyncd.conf"
        # Nobody but root may change the user, and nobody but root has to.
        owner = "uid = 0\ngid = 0\n" if os.getuid() == 0 else ""
        self._config.write_text(
            f"use chroot = no\nlog file = {folder}/rsyncd.log\n[upload]\npath = {self.folder}\n"
            f"read only = no\n{owner}")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"rsync://127.0.0.1:{self._socket.getsockname()[1]}/upload/"
        self._children: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> RsyncDaemon:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)
            if child.poll() is None:
                child.kill()
                child.wait()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._children.append(subprocess.Popen(
                    ["rsync", "--daemon", "--config", str(self._config)],
                    stdin=connection, stdout=connection, stderr=subprocess.DEVNULL))

"""A real ``rsync --daemon`` on loopback, with one module that may be written to."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
        return sock.recv(8) == b"@RSYNCD:"
    return False


@contextlib.contextmanager
def rsync_daemon(folder: Path, more: str = "") -> Iterator[tuple[str, Path]]:
    """The URL of the module, ending in ``/``, and the folder into which it writes.

    ``more`` are further lines of its configuration.
    """
    uploads = folder / "uploads"
    uploads.mkdir(parents=True)
    config = folder / "rsyncd.conf"
    # Nobody but root may change the user, and nobody but root has to.
    owner = "uid = 0\ngid = 0\n" if os.getuid() == 0 else ""
    config.write_text(
        f"use chroot = no\n{owner}log file = {folder}/log\n"
        f"[uploads]\npath = {uploads}\nread only = no\n{more}")
    port = free_port()
    process = subprocess.Popen(
        ["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}",
         f"--config={config}"], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not _answers(port):
            assert process.poll() is None, f"rsync --daemon ended: {process.returncode}"
            assert time.monotonic() < deadline, "rsync --daemon does not answer"
            time.sleep(0.02)
        yield f"rsync://127.0.0.1:{port}/uploads/", uploads
    finally:
        process.terminate()
        process.wait(20)


class HeldDaemon:
    """A daemon that holds every transfer before its first byte, while it is told to."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.uploads = folder / "uploads"
        self._hold = folder / "hold"
        self._began = folder / "began"
        folder.mkdir(parents=True)
        self._script = folder / "before"
        self._script.write_text(
            f"#!/bin/sh\necho begun >> {self._began}\n"
            f"while [ -e {self._hold} ]; do sleep 0.02; done\n")
        self._script.chmod(0o755)

    @property
    def configuration(self) -> str:
        return f"pre-xfer exec = {self._script}\n"

    def hold(self) -> None:
        """Let no transfer begin from now on."""
        self._hold.touch()

    def go_on(self) -> None:
        """Let them begin again."""
        self._hold.unlink()

    def begun(self) -> int:
        """How many transfers somebody has wanted to begin."""
        return len(self._began.read_text().splitlines()) if self._began.exists() else 0

    def files(self) -> dict[str, str]:
        """What has arrived: the path within the module, and the content."""
        return {str(path.relative_to(self.uploads)): path.read_text()
                for path in self.uploads.rglob("*") if path.is_file()}


@contextlib.contextmanager
def held_rsync_daemon(folder: Path) -> Iterator[HeldDaemon]:
    """A daemon that can be brought to a halt."""
    held = HeldDaemon(folder)
    with rsync_daemon(folder, held.configuration) as (url, _):
        held.url = url
        try:
            yield held
        finally:
            # Who is held still has to end.
            with contextlib.suppress(FileNotFoundError):
                held.go_on()

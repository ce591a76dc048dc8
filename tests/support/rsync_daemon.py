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
def rsync_daemon(folder: Path) -> Iterator[tuple[str, Path]]:
    """The URL of the module, ending in ``/``, and the folder into which it writes."""
    uploads = folder / "uploads"
    uploads.mkdir(parents=True)
    config = folder / "rsyncd.conf"
    # Nobody but root may change the user, and nobody but root has to.
    owner = "uid = 0\ngid = 0\n" if os.getuid() == 0 else ""
    config.write_text(
        f"use chroot = no\n{owner}log file = {folder}/log\n"
        f"[uploads]\npath = {uploads}\nread only = no\n")
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

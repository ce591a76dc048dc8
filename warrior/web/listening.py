"""Listening sockets: at addresses and ports, and at a path that only its owner can open."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from tornado import netutil

#: The number of programs that may wait to connect to the control socket.
_BACKLOG = 32


def bind(address: str, port: int) -> list[socket.socket]:
    """Listening sockets; '' is loopback, ``::1`` too where there is one.

    Raises OSError, whose text is a sentence with address and port.
    """
    try:
        sockets = netutil.bind_sockets(port, address or "127.0.0.1")
    except (OSError, UnicodeError) as error:
        where = f"{address or '127.0.0.1'} port {port}"
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            why = "another program uses it already"
        else:
            why = getattr(error, "strerror", None) or str(error)
        number = getattr(error, "errno", None) or errno.EADDRNOTAVAIL
        raise OSError(number, f"Cannot listen on {where}: {why}") from error
    if not address:
        # Without IPv6, or if another program uses that port, 127.0.0.1 is enough.
        with contextlib.suppress(OSError):
            sockets += netutil.bind_sockets(sockets[0].getsockname()[1], "::1")
    return sockets


def urls(sockets: list[socket.socket], address: str) -> list[str]:
    """The addresses of these sockets for a browser."""
    found = []
    for sock in sockets:
        host, port = sock.getsockname()[:2]
        if not address and host == "::1":
            continue
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
        found.append(f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{port}/")
    return list(dict.fromkeys(found))


class ControlSocket:
    """A listening Unix socket at ``path``, mode 0600; :meth:`remove` removes its file.

    Replaces the file of a program that has died. Raises OSError, whose text is a sentence, if
    another program listens there, or if the path is something else.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            _remove_stale(path)
            self.socket = _bind_private(path)
        except OSError as error:
            why = error.strerror or str(error)
            raise OSError(error.errno or errno.ENAMETOOLONG,
                          f"Cannot listen at {path}: {why}") from error
        self._identity = _identity(path)

    def remove(self) -> None:
        """Remove the file if it is still ours."""
        with contextlib.suppress(OSError):
            if _identity(self.path) == self._identity:
                os.unlink(self.path)


def _identity(path: str) -> tuple[int, int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino, found.st_mtime_ns  # an inode's number is soon reused


def _bind_private(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # With chmod afterwards, anybody could connect in between.
        before = os.umask(0o177)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "this is not a socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        except BlockingIOError:
            pass  # its queue is full, so a program listens
    raise OSError(errno.EADDRINUSE, "another program uses it already")

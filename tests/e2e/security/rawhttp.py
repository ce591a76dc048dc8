"""HTTP by hand from any address of this machine: exactly the bytes that a test wants to send."""

from __future__ import annotations

import contextlib
import re
import socket
import time

from tests.warrior.web.talking import Answer


def converse(port: int, data: bytes, source: str = "127.0.0.1", seconds: float = 30.0) -> bytes:
    """Send ``data`` from an address of this machine; the first answer as it came back, or what
    there is of it when the connection is closed. TimeoutError if neither happens in time."""
    received, end = b"", time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), seconds, (source, 0)) as sock, \
            contextlib.suppress(ConnectionResetError, BrokenPipeError):
        # It may be closed before all is read; what came before that has been received.
        sock.sendall(data)
        while not _is_complete(received):
            sock.settimeout(max(0.01, end - time.monotonic()))
            more = sock.recv(65536)
            if not more:
                break
            received += more
    return received


class Connection:
    """Sends one request after the other on one connection, and on a new one if it was closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._sock: socket.socket | None = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        if self._sock is not None:
            self._sock.close()

    def exchange(self, data: bytes) -> bytes:
        """The answer as it came back."""
        if self._sock is not None and (received := self._try(self._sock, data)):
            return received
        self.__exit__()
        self._sock = socket.create_connection(("127.0.0.1", self.port), 30)
        return self._try(self._sock, data)

    def _try(self, sock: socket.socket, data: bytes) -> bytes:
        received = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            sock.sendall(data)
            while not _is_complete(received) and (more := sock.recv(65536)):
                received += more
        return received


def _is_complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and (head[9:12] in (b"101", b"204") or (
        length is not None and len(body) >= int(length[1])))


def parse(received: bytes) -> Answer:
    """The first answer in what came back; status 0 where there is none."""
    if not received:
        return Answer(0, {}, "")
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in
               (line.partition(":") for line in lines[1:])}
    return Answer(int(lines[0].split(" ")[1]), headers, body.decode("utf-8", "replace"))


def request(first: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request whose connection closes behind it, unless a header says otherwise."""
    names = [name.lower() for name, _ in headers]
    more = [] if "connection" in names else [("Connection", "close")]
    if body and "content-length" not in names:
        more.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in [*headers, *more])
    return f"{first} HTTP/1.1\r\n{head}\r\n".encode("latin1") + body


def has_headers(answer: Answer) -> bool:
    """Whether it carries what everything carries: the policy, and no version."""
    found = answer.headers
    policy = found.get("content-security-policy", "")
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        and found.get("x-frame-options") == "DENY"
        and found.get("x-content-type-options") == "nosniff"
        and found.get("referrer-policy") == "no-referrer"
        and found.get("cross-origin-opener-policy") == "same-origin"
        and found.get("cross-origin-resource-policy") == "same-origin"
        and found.get("server") == "warrior"
        and not any(name.startswith("access-control") for name in found))


def is_refusal(answer: Answer, status: int) -> bool:
    """One line that says what to change, not to be kept, for nobody else to read."""
    return (answer.status == status and has_headers(answer)
            and answer.text.count("\n") == 1 and len(answer.text) > 20
            and answer.headers.get("cache-control") == "no-store")

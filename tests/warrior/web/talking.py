"""HTTP and websockets by hand: exactly the bytes that a test wants to send."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import socket
import struct
import time
from typing import Any


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back; ``status`` 0 when the connection was closed without an answer."""

    status: int
    headers: dict[str, str]
    text: str


def exchange(port: int, request: bytes, method: str = "GET", timeout: float = 60.0) -> Answer:
    """Send bytes, read one answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        sock.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return Answer(0, {}, "")
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {name.lower(): value.strip() for name, _, value in
                   (line.partition(":") for line in lines[1:])}
        if method != "HEAD" and status not in (101, 204, 304):
            wanted = int(headers.get("content-length", "0"))
            while len(body) < wanted:
                more = sock.recv(65536)
                if not more:
                    break
                body += more
        return Answer(status, headers, body.decode("utf-8", "replace"))


class Asking:
    """Speaks with a console at ``port`` as programs and browsers do."""

    port: int

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None,
            body: bytes | None = None) -> Answer:
        """One request with a proper Host, unless ``headers`` say otherwise."""
        lines = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **(headers or {})}
        if body is not None:
            lines.setdefault("Content-Length", str(len(body)))
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in lines.items())
        return exchange(self.port, head.encode() + b"\r\n" + (body or b""), method)

    def session(self, headers: dict[str, str] | None = None) -> dict[str, str]:
        """Cookie and token as a browser gets them from the page."""
        page = self.ask("GET", "/", headers)
        assert page.status == 200
        cookie = page.headers["set-cookie"].partition(";")[0]
        return {"Cookie": cookie, "X-CSRF-Token": token_in(page)}

    def session_token(self, headers: dict[str, str]) -> dict[str, str]:
        """The token of a session whose cookie is in the headers."""
        return {"X-CSRF-Token": token_in(self.ask("GET", "/", headers))}

    def log_in(self, password: str) -> dict[str, str]:
        """A session that has given the password."""
        answer = self.post("/api/login", self.session(),
                           b'{"username": "", "password": "%s"}' % password.encode())
        assert answer.status == 200, answer
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return {"Cookie": cookie, "X-CSRF-Token": token_in(
            self.ask("GET", "/", {"Cookie": cookie}))}

    def post(self, path: str, session: dict[str, str], body: bytes = b"{}") -> Answer:
        return self.ask("POST", path, {**session, "Content-Type": "application/json"}, body)


def token_in(page: Answer) -> str:
    """What this page's scripts send as X-CSRF-Token."""
    found = re.search(r'name="csrf-token" content="(\w+)"', page.text)
    assert found is not None
    return found.group(1)


class Page:
    """A websocket of the console as a page opens it. ``receive_buffer`` makes it a slow one."""

    def __init__(self, port: int, cookie: str, receive_buffer: int | None = None) -> None:
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(60)
        self.sock.connect(("127.0.0.1", port))
        self.data = b""
        self.messages: list[dict[str, Any]] = []
        self.sock.sendall((
            f"GET /sockjs/000/{os.urandom(4).hex()}/websocket HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.data:
            self.data += self._recv()
        self.head, _, self.data = self.data.partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 101", self.head), self.head

    def _recv(self) -> bytes:
        data = self.sock.recv(1 << 20)
        if not data:
            raise ConnectionError("closed")
        return data

    def _frame(self) -> tuple[int, bytes]:
        while True:
            if len(self.data) >= 2:
                size, start = self.data[1] & 127, 2
                if size == 126 and len(self.data) >= 4:
                    size, start = struct.unpack_from(">H", self.data, 2)[0], 4
                elif size == 127 and len(self.data) >= 10:
                    size, start = struct.unpack_from(">Q", self.data, 2)[0], 10
                elif size >= 126:
                    size = 1 << 60
                if len(self.data) >= start + size:
                    frame = self.data[0] & 15, self.data[start:start + size]
                    self.data = self.data[start + size:]
                    return frame
            self.data += self._recv()

    def next(self) -> dict[str, Any]:
        """The next message. Raises ConnectionError at the end."""
        while not self.messages:
            opcode, payload = self._frame()
            if opcode == 8:
                raise ConnectionError("closed")
            if opcode == 1 and payload[:1] == b"a":
                self.messages += [json.loads(text) for text in json.loads(payload[1:])]
        return self.messages.pop(0)

    def until(self, wanted: Any, seconds: float = 60.0) -> dict[str, Any]:
        """The first message for which ``wanted(message)`` is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = self.next()
            if wanted(message):
                return message
        raise AssertionError("no such message came")

    def say(self, **message: Any) -> None:
        payload = json.dumps([json.dumps(message)]).encode()
        mask = os.urandom(4)
        head = bytes([0x81, 0x80 | len(payload)]) if len(payload) < 126 else \
            struct.pack(">BBH", 0x81, 0xFE, len(payload))
        self.sock.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def close(self) -> None:
        self.sock.close()

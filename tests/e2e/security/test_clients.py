"""Slow, silent and hungry clients against the real commands: memory, the item, the others."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.security.command import Command, until
from tests.e2e.security.conftest import Start

#: MiB by which the program may grow.
ALLOWED = 10.0


class Crowd:
    """Many connections to a command, all open until the end."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.session = command.enter()
        self._open = contextlib.ExitStack()

    def connect(self, said: bytes = b"", receive_buffer: int = 4096) -> socket.socket | None:
        """One that says this and reads nothing; None if it is not let in any more."""
        sock = self._open.enter_context(socket.socket())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(2)
        try:
            sock.connect(("127.0.0.1", self.command.port))
            sock.sendall(said)
        except OSError:
            return None
        return sock

    def head(self, line: str, **more: str) -> bytes:
        """The head of a request of a session that may do all."""
        lines = {"Host": "localhost", **self.session,
                 **{name.replace("_", "-"): value for name, value in more.items()}}
        return f"{line} HTTP/1.1\r\n".encode() + "".join(
            f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n"

    def close(self) -> None:
        self._open.close()


def silent(crowd: Crowd) -> None:
    """Nothing is said at all."""
    for _ in range(400):
        crowd.connect()


def half_heads(crowd: Crowd) -> None:
    """As much of a head as is allowed, and no end of it."""
    for _ in range(400):
        crowd.connect(b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 15_000)


def endless_heads(crowd: Crowd) -> None:
    """More than is allowed."""
    for _ in range(100):
        crowd.connect(b"GET / HTTP/1.1\r\n" + b"A: aaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 40_000)


def half_bodies(crowd: Crowd) -> None:
    """All but the last byte of the largest body that is allowed."""
    head = crowd.head("POST /api/settings", Content_Type="application/json",
                      Content_Length="65536")
    for _ in range(400):
        crowd.connect(head + b"x" * 65_535)


def large_bodies(crowd: Crowd) -> None:
    """Far more than is allowed, without being asked who it is."""
    head = b"POST /api/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n\r\n"
    for _ in range(50):
        crowd.connect(head + b"x" * 1_000_000)


def unread_answers(crowd: Crowd) -> None:
    """Many requests in a row, and no answer is read."""
    for path in ("/api/state", "/static/vendor/vendor.js", "/", "/nowhere"):
        for _ in range(50):
            crowd.connect(crowd.head(f"GET {path}") * 100)


def unread_pages(crowd: Crowd) -> None:
    """Pages that are opened and not read."""
    for number in range(100):
        crowd.connect(crowd.head(
            f"GET /sockjs/000/page{number}/websocket", Upgrade="websocket", Connection="Upgrade",
            Sec_WebSocket_Version="13", Sec_WebSocket_Key="c2l4dGVlbiBieXRlcyEhIQ=="))
    for number in range(100):
        crowd.connect(crowd.head(f"POST /sockjs/000/poll{number}/xhr", Content_Length="0"))
        crowd.connect(crowd.head(f"POST /sockjs/000/str{number}/xhr_streaming",
                                 Content_Length="0"))


def websocket_frames(crowd: Crowd) -> None:
    """Messages that never end, that are too large, that come in a thousand pieces; pings."""
    opening = crowd.head(
        "GET /sockjs/000/{}/websocket", Upgrade="websocket", Connection="Upgrade",
        Sec_WebSocket_Version="13", Sec_WebSocket_Key="c2l4dGVlbiBieXRlcyEhIQ==")
    mask = b"\0\0\0\0"
    shapes = (
        struct.pack(">BBQ", 0x81, 0xFF, 2 ** 62) + mask + b"x" * 200_000,
        struct.pack(">BBQ", 0x81, 0xFF, 65_000) + mask + b"x" * 64_999,
        (struct.pack(">BBH", 0x01, 0xFE, 30_000) + mask + b"x" * 30_000) + (
            struct.pack(">BBH", 0x00, 0xFE, 30_000) + mask + b"x" * 30_000) * 30,
        (struct.pack(">BB", 0x89, 0x80 | 125) + mask + b"p" * 125) * 10_000)
    for number in range(40):
        crowd.connect(opening.replace(b"{}", b"ws%d" % number) + shapes[number % len(shapes)])


def trickled_heads(crowd: Crowd) -> None:
    """A byte now, a byte then, on all connections that there are."""
    open_now = [crowd.connect(b"GET / HTTP/1.1\r\nHost: localhost\r\nA: ") for _ in range(100)]
    for _ in range(50):
        for sock in open_now:
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.send(b"a")


def many_cookies(crowd: Crowd) -> None:
    """As many as go into a head, each of which has to be looked at, again and again."""
    name = f"warrior_session_{crowd.command.port}"
    head = crowd.head("GET /api/state", Cookie="; ".join(f"{name}={n}.x" for n in range(500)))
    for _ in range(20):
        crowd.connect(head * 20)


def garbage(crowd: Crowd) -> None:
    """What begins TLS, and no HTTP at all."""
    for number in range(400):
        crowd.connect(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 30
                      if number % 2 else os.urandom(12_000) + b"\r\n\r\n")


def kept_alive(crowd: Crowd) -> None:
    """One request, whose answer is read, and then silence."""
    for _ in range(200):
        sock = crowd.connect(crowd.head("GET /healthz"))
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.recv(4096)


def open_logs(crowd: Crowd) -> None:
    """Pages by all ways that open a long log, ask for it again and again, and read nothing."""
    state = crowd.command.state(crowd.session)
    message = json.dumps([json.dumps({"type": "watch", "item": state["items"][0]["id"]})]).encode()
    frame = struct.pack(">BBH", 0x81, 0xFE, len(message)) + b"\0\0\0\0" + message
    for number in range(20):
        crowd.connect(crowd.head(
            f"GET /sockjs/000/log{number}/websocket", Upgrade="websocket", Connection="Upgrade",
            Sec_WebSocket_Version="13", Sec_WebSocket_Key="c2l4dGVlbiBieXRlcyEhIQ==")
            + frame * 10)
        crowd.connect(crowd.head(f"POST /sockjs/000/s{number}/xhr_streaming", Content_Length="0"))
        crowd.connect(crowd.head(f"POST /sockjs/000/s{number}/xhr_send", Content_Length=str(
            len(message))) + message)
    log = f"/api/items/{state['items'][0]['id']}/log"
    for _ in range(60):
        crowd.connect(crowd.head(f"GET {log}") * 20)


class Talking(Command):
    """Its item has said much, in letters that take more room on the way to a page."""

    def start(self) -> None:
        path = self.project / "pipeline.py"
        path.write_text(path.read_text().replace(
            "n=0; while", "yes '\u0436\u0436\u0436 \"\u00e4\"' | head -c 2000000; n=0; while"), "utf-8")
        super().start()


def password_guesses(crowd: Crowd) -> None:
    """Many at once: one hash after the other is made, and soon none."""
    for number in range(200):
        guess = base64.b64encode(f":{number}".encode() + b"x" * 5000).decode()
        crowd.connect(b"GET /api/state HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic "
                      + guess.encode() + b"\r\n\r\n")


ATTACKS = (silent, half_heads, endless_heads, half_bodies, large_bodies, unread_answers,
           unread_pages, websocket_frames, trickled_heads, many_cookies, garbage, kept_alive)


@pytest.fixture
def crowd(start: Start, kind: str) -> Iterator[Crowd]:
    crowd = Crowd(start(kind))
    yield crowd
    crowd.close()


def stands(
    crowd: Crowd, attack: Callable[[Crowd], None], allowed: float = ALLOWED
) -> None:
    """What it does to the program is little: it answers, its item works, it stays small."""
    command = crowd.command
    beats, before = command.beats(), command.memory()
    attack(crowd)
    for _ in range(3):
        command.answers()
    grown = command.memory() - before
    assert grown < allowed, f"{attack.__name__}: {grown:.1f} MiB"
    until(lambda: command.beats() > beats, "the item at work")
    assert "Traceback" not in command.said()


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.__name__ for attack in ATTACKS])
def test_clients_that_take_and_give_nothing(
        crowd: Crowd, attack: Callable[[Crowd], None]) -> None:
    """Each alone, and again: the second time costs nothing more."""
    crowd.command.ask("GET", "/", crowd.session)
    crowd.command.ask("GET", "/sockjs/info", crowd.session)
    stands(crowd, attack)
    before = crowd.command.memory()
    attack(crowd)
    assert crowd.command.memory() - before < ALLOWED / 2


def test_guessing_passwords(start: Start, kind: str) -> None:
    """The memory is that of one hash, 32 MiB; whoever is logged in does not notice."""
    command = start(kind, "the password", real_hashes=True)
    crowd = Crowd(command)
    assert command.ask("GET", "/api/state", crowd.session).status == 200
    stands(crowd, password_guesses, ALLOWED + 32)
    assert command.ask("GET", "/api/state", crowd.session).status == 200
    crowd.close()


def test_logs_that_nobody_reads(tmp_path: Path, kind: str) -> None:
    """Many pages and downloads of a log as long as logs get: little of it is on its way at once."""
    command = Talking(kind, tmp_path)
    crowd = Crowd(command)
    try:
        item = until(lambda: command.state(crowd.session)["items"], "the item")[0]["id"]
        path = f"/api/items/{item}/log"
        until(lambda: len(command.ask("GET", path, crowd.session).text) > 100_000, "its log")
        stands(crowd, open_logs)
    finally:
        crowd.close()
        command.close()

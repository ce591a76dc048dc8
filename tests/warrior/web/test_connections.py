"""Slow, silent and hungry clients, against a console that really listens."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from pipeline_core.externalprocess import ExternalProcess
from tests.warrior.web.conftest import MakeConsole, RunningConsole
from tests.warrior.web.talking import exchange
from warrior.web.connections import MAX_CONNECTIONS
from warrior.web.live.sockets import MAX_PAGES


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_closed(sock: socket.socket) -> bool:
    """Whether the other side has let go of it."""
    sock.setblocking(False)
    try:
        return sock.recv(1 << 20) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.fixture
def connect(console: RunningConsole) -> Iterator[Callable[..., socket.socket]]:
    """Makes connections that say ``said`` and then nothing."""
    with contextlib.ExitStack() as stack:
        def make(said: bytes = b"", receive_buffer: int = 0) -> socket.socket:
            sock = stack.enter_context(socket.socket())
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(20)
            sock.connect(("127.0.0.1", console.port))
            sock.sendall(said)
            return sock

        yield make


def held(console: RunningConsole) -> int:
    """Connections that the console holds."""
    (server,) = console.console._servers
    return int(console.on_loop(lambda: len(server._clients)))  # type: ignore[attr-defined]


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nA: "])
def test_hoarded_connections_make_room(
        console: RunningConsole, connect: Callable[..., socket.socket], said: bytes) -> None:
    """Whoever holds many and says nothing, or not all, loses the longest silent ones; new ones
    are answered at once."""
    hoard = [connect(said) for _ in range(MAX_CONNECTIONS + 50)]
    assert console.ask("GET", "/healthz").status == 200
    assert held(console) <= MAX_CONNECTIONS
    until(lambda: sum(map(is_closed, hoard)) >= 50)
    assert console.ask("GET", "/healthz").status == 200


def test_a_request_at_work_is_not_sacrificed(
        console: RunningConsole, connect: Callable[..., socket.socket]) -> None:
    """A page that streams stays, however many silent connections come after it."""
    session = console.session()
    page = connect((f"POST /sockjs/000/{os.urandom(4).hex()}/xhr_streaming HTTP/1.1\r\n"
                    f"Host: localhost\r\nCookie: {session['Cookie']}\r\n"
                    "Content-Length: 0\r\n\r\n").encode())
    assert page.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    for _ in range(2 * MAX_CONNECTIONS):
        connect()
    assert console.ask("GET", "/healthz").status == 200
    assert not is_closed(page)


def test_nobody_is_counted_who_has_gone(
        console: RunningConsole, connect: Callable[..., socket.socket]) -> None:
    """A thousand short visits leave nothing behind."""
    for _ in range(1000):
        assert exchange(console.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                                      b"Connection: close\r\n\r\n").status == 200
    until(lambda: held(console) == 0)


def test_pages_have_a_number(console: RunningConsole) -> None:
    """One more is refused with a sentence, by whatever way it comes; when one is closed, there
    is room again."""
    session = console.session()
    pages = [console.open_page(session["Cookie"]) for _ in range(MAX_PAGES)]
    for page in pages:
        page.next()
    for path, method in (("websocket", "GET"), ("xhr", "POST"), ("xhr_streaming", "POST")):
        answer = console.ask(method, f"/sockjs/000/abcd1234/{path}", {
            **session, "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyEhIQ=="},
            b"" if method == "POST" else None)
        assert answer.status == 503
        assert "close one of them" in answer.text
    pages.pop().close()
    until(lambda: len(console.console._parts.hub.readers) < MAX_PAGES)
    console.open_page(session["Cookie"]).next()


def test_polling_pages_that_are_given_up_count_until_they_are_forgotten(
        console: RunningConsole) -> None:
    """A new one with each request does not pile them up."""
    session = console.session()
    statuses = [console.ask("POST", f"/sockjs/000/session{number}/xhr", session, b"").status
                for number in range(MAX_PAGES + 20)]
    assert statuses == [200] * MAX_PAGES + [503] * 20
    until(lambda: console.ask("POST", "/sockjs/000/another/xhr", session, b"").status == 200)


def with_a_long_log(make_running: MakeConsole) -> tuple[RunningConsole, str]:
    """A console with an item whose log is as long as logs get; the item's id."""
    console = make_running([ExternalProcess("Talk", [
        "sh", "-c", "yes 'a line of some length, again and again' | head -c 3000000; sleep 100"],
        env={"PATH": os.environ["PATH"]})])
    console.start()
    board = console.console._parts.program.board

    def lengths() -> list[int]:
        return [len(log.text()) for log in map(board.logs.get, board.items) if log is not None]

    until(lambda: max(console.on_loop(lengths), default=0) > 200_000)
    return console, next(iter(board.items))


@pytest.mark.parametrize("unread", [0.3])
def test_answers_that_nobody_reads_are_given_up(
        make_running: MakeConsole, monkeypatch: pytest.MonkeyPatch, unread: float) -> None:
    """A turn of a large answer is taken by nobody for long: others get theirs (shortened)."""
    monkeypatch.setattr("warrior.web.connections.UNREAD", unread)
    monkeypatch.setattr("warrior.web.connections.LOOK_INTERVAL", 0.1)
    console, item_id = with_a_long_log(make_running)
    session = console.session()
    request = (f"GET /api/items/{item_id}/log HTTP/1.1\r\nHost: localhost\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in session.items()) + "\r\n").encode()
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", console.port))
            sock.sendall(request * 20)
        answer = console.ask("GET", f"/api/items/{item_id}/log", session)
    assert answer.status == 200
    assert len(answer.text) > 200_000


def test_a_page_that_opens_logs_without_reading(make_running: MakeConsole) -> None:
    """It gets what there is when it reads, once; one that goes on asking is closed."""
    console, item_id = with_a_long_log(make_running)
    session = console.session()
    page = console.open_page(session["Cookie"], receive_buffer=4096)
    for _ in range(50):
        page.say(type="watch", item=item_id)
        page.say(type="unwatch", item=item_id)
    page.say(type="watch", item=item_id)

    page.sock.settimeout(20)
    found = page.until(lambda message: message["type"] == "log" and message.get("start"))
    assert len(found["text"]) > 100_000
    page.close()
    readers = console.console._parts.hub.readers
    until(lambda: not readers)
    greedy = console.open_page(session["Cookie"], receive_buffer=4096)
    until(lambda: readers)
    (reader,) = readers

    def is_full() -> bool:
        """Whether the system holds no more for it, after one more log."""
        greedy.say(type="watch", item=item_id)
        greedy.say(type="unwatch", item=item_id)
        return not any(console.on_loop(reader.channel.ready) for _ in range(50))

    until(is_full)
    with pytest.raises(ConnectionError):
        for number in range(5000):
            greedy.say(type="watch", item=f"none-{number}")
        while True:
            greedy._recv()

"""Slow, silent and hungry clients, against a console that really listens."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.warrior.web.conftest import MakeConsole, RunningConsole
from tests.warrior.web.longlog import until, with_a_long_log
from tests.warrior.web.talking import exchange
from warrior.web.addresses import HERE, neighbour
from warrior.web.connections import MAX_CONNECTIONS, SHARE
from warrior.web.live.sockets import MAX_PAGES, PAGES_EACH


def is_closed(sock: socket.socket) -> bool:
    """Whether the other side has closed it."""
    sock.setblocking(False)
    try:
        return sock.recv(1 << 20) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.fixture
def connect(console: RunningConsole) -> Iterator[Callable[..., socket.socket]]:
    """Makes connections that send ``said`` and then nothing."""
    with contextlib.ExitStack() as stack:
        def make(said: bytes = b"", receive_buffer: int = 0,
                 source: str = "127.0.0.1") -> socket.socket:
            sock = stack.enter_context(socket.socket())
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(60)
            sock.bind((source, 0))
            sock.connect(("127.0.0.1", console.port))
            sock.sendall(said)
            return sock

        yield make


def held(console: RunningConsole) -> int:
    """The number of connections of the console."""
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


@pytest.fixture
def street(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address except 127.0.0.1 counts as another machine."""
    def number(address: str) -> str:
        return HERE if address == "127.0.0.1" else address

    monkeypatch.setattr("warrior.web.connections.neighbour", number)
    monkeypatch.setattr("warrior.web.live.sockets.neighbour", number)


HALF = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"


@pytest.mark.usefixtures("street")
@pytest.mark.parametrize("said", [b"", HALF, b"GET /static/vendor/vendor.js HTTP/1.1\r\n"
                                            b"Host: localhost\r\n\r\n" * 9])
@pytest.mark.parametrize("hoards,owns", [("127.0.0.2", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")])
def test_a_neighbour_who_hoards_loses_his_own(
        console: RunningConsole, connect: Callable[..., socket.socket], said: bytes,
        hoards: str, owns: str) -> None:
    """Whether he is silent, half through or does not read: what others hold stays, and they get
    in while he goes on."""
    old = [connect(source=owns) for _ in range(SHARE // 2)]
    hoard = [connect(said, 4096, hoards) for _ in range(MAX_CONNECTIONS)]
    for _ in range(20):
        hoard += [connect(said, 4096, hoards) for _ in range(4)]
        new = connect(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", source=owns)
        assert new.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        new.close()
    until(lambda: held(console) <= MAX_CONNECTIONS)
    assert not any(map(is_closed, old))


@pytest.mark.usefixtures("street")
def test_many_neighbours_do_not_keep_the_owner_out(
        console: RunningConsole, connect: Callable[..., socket.socket]) -> None:
    """Each has few connections, but all together have all that there are: who sits at this
    machine stays and gets in."""
    old = connect()
    for number in range(2 * MAX_CONNECTIONS):
        connect(source=f"127.0.1.{number + 1}")
    assert console.ask("GET", "/healthz").status == 200
    assert not is_closed(old)


def test_who_is_a_neighbour() -> None:
    """An IPv6 network is one machine; this machine is one, and so is its Unix socket."""
    assert neighbour("192.0.2.1") != neighbour("192.0.2.2")
    assert neighbour("2001:db8::1") == neighbour("2001:db8::2:1")
    assert neighbour("2001:db8::1") != neighbour("2001:db8:0:1::1")
    assert {neighbour(here) for here in ("127.0.0.1", "127.8.9.1", "::1", "")} == {HERE}


@pytest.mark.usefixtures("street")
def test_pages_of_a_neighbour_do_not_keep_others_out(
        console: RunningConsole, connect: Callable[..., socket.socket]) -> None:
    """One has his number of them; others still get theirs."""
    session = console.session()

    def stream(number: int, source: str) -> bytes:
        sock = connect((f"POST /sockjs/000/page{number}/xhr_streaming HTTP/1.1\r\n"
                        f"Host: localhost\r\nCookie: {session['Cookie']}\r\n"
                        "Content-Length: 0\r\n\r\n").encode(), source=source)
        return sock.recv(12)[-3:]

    assert [stream(number, "127.0.0.2") for number in range(PAGES_EACH)] == [b"200"] * PAGES_EACH
    assert stream(50, "127.0.0.2") == b"503"
    for number in range(MAX_PAGES - PAGES_EACH):
        assert stream(60 + number, "127.0.0.1") == b"200"
    assert stream(90, "127.0.0.3") == b"503"


def test_nobody_is_counted_who_has_gone(
        console: RunningConsole, connect: Callable[..., socket.socket]) -> None:
    """A thousand short visits leave no connection."""
    for _ in range(1000):
        assert exchange(console.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                                      b"Connection: close\r\n\r\n").status == 200
    until(lambda: held(console) == 0)


def test_pages_have_a_number(console: RunningConsole) -> None:
    """One more is refused with a sentence, by whatever way it comes; when one is closed, there
    is room again."""
    session = console.session()
    pages = [console.open_page(session["Cookie"]) for _ in range(PAGES_EACH)]
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
    until(lambda: len(console.console._parts.hub.readers) < PAGES_EACH)
    console.open_page(session["Cookie"]).next()


def test_polling_pages_that_are_given_up_count_until_they_are_forgotten(
        console: RunningConsole) -> None:
    """A new one with each request does not pile them up."""
    session = console.session()

    def open_another(number: int) -> int:
        return console.ask("POST", f"/sockjs/000/session{number}/xhr", session, b"").status

    statuses = [open_another(number) for number in range(PAGES_EACH)]
    assert statuses == [200] * PAGES_EACH
    numbers = iter(range(PAGES_EACH, 10_000))
    until(lambda: open_another(next(numbers)) == 503)
    until(lambda: open_another(next(numbers)) == 200)


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


def test_an_answer_read_byte_by_byte_is_given_up(
        make_running: MakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    """A little now and then does not keep a turn for ever (shortened)."""
    monkeypatch.setattr("warrior.web.connections.UNREAD", 1.0)
    monkeypatch.setattr("warrior.web.connections.LOOK_INTERVAL", 0.1)
    console, item_id = with_a_long_log(make_running)
    request = f"GET /api/items/{item_id}/log HTTP/1.1\r\nHost: localhost\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in console.session().items())
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(60)
        sock.connect(("127.0.0.1", console.port))
        sock.sendall((request + "\r\n").encode() * 50)

        def reads_on() -> bool:
            try:
                return sock.recv(8) != b""
            except ConnectionError:
                return False

        reads_on()
        until(lambda: held(console) == 0 or not reads_on())

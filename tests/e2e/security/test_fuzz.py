"""Odd requests and odd messages, thousands of them: no 500, no traceback, and it lives on."""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import re
import socket
import time
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.e2e.security import oddities
from tests.e2e.security.command import Command, until

#: What nobody may find in the log of either command, whatever was sent.
TROUBLE = re.compile(
    r"Traceback|Uncaught|never retrieved|never awaited|Cannot send error| ERROR | CRITICAL |Error:")


def fire(given_to: Callable[..., None], count: int, start: int) -> None:
    """Call it so many times; from the same ``start`` the same examples each time."""
    bounds = settings(max_examples=count, derandomize=True, deadline=None, database=None,
                      suppress_health_check=list(HealthCheck))
    bounds(seed(start)(given_to))()


class Target:
    """A command under fire, and a session that may do all."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.session = command.enter()
        self.ending = oddities.ENDING[command.kind]
        self.sent = 0
        #: How often which status came back.
        self.seen: collections.Counter[int] = collections.Counter()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.command.port}"

    def item(self) -> str:
        """An item that is at work now, or was just now."""
        items = self.command.state(self.session)["items"]
        return str(items[-1]["id"]) if items else "none"

    def connect(self) -> socket.socket:
        # Who guesses at passwords has to wait: some are somebody else.
        number = 1 if self.sent % 16 else self.sent
        return socket.create_connection(("127.0.0.1", self.command.port), timeout=60,
                                        source_address=(f"127.{number >> 8}.{number & 255}.1", 0))

    def exchange(self, data: bytes, **how: Any) -> bytes:
        """All that comes back until the connection is closed."""
        self.sent += 1
        with self.connect() as sock:
            received = exchange(sock, data, **how)
        self.seen.update(statuses(received))
        return received

    def post(self, path: str, body: bytes = b"", **how: Any) -> bytes:
        """As a page does; what comes back."""
        headers = {"Host": self.host, **self.session, "Content-Length": str(len(body)),
                   "Connection": "close"}
        head = f"POST {path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in headers.items())
        return self.exchange(head.encode() + b"\r\n" + body, **how)

    def is_well(self) -> None:
        """It lives, it answers, and it has met nothing that it did not expect."""
        assert self.command.process.poll() is None, self.command.said()[-3000:]
        until(lambda: self.command.ask("GET", "/healthz").text == "healthy\n", "an answer")
        logs = [self.command.log, *self.command.folder.glob("state/warrior.log*")]
        for log in logs:
            said = log.read_text("utf-8", "replace")
            found = TROUBLE.search(said)
            assert found is None, said[max(0, found.start() - 500):][:4000]
            # Whoever reads the log in a terminal sees what was sent, and is not commanded by it.
            assert {c for c in set(said) if unicodedata.category(c) == "Cc"} <= {"\n", "\t"}


#: Seconds for which a stream is read that does not end by itself.
STREAM = 10.0


def exchange(sock: socket.socket, data: bytes, wanted: int = 1, has_body: bool = True,
             patience: float = 20.0, then: bytes = b"") -> bytes:
    """Send data, wait for so many answers, send what comes ``then``, say that this is all.

    Where it is doubtful whether an answer will come, it is waited for with less patience.
    """
    received, end = b"", time.monotonic() + patience
    with contextlib.suppress(OSError):
        sock.sendall(data)
        while count(received, has_body) < wanted and time.monotonic() < end:
            sock.settimeout(max(0.01, end - time.monotonic()))
            with contextlib.suppress(TimeoutError):
                more = sock.recv(65536)
                received += more
                if not more:
                    return received
        sock.settimeout(2)  # what is a stream may not end by itself
        sock.sendall(then)
        sock.shutdown(socket.SHUT_WR)
        # A page's stream goes on for as long as something is to be told.
        end = time.monotonic() + STREAM
        while time.monotonic() < end and (more := sock.recv(65536)):
            received += more
    return received


def count(answers: bytes, has_body: bool) -> int:
    """How many whole answers these are; one that goes on and on is whole with its head. What
    a socket has to say last, the answer to a ping, is one more."""
    whole, rest = 0, answers
    while b"\r\n\r\n" in rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        status = head[9:12]
        if status == b"101":
            return whole + 1 + (b"\x8a\x03end" in rest)
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        size = int(length[1]) if length and has_body else 0
        if len(rest) < size:
            break
        rest = rest[size:]
        whole += status != b"100"
    return whole


def statuses(answers: bytes) -> list[int]:
    """Of all answers on one connection."""
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d\d\d) [A-Z][-A-Za-z ]*\r\n", answers)]


def is_sound(answers: bytes) -> bool:
    """Nothing, or answers of which none says that the program is at fault."""
    found = statuses(answers)
    full = b"pages of this console are open" in answers
    return answers == b"" or (bool(found) and (max(found) < 500 or full))


@pytest.fixture(scope="module", params=["warrior", "pipeline"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
           ) -> Iterator[Target]:
    """run-warrior without a password, run-pipeline with one."""
    password = {"warrior": "", "pipeline": "the password"}[request.param]
    command = Command(request.param, tmp_path_factory.mktemp(request.param), password)
    yield Target(command)
    command.close()


def fire_requests(target: Target, count: int, start: int = 0) -> None:
    item = target.item()

    @given(oddities.requests(target.command.kind))
    def ask(request: oddities.Request) -> None:
        data = request.encode(target.host, target.session, item, target.ending)
        answers = target.exchange(data, wanted=request.times, has_body=request.has_body,
                                  patience=20.0 if request.is_whole else 0.1)
        assert is_sound(answers), (data[:3000], answers[:3000])

    fire(ask, count, start)


def fire_messages(target: Target, count: int, start: int = 0) -> None:
    item = target.item()

    @given(oddities.frames, oddities.tails)
    def talk(frames: list[oddities.Frame], tail: bytes) -> None:
        headers = {"Host": target.host, "Cookie": target.session["Cookie"],
                   **dict(oddities.UPGRADE)}
        head = f"GET /sockjs/000/{os.urandom(4).hex()}/websocket HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in headers.items())
        answers = target.exchange(
            head.encode() + b"\r\n" + oddities.conversation(frames, item)
            + oddities.masked_frame(0x89, b"end"), wanted=2, then=tail)
        assert statuses(answers) == [101], answers[:300]

    fire(talk, count, start)


def fire_polls(target: Target, count: int, start: int = 0) -> None:
    """What a page without a websocket sends: it opens, says something, and looks again."""
    item = target.item().encode()

    @given(oddities.packs)
    def poll(pack: tuple[bytes, int]) -> None:
        path = f"/sockjs/000/{os.urandom(4).hex()}"
        # There is room for so many pages, and those before are still missed for a while.
        until(lambda: target.post(f"{path}/xhr", b"").endswith(b"o\n"), "a page")
        body = (pack[0] * pack[1]).replace(b"ITEM", item)
        assert statuses(target.post(f"{path}/xhr_send", body))[0] in (204, 400, 413)
        assert statuses(target.post(f"{path}/xhr", b"")) == [200]

    fire(poll, count, start)


def test_some(target: Target) -> None:
    """A few hundred, each time; and they get far enough."""
    fire_requests(target, 180)
    fire_messages(target, 40)
    fire_polls(target, 15)
    target.is_well()
    assert {200, 204, 400, 404} <= target.seen.keys() and target.seen.keys() & {401, 403}
    assert target.seen[200] > target.sent / 10


@pytest.mark.long
def test_ten_thousand(target: Target) -> None:
    """So many over both commands, in two rounds: what they hold in memory does not grow."""
    for start in (1, 2):
        before, memory = target.sent, target.command.memory()
        fire_requests(target, 1950, start)
        fire_messages(target, 350, start)
        fire_polls(target, 70, start)
        target.is_well()
        assert target.sent - before >= 2500
    guess = (f"GET /api/state HTTP/1.1\r\nHost: {target.host}\r\nAuthorization: Basic eDp5\r\n"
             "Connection: close\r\n\r\n")
    for _ in range(20):
        target.exchange(guess.encode())
    until(lambda: target.command.memory() < memory + 8, "memory that does not grow")
    assert {101, 200, 204, 400, 401, 403, 404, 405, 411, 413, 415, 421, 429} <= target.seen.keys()
    assert target.seen[200] > target.sent / 10


#: Heads about whose body two readers may think differently: {all} is its length.
AMBIGUOUS = (
    "Content-Length: {all}\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 0",
    "Transfer-Encoding: chunked", "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: identity\r\nContent-Length: {all}", "Transfer-Encoding : chunked",
    "transfer-encoding:\tchunked", "X: a\r\n Transfer-Encoding: chunked",
    "Content-Length: 0\r\nContent-Length: {all}", "Content-Length: 0, {all}",
    "Content-Length: +0", "Content-Length: -0", "Content-Length: 0x0", "Content-Length: 0_0",
    "Content-Length: 0;", "Content-Length:", "Content-Length : 0", "Content-Length: 0 0",
    "X: a\rContent-Length: 0\r\nContent-Length: {all}",
    "X: a\nContent-Length: 0\r\nContent-Length: {all}", "Content-Length: 0\0",
    "Content-Length: 99999999999999999999")


def test_no_request_hides_in_another(target: Target) -> None:
    """What lies in a body is not answered, nor anything behind a doubtful one."""
    hidden = f"GET /healthz HTTP/1.1\r\nHost: {target.host}\r\n\r\n"
    headers = {"Host": target.host, "Content-Type": "application/json", **target.session}
    start = "POST /api/keep-running HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in headers.items())
    bodies = (hidden, f"0\r\n\r\n{hidden}", f"2\r\n{{}}\r\n0\r\n\r\n{hidden}")
    for head, body in itertools.product(AMBIGUOUS, bodies):
        request = start + head.format(all=len(body)) + "\r\n\r\n" + body
        answers = target.exchange(request.encode("latin1"), wanted=2, patience=5.0)
        assert len(statuses(answers)) <= 1, (head, answers)
        assert all(400 <= status < 500 for status in statuses(answers)), (head, answers)
        assert b"healthy" not in answers, (head, answers)
    target.is_well()


def test_what_once_went_wrong(target: Target) -> None:
    """A NUL in the name of a file; a page that goes over to another transport, and to another
    address; control characters in a path, which the log shows as such."""
    head = f" HTTP/1.1\r\nHost: {target.host}\r\nConnection: close\r\n\r\n".encode()
    assert statuses(target.exchange(b"GET /static/%00" + head)) == [404]
    assert statuses(target.exchange(b"POST /api/stop/\x9b2J" + head))[0] in (401, 403)
    page = f"/sockjs/000/{os.urandom(4).hex()}"
    until(lambda: target.post(f"{page}/xhr").endswith(b"o\n"), "a page")
    target.sent = 16 * (target.sent // 16) + 15  # the next one comes from another address
    assert statuses(target.post(f"{page}/xhr")) == [200]
    assert statuses(target.post(f"{page}/xhr_streaming", patience=5.0)) == [200]
    target.is_well()


def test_two_requests_are_two(target: Target) -> None:
    """One behind the other on one connection."""
    one = f"GET /healthz HTTP/1.1\r\nHost: {target.host}\r\n\r\n".encode()
    assert target.exchange(one * 2, wanted=2).count(b"healthy") == 2

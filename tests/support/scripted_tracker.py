"""A tracker that answers what a test tells it to, and records what it was asked.

A real HTTP server on a port of 127.0.0.1 that the system chose. Answers are
queued per command (the last part of the path; ``PUT`` stands for all uploads); when a
queue is empty the command's standing answer is given. It can also answer slowly, a byte at a time,
with garbage, endlessly, with redirects, or not at all, and takes uploads by PUT.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Union


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as it arrived; ``time`` is of ``time.monotonic()``, in seconds."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    time: float

    @property
    def command(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def json(self) -> Any:
        """The body, read as JSON; ValueError when it is none."""
        return json.loads(self.body.decode("utf-8"))


@dataclasses.dataclass(frozen=True)
class Answer:
    """What to send back.

    ``byte_delay`` is the pause before each byte of the body, in seconds; ``repeat``
    sends the body that many times (for bodies of a size not to be kept in memory);
    ``reset`` tears the connection down without an answer, ``hang`` keeps it open
    without one until the tracker closes, ``raw`` replaces everything, status line
    included.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    byte_delay: float = 0.0
    repeat: int = 1
    reset: bool = False
    hang: bool = False
    raw: bytes | None = None


Scripted = Union[Answer, Callable[[Request], Answer]]


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """An answer whose body is ``value`` as JSON."""
    pairs = (("Content-Type", "application/json"), *headers.items())
    return Answer(status, json.dumps(value).encode(), pairs)


def item_answer(*names: str, **more: Any) -> Answer:
    """The answer to ``request``: names joined by NUL, as the contract has it."""
    return json_answer({"item_name": "\0".join(names), **more})


def redirect(to: str, status: int = 302) -> Answer:
    """A redirect; ``to`` goes into Location as it is."""
    return Answer(status, b"", (("Location", to),))


OK = Answer(200, b"OK")
NOTHING = Answer(404)
RESET = Answer(reset=True)
HANG = Answer(hang=True)


def _echo_items(request: Request) -> Answer:
    return json_answer({"items": request.json["items"]})


class ScriptedTracker:
    """The server; a context manager. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queues: dict[str, list[Scripted]] = {}
        self._standing: dict[str, Scripted] = {
            "request": NOTHING, "done": OK, "release": _echo_items,
            "upload": lambda request: json_answer({"upload_target": self.url + "/put/"}),
            "PUT": OK,
        }
        self._requests: list[Request] = []
        self._closing = threading.Event()
        self.uploads: dict[str, bytes] = {}
        #: Bytes of all bodies that the system has taken so far; of ``repeat`` as far as it got.
        self.sent = 0
        self._placeholder: socket.socket | None = None
        self.port = 0
        self._listen()
        self.url = f"http://127.0.0.1:{self.port}/project"

    def _listen(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.tracker = self
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def __enter__(self) -> ScriptedTracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering; connections that hang are dropped."""
        self._closing.set()
        if self._placeholder is None:
            self.down()
        if self._placeholder is not None:
            self._placeholder.close()

    def down(self) -> None:
        """Refuse connections until :meth:`up`; nobody else gets the port meanwhile."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
        self._placeholder = socket.socket()
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind(("127.0.0.1", self.port))

    def up(self) -> None:
        """Listen again, on the same port."""
        assert self._placeholder is not None
        self._placeholder.close()
        self._placeholder = None
        self._listen()

    def queue(self, command: str, *answers: Scripted) -> None:
        """Give these answers next, one each."""
        with self._changed:
            self._queues.setdefault(command, []).extend(answers)

    def always(self, command: str, answer: Scripted) -> None:
        """Give this answer whenever none is queued."""
        with self._changed:
            self._standing[command] = answer

    def requests(self, command: str | None = None) -> list[Request]:
        """What arrived so far, in order; of one command, or all."""
        with self._changed:
            return [r for r in self._requests if command in (None, r.command)]

    def wait_requests(self, command: str, number: int, timeout: float = 20.0) -> list[Request]:
        """Block until so many have arrived; AssertionError when they do not."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [r for r in self._requests if r.command == command]
                if len(found) >= number:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        f"only {len(found)} of {number} {command!r} requests within {timeout} s")
                self._changed.wait(left)

    def _arrived(self, request: Request) -> Answer:
        with self._changed:
            self._requests.append(request)
            if request.method == "PUT":
                self.uploads[request.path] = request.body
            # An upload is known by its name, or by its method.
            kinds = [request.command, request.method]
            queue = next(filter(None, map(self._queues.get, kinds)), None)
            standing = (self._standing[kind] for kind in kinds if kind in self._standing)
            scripted = queue.pop(0) if queue else next(standing, NOTHING)
            self._changed.notify_all()
        return scripted(request) if callable(scripted) else scripted


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    #: Many may come at once; one that finds the queue full tries again only after a second.
    request_queue_size = 128
    tracker: ScriptedTracker

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what many tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    def _handle(self) -> None:
        body = self._read_body()
        request = Request(self.command, self.path,
                          {k.lower(): v for k, v in self.headers.items()}, body, time.monotonic())
        self._answer(self.server.tracker._arrived(request))

    do_GET = do_POST = do_PUT = _handle

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def _answer(self, answer: Answer) -> None:
        closing = self.server.tracker._closing
        if answer.hang:
            closing.wait()
        if answer.reset or answer.hang:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            return
        if answer.raw is not None:
            self.close_connection = True
            self.wfile.write(answer.raw)
            return
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) * answer.repeat))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self._write_body(answer, closing)

    def _write_body(self, answer: Answer, closing: threading.Event) -> None:
        if not answer.byte_delay:
            for _ in range(answer.repeat):
                # Counted first: the client may cut it short.
                self.server.tracker.sent += len(answer.body)
                self.wfile.write(answer.body)
            return
        for position in range(len(answer.body)):
            if closing.wait(answer.byte_delay):
                return
            self.wfile.write(answer.body[position:position + 1])
            self.wfile.flush()

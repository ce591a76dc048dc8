"""An HTTP server that slow, silent or greedy clients cannot exhaust.

Tornado bounds the size of a request and the time of its body, but neither the number of connections
nor the time in which a client has to read an answer. Here, whoever holds too many connections loses
some, the longest silent first, when a new one needs room. A client that reads next to nothing of an
answer for half a minute is disconnected.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from tornado import httputil, iostream
from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer

from warrior.web.addresses import HERE, neighbour
from warrior.web.headers import SECURITY_HEADERS

logger = logging.getLogger(__name__)

#: The most connections; a browser has six, and a socket for each page.
MAX_CONNECTIONS = 48
#: The connections that one neighbour can have before its own are closed first: two browsers.
SHARE = 16
#: A client has to read LEAST_READ bytes of an answer within UNREAD seconds.
UNREAD, LEAST_READ = 30.0, 16 * 1024
#: Seconds between two checks for unread answers, while there are connections.
LOOK_INTERVAL = 5.0
#: The most bytes of all unfinished bodies together.
MAX_BODIES = 1280 * 1024
#: The most bytes of a request's head, of one piece of its body, and in a connection's buffer.
MAX_HEAD, PIECE, MAX_BUFFERED = 16 * 1024, 8 * 1024, 256 * 1024

_BODY = b"The request is malformed: check its first line, its headers (Host once) and its length.\n"
#: Tornado's own answer to malformed HTTP, before any handler sees it, and the answer that we send.
_BARE = b"HTTP/1.1 400 Bad Request\r\n\r\n"
_FULL = _BARE[:-2] + "".join(f"{name}: {value}\r\n" for name, value in {
    **SECURITY_HEADERS, "Cache-Control": "no-store", "Connection": "close",
    "Content-Type": "text/plain; charset=UTF-8", "Content-Length": str(len(_BODY)),
}.items()).encode("ascii") + b"\r\n" + _BODY


class ConsoleStream(iostream.IOStream):
    """One connection; refuses malformed HTTP with our headers."""

    neighbour = ""
    #: When it became silent, or when its last request was complete.
    since = 0.0
    #: Whether the client waits for us after a complete request.
    working = False
    #: The bytes of an unfinished body.
    body = 0
    #: The bytes that have gone out; those at the last check (-1 none), and when.
    written = 0
    checked, checked_at = -1, 0.0

    def write_to_fd(self, data: memoryview) -> int:
        count = super().write_to_fd(data)
        self.written += count
        return count

    def write(self, data: bytes | memoryview) -> asyncio.Future[None]:
        return super().write(_FULL if data == _BARE else data)


class BoundedServer(HTTPServer):
    """Bounds its connections and their memory, and gives up answers that nobody reads.

    Open websockets do not count here: the hub counts them.
    """

    def initialize(self, request_callback: Any, **options: Any) -> None:  # type: ignore[override]
        bounds: dict[str, Any] = {
            "max_header_size": MAX_HEAD, "chunk_size": PIECE, "max_buffer_size": MAX_BUFFERED}
        super().initialize(request_callback, **bounds, **options)
        self._clients: set[ConsoleStream] = set()
        self._look: asyncio.TimerHandle | None = None

    def handle_stream(self, stream: iostream.IOStream, address: Any) -> None:
        if len(self._clients) >= MAX_CONNECTIONS:
            self._close_one(self._clients)
        client = ConsoleStream(stream.socket, max_buffer_size=stream.max_buffer_size,
                               read_chunk_size=stream.read_chunk_size)
        client.neighbour = neighbour(str(address[0]) if address else "")
        client.since = time.monotonic()
        self._clients.add(client)
        super().handle_stream(client, address)
        self._look_later()

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        delegate = super().start_request(server_conn, request_conn)
        client = _stream(server_conn)
        if client not in self._clients:
            return delegate  # it was just closed to make room
        client.since, client.working, client.body = time.monotonic(), False, 0
        return _RequestWatch(delegate, client, self._check_bodies)

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        self._clients.discard(_stream(server_conn))
        if not self._clients and self._look is not None:
            self._look.cancel()
            self._look = None

    def _check_bodies(self) -> None:
        """Close connections while their unfinished bodies take too much memory."""
        while sum(client.body for client in self._clients) > MAX_BODIES:
            self._close_one(client for client in self._clients if client.body)

    def _close_one(self, among: Iterable[ConsoleStream]) -> None:
        """Close one connection, chosen in this order: (1) one of the neighbour that exceeds its
        share most, (2) one from another machine, (3) a silent one. Among equals, the oldest."""
        held = Counter(client.neighbour for client in self._clients)

        def worth(client: ConsoleStream) -> tuple[int, bool, bool, float]:
            over = max(0, held[client.neighbour] - SHARE)
            busy = client.working and not client.writing()
            return -over, client.neighbour == HERE, busy, client.since

        client = min(among, key=worth)
        logger.info("There are %d connections, so one from %s is closed.", len(self._clients),
                    client.neighbour)
        self._clients.remove(client)  # on_close comes later
        client.close()

    def _look_later(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_INTERVAL, self._check_unread)

    def _check_unread(self) -> None:
        self._look = None
        now = time.monotonic()
        for client in list(self._clients):
            if client.closed() or not client.writing():
                client.checked = -1
            elif client.checked < 0 or client.written - client.checked >= LEAST_READ:
                client.checked, client.checked_at = client.written, now
            elif now - client.checked_at >= UNREAD:
                logger.info("A client from %s has read next to nothing for %.0f s: disconnected.",
                            client.neighbour, UNREAD)
                client.close()
        if self._clients:
            self._look_later()


def _stream(server_conn: object) -> ConsoleStream:
    return cast(ConsoleStream, cast(HTTP1ServerConnection, server_conn).stream)


class _RequestWatch(httputil.HTTPMessageDelegate):
    """Notes when the head of a request has arrived, and when all of it has."""

    def __init__(self, delegate: httputil.HTTPMessageDelegate, client: ConsoleStream,
                 more_came: Callable[[], None]) -> None:
        self._delegate = delegate
        self._client = client
        self._more_came = more_came

    def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> Awaitable[None] | None:
        self._client.since = time.monotonic()
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._client.body += len(chunk)
        self._more_came()
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._client.working, self._client.body = True, 0
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()

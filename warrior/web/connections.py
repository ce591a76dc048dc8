"""An HTTP server that slow, silent or greedy clients cannot exhaust.

Tornado bounds the size of a request and how long its body may take, but neither how many
connections there are nor how long a client may leave an answer unread. Here whoever hoards
connections loses his own, the longest silent one first, to make room for a new one; and an
answer of which next to nothing is read for half a minute is given up.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from tornado import httputil, iostream
from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer

from warrior.web.password import network
from warrior.web.streams import ConsoleStream

logger = logging.getLogger(__name__)

#: The neighbour who is on this machine.
HERE = "here"

#: Connections at once; a browser has six, and a socket for each page.
MAX_CONNECTIONS = 48
#: Of these, what one neighbour may have before his are the first to go: a browser or two.
SHARE = 16
#: Within so many seconds, so many bytes of an answer have to be read.
UNREAD, LEAST_READ = 30.0, 16 * 1024
#: Seconds between two looks for such answers, while there are connections.
LOOK_INTERVAL = 5.0
#: Bytes of unfinished bodies that are held at most, all together.
MAX_BODIES = 1280 * 1024
#: Bytes of a request that are held at most: its head, one piece of its body, a message.
MAX_HEAD, PIECE, MAX_BUFFERED = 16 * 1024, 8 * 1024, 256 * 1024


@dataclasses.dataclass(eq=False)
class Client:
    """One connection: who it is, since when it has been silent, or at work on a request that
    has come whole."""

    stream: ConsoleStream
    neighbour: str
    since: float
    working: bool = False
    body: int = 0
    written: int = -1
    written_at: float = 0.0

    def is_busy(self) -> bool:
        """Whether it waits for us, rather than we for it."""
        return self.working and not self.stream.writing()


def neighbour(address: str) -> str:
    """Whose address it is, as far as that can be told: of IPv6 the /64, 'here' for this machine,
    all of whose addresses everybody on it has, and for its Unix socket."""
    try:
        if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            return HERE
    except ValueError:
        return HERE
    return network(address)


class BoundedServer(HTTPServer):
    """At most ``MAX_CONNECTIONS`` at once, and no answer that nobody reads.

    Websockets leave the count when they are open: the hub counts them.
    """

    def initialize(self, request_callback: Any, **options: Any) -> None:  # type: ignore[override]
        bounds: dict[str, Any] = {
            "max_header_size": MAX_HEAD, "chunk_size": PIECE, "max_buffer_size": MAX_BUFFERED}
        super().initialize(request_callback, **bounds, **options)
        self._clients: dict[iostream.IOStream, Client] = {}
        self._look: asyncio.TimerHandle | None = None

    def handle_stream(self, stream: iostream.IOStream, address: Any) -> None:
        if len(self._clients) >= MAX_CONNECTIONS:
            self._sacrifice(self._clients.values())
        stream = ConsoleStream.instead_of(stream)
        self._clients[stream] = Client(
            stream, neighbour(str(address[0]) if address else ""), time.monotonic())
        super().handle_stream(stream, address)
        self._look_later()

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        delegate = super().start_request(server_conn, request_conn)
        client = self._clients.get(cast(HTTP1ServerConnection, server_conn).stream)
        if client is None:
            return delegate  # it has just been closed to make room
        client.since, client.working, client.body = time.monotonic(), False, 0
        return _RequestWatch(delegate, client, self._check_bodies)

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        self._clients.pop(cast(HTTP1ServerConnection, server_conn).stream, None)
        if not self._clients and self._look is not None:
            self._look.cancel()
            self._look = None

    def _check_bodies(self) -> None:
        """Make room where too much of requests that are not complete is held."""
        while sum(client.body for client in self._clients.values()) > MAX_BODIES:
            self._sacrifice(client for client in self._clients.values() if client.body)

    def _sacrifice(self, among: Iterable[Client]) -> None:
        """Close one connection: of whoever exceeds his share most, else of another machine, else
        a silent one, and of equals the oldest."""
        held = Counter(client.neighbour for client in self._clients.values())

        def worth(client: Client) -> tuple[int, bool, bool, float]:
            over = max(0, held[client.neighbour] - SHARE)
            return -over, client.neighbour == HERE, client.is_busy(), client.since

        client = min(among, key=worth)
        logger.info("There are %d connections, so one from %s is closed.", len(self._clients),
                    client.neighbour)
        del self._clients[client.stream]  # the server has still to be told
        client.stream.close()

    def _look_later(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_INTERVAL, self._look_around)

    def _look_around(self) -> None:
        self._look = None
        now = time.monotonic()
        for client in list(self._clients.values()):
            if client.stream.closed() or not client.stream.writing():
                client.written = -1
                continue
            written = client.stream.written
            if client.written < 0 or written - client.written >= LEAST_READ:
                client.written, client.written_at = written, now
            elif now - client.written_at >= UNREAD:
                logger.info("A client from %s has read next to nothing for %.0f s: disconnected.",
                            client.neighbour, UNREAD)
                client.stream.close()
        if self._clients:
            self._look_later()


class _RequestWatch(httputil.HTTPMessageDelegate):
    """Notes when a request has come, and when all of it has."""

    def __init__(self, delegate: httputil.HTTPMessageDelegate, client: Client,
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

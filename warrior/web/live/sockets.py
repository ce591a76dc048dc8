"""SockJS, kept in here: the transports that are safe to offer, and one connection each.

sockjs-tornado answers every origin, has more endpoints than we want, wakes up every
second, and lets a send raise into the caller. The gate stands before it; here only
``websocket``, ``xhr_streaming`` and ``xhr`` are offered, without CORS headers; its timers
run only while a polling page needs them.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import secrets
import time
import warnings
from typing import Any

from tornado import httputil, ioloop, iostream, routing, websocket
from tornado.web import Application, HTTPError, RequestHandler

from warrior.web.connections import neighbour
from warrior.web.gate import Access
from warrior.web.headers import Refusal, RefusalDelegate
from warrior.web.live.hub import Hub
from warrior.web.live.page_input import OneLine, decode
from warrior.web.live.reader import Reader

# Its decorator was named for a Tornado of long ago; it works all the same. Not catch_warnings():
# a project's worker may be in one too, and whoever leaves last would bring back the other's.
warnings.filterwarnings("ignore", "@asynchronous is deprecated", DeprecationWarning)

from sockjs.tornado import SockJSConnection  # noqa: E402
from sockjs.tornado.router import DEFAULT_SETTINGS  # noqa: E402
from sockjs.tornado.session import Session  # noqa: E402
from sockjs.tornado.transports import (  # noqa: E402
    WebSocketTransport,
    XhrPollingTransport,
    XhrSendHandler,
    XhrStreamingTransport,
)

logger = logging.getLogger(__name__)

#: Pages that may be open at once, and those of one neighbour.
MAX_PAGES, PAGES_EACH = 32, 24
#: Characters that may wait for a page that polls.
POLL_QUEUE = 128 * 1024
#: Pings that may come within so many seconds.
MAX_PINGS, PING_TIME = 100, 10.0


class PageConnection(SockJSConnection):  # type: ignore[misc]
    """One page, and the hub's way to it."""

    def __init__(self, hub: Hub, session: Any) -> None:
        super().__init__(session)
        self._hub = hub
        self._reader: Reader | None = None

    def on_open(self, request: Any) -> None:
        access: Access = self.session.handler.request.access
        # Many may have come at once, and their access may have ended since.
        if not access.holds or not self._has_room():
            if isinstance(self.session.handler, Polling):
                self.abort()  # its one answer has been used for the greeting
            else:
                self.close("Log in again, or close another page.")
            return
        self._reader = self._hub.join(self, access.session_id or "")

    def _has_room(self) -> bool:
        mine = neighbour(_address(self.session))
        others = [neighbour(_address(getattr(reader.channel, "session", None)))
                  for reader in self._hub.readers]
        return len(others) < MAX_PAGES and others.count(mine) < PAGES_EACH

    def on_message(self, message: Any) -> None:
        if self._reader is None:
            return
        try:
            self._hub.received(self._reader, json.loads(message))
        except (ValueError, TypeError, RecursionError) as error:
            logger.info("A page has sent an invalid message and is closed: %s", error)
            self.abort()

    def on_close(self) -> None:
        if self._reader is not None:
            self._hub.leave(self._reader)

    def ready(self) -> bool:
        """Whether all that was sent before has gone out, so that more may follow."""
        session = self.session
        if session.is_closed:
            return False
        stream = _stream(session.handler)
        if session.handler is None or not session.handler.active:
            return len(session.send_queue) < POLL_QUEUE
        return stream is not None and not stream.writing()

    def send(self, frame: str) -> None:
        """Send a message, JSON in JSON; never raises for a page that is gone."""
        session = self.session
        if session is not None and not session.is_closed:
            session.send_jsonified(frame, stats=False)

    def close(self, reason: str = "") -> None:
        """End the connection in good order."""
        if not self.session.is_closed:
            self.session.close(3000, reason)

    def abort(self) -> None:
        """End the connection and forget what was not sent yet."""
        stream = _stream(self.session.handler)
        if stream is not None:
            stream.close()
        else:
            self.close()


def _address(session: Any) -> str:
    info = getattr(session, "conn_info", None)
    return "" if info is None else str(info.ip or "")


def _stream(handler: Any) -> iostream.IOStream | None:
    """The stream under a transport; None if it has none now."""
    if handler is None:
        return None
    connection = getattr(handler, "ws_connection", None) or handler.request.connection
    stream: iostream.IOStream | None = getattr(connection, "stream", None)
    return stream


class _SameOriginOnly(OneLine):
    """The gate has decided about the origin: no CORS header, no preflight."""

    def preflight(self) -> None:
        pass

    def options(self, *args: str) -> None:
        raise HTTPError(405)


class WebSocket(OneLine, WebSocketTransport):  # type: ignore[misc]
    """Uncompressed: zlib on the loop costs more than loopback and home networks gain."""

    _pings, _pinged_since = 0, 0.0

    def on_ping(self, data: bytes) -> None:
        # Each is answered, and an older Tornado lets the answers pile up. No browser pings.
        now = time.monotonic()
        if now - self._pinged_since > PING_TIME:
            self._pings, self._pinged_since = 0, now
        self._pings += 1
        if self._pings > MAX_PINGS:
            self.abort_connection()

    def on_message(self, message: str | bytes) -> None:
        # The library logs a traceback for each page that sends nonsense.
        if not message or not self.session:
            return
        try:
            messages = decode(message)
        except ValueError as error:
            logger.info("A page has sent an invalid message and is closed: %s", error)
            self.abort_connection()
            return
        self.session.on_messages(messages)

    def check_origin(self, origin: str) -> bool:
        return True  # the gate has

    def get_compression_options(self) -> dict[str, Any] | None:
        return None

    def send_pack(self, message: str, binary: bool = False) -> None:
        try:
            sent = self.write_message(message, binary)
        except (websocket.WebSocketClosedError, iostream.StreamClosedError):
            return  # on_close follows, or has been
        sent.add_done_callback(_seen)


def _seen(sent: Any) -> None:
    if not sent.cancelled():
        sent.exception()


class Polling(_SameOriginOnly, XhrPollingTransport):  # type: ignore[misc]
    """One message a request."""


class Streaming(_SameOriginOnly, XhrStreamingTransport):  # type: ignore[misc]
    """Many messages in one long answer."""


class Sending(_SameOriginOnly, XhrSendHandler):  # type: ignore[misc]
    """What a page without a websocket says; the library answers 500 to nonsense."""

    def post(self, session_id: str) -> None:
        self.disable_cache()
        session = self.server.get_session(session_id)
        if session is None or session.is_closed:
            raise HTTPError(404)
        try:
            messages = decode(self.request.body)
        except ValueError:
            self.set_status(400)
            self.set_header("Content-Type", "text/plain; charset=UTF-8")
            self.finish("Send a JSON list of texts.\n")
            return
        session.on_messages(messages)
        self.set_status(204)


class Info(OneLine, RequestHandler):
    """What a client asks before it connects."""

    def initialize(self, server: Any) -> None:
        pass

    def get(self) -> None:
        self.finish({"websocket": True, "cookie_needed": False, "origins": ["*:*"],
                     "entropy": secrets.randbits(32)})


class _NoStatistics:
    """Takes what the library counts and nobody asks for."""

    def __getattr__(self, name: str) -> Any:
        return lambda *numbers: None


class PageServer:
    """What the library's handlers ask of their server. Its timer rests while no page polls."""

    def __init__(self, hub: Hub) -> None:
        # Who asks, the gate decides; a page may go on from another address.
        self.settings = {**DEFAULT_SETTINGS, "jsessionid": False, "verify_ip": False}
        self.stats = _NoStatistics()
        self.io_loop = ioloop.IOLoop.current()
        self._hub = hub
        #: Pages without a websocket, by the id of their session.
        self._polling: dict[str, Session] = {}

    def create_session(self, session_id: str, register: bool = True) -> Any:
        session = Session(functools.partial(PageConnection, self._hub), self, session_id,
                          self.settings["disconnect_delay"])
        if register:
            if not self._polling:
                self._look_later()
            self._polling[session_id] = session
        return session

    def get_session(self, session_id: str) -> Any:
        return self._polling.get(session_id)

    def is_full(self, address: str) -> bool:
        """Whether as many pages are open as may be, in all or of this neighbour, with those that
        have just stopped polling."""
        sessions = {getattr(reader.channel, "session", None) for reader in self._hub.readers}
        sessions.update(self._polling.values())
        infos = [session.conn_info for session in sessions if session is not None]
        if len(infos) < PAGES_EACH:
            return False
        mine = neighbour(address)
        held = sum(info is not None and neighbour(info.ip or "") == mine for info in infos)
        return len(infos) >= MAX_PAGES or held >= PAGES_EACH

    def _look_later(self) -> None:
        self.io_loop.call_later(self.settings["session_check_interval"], self._look)

    def _look(self) -> None:
        """Let go of pages that have stopped polling."""
        now = time.time()
        for session_id, session in list(self._polling.items()):
            if (session.promoted or session.expiry_date) <= now:
                session.on_delete(False)  # it goes on where a request of it is open
                if (session.promoted or 0) <= now:
                    del self._polling[session_id]
        if self._polling:
            self._look_later()


#: All that is offered under /sockjs.
TRANSPORTS: tuple[tuple[str, type[RequestHandler]], ...] = (
    (r"/sockjs/info", Info),
    (r"/sockjs/[^/.]+/([^/.]+)/websocket", WebSocket),
    (r"/sockjs/[^/.]+/([^/.]+)/xhr_streaming", Streaming),
    (r"/sockjs/[^/.]+/([^/.]+)/xhr", Polling),
    (r"/sockjs/[^/.]+/([^/.]+)/xhr_send", Sending),
)


class SocketRoutes(routing.Router):
    """Looks requests up; the library is imported with the first page, not at the start."""

    def __init__(self, hub: Hub, application: Application) -> None:
        self._server = PageServer(hub)
        self._application = application

    def find_handler(
        self, request: httputil.HTTPServerRequest, **kwargs: Any
    ) -> httputil.HTTPMessageDelegate | None:
        for pattern, handler in TRANSPORTS:
            match = re.fullmatch(pattern, request.path)
            if match is not None:
                if self._opens_page(handler, match) and self._server.is_full(
                        request.remote_ip or ""):
                    return RefusalDelegate(request, Refusal(
                        503, "Too many pages of this console are open: close one of them."))
                arguments = [part.encode() for part in match.groups()]
                return self._application.get_handler_delegate(
                    request, handler, {"server": self._server}, path_args=arguments)
        return None  # not offered

    def _opens_page(self, handler: type[RequestHandler], match: re.Match[str]) -> bool:
        return handler is WebSocket or (
            handler in (Streaming, Polling) and self._server.get_session(match.group(1)) is None)

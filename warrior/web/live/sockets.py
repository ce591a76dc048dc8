"""The sockets of pages: those transports of SockJS that are safe to offer.

sockjs-tornado answers every origin, has more endpoints than we want, wakes up every second, and
lets a send raise into the caller. So the gate checks every request before it, only ``websocket``,
``xhr_streaming`` and ``xhr`` are offered here, without CORS headers, and a timer runs only while a
page polls.
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

from warrior.web.addresses import neighbour
from warrior.web.headers import Refusal, RefusalDelegate
from warrior.web.live.hub import Hub
from warrior.web.live.logs import Reader

# Its decorator of an old Tornado still works. Not catch_warnings(), which is not thread-safe: a
# project's worker may use it at the same time.
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

#: The most open pages, and the most of one neighbour.
MAX_PAGES, PAGES_EACH = 32, 24
#: The most characters that wait for a page that polls.
POLL_QUEUE = 128 * 1024
#: The most pings within PING_TIME seconds.
MAX_PINGS, PING_TIME = 100, 10.0


def decode(data: str | bytes) -> list[str]:
    """The messages in what a page has sent. Raises ValueError for anything but texts."""
    try:
        decoded = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    found = decoded if isinstance(decoded, list) else [decoded]
    if not all(isinstance(message, str) for message in found):
        raise ValueError("a message must be text")
    return found


class PageConnection(SockJSConnection):  # type: ignore[misc]
    """The connection to one page, for the hub."""

    def __init__(self, hub: Hub, session: Any) -> None:
        super().__init__(session)
        self._hub = hub
        self._reader: Reader | None = None

    def on_open(self, request: Any) -> None:
        session, access = self.session, self.session.handler.request.access
        # Since the request came, others may have connected, and the access may have ended.
        if not access.holds or session.server.is_full(session.conn_info.ip or "", session):
            if isinstance(session.handler, Polling):
                self.abort()  # its only answer was the greeting
            else:
                self.close("Log in again, or close another page.")
            return
        self._reader = self._hub.join(self, access.session_id or "")

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
        """Whether everything that was sent has gone out, so that more may follow."""
        session = self.session
        if session.is_closed:
            return False
        stream = _stream(session.handler)
        if session.handler is None or not session.handler.active:
            return len(session.send_queue) < POLL_QUEUE
        return stream is not None and not stream.writing()

    def send(self, frame: str) -> None:
        """Send a message, JSON in JSON; never raises, also for a page that is gone."""
        session = self.session
        if session is not None and not session.is_closed:
            session.send_jsonified(frame, stats=False)

    def close(self, reason: str = "") -> None:
        """Close the connection after what was sent."""
        if not self.session.is_closed:
            self.session.close(3000, reason)

    def abort(self) -> None:
        """Close the connection without what was not sent yet."""
        stream = _stream(self.session.handler)
        if stream is not None:
            stream.close()
        else:
            self.close()


def _stream(handler: Any) -> iostream.IOStream | None:
    """The stream of a transport; None if it has none now."""
    if handler is None:
        return None
    connection = getattr(handler, "ws_connection", None) or handler.request.connection
    stream: iostream.IOStream | None = getattr(connection, "stream", None)
    return stream


class OneLine:
    """Refuses in one line of text, as all our handlers do."""

    def write_error(self: Any, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish({
            404: "This page is no longer open: reload it.",
            405: "This method is not for this address: it is a part of the page.",
        }.get(status_code, "This is not what the page sends.") + "\n")


class _SameOriginOnly(OneLine):
    """Sends no CORS headers and answers no preflight: the gate decides about the origin."""

    def preflight(self) -> None:
        pass

    def options(self, *args: str) -> None:
        raise HTTPError(405)


class WebSocket(OneLine, WebSocketTransport):  # type: ignore[misc]
    """Without compression: it would cost the loop more than it saves in a home network."""

    _pings, _pinged_since = 0, 0.0

    def on_ping(self, data: bytes) -> None:
        # An older Tornado lets its answers pile up. Browsers never ping.
        now = time.monotonic()
        if now - self._pinged_since > PING_TIME:
            self._pings, self._pinged_since = 0, now
        self._pings += 1
        if self._pings > MAX_PINGS:
            self.abort_connection()

    def on_message(self, message: str | bytes) -> None:
        # Instead of the library, which logs a traceback for invalid messages.
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
        return True  # the gate has checked it

    def get_compression_options(self) -> dict[str, Any] | None:
        return None

    def send_pack(self, message: str, binary: bool = False) -> None:
        try:
            sent = self.write_message(message, binary)
        except (websocket.WebSocketClosedError, iostream.StreamClosedError):
            return  # on_close follows, or has been called
        # Retrieve the exception, so that asyncio does not log it.
        sent.add_done_callback(lambda sent: sent.cancelled() or sent.exception())


class Polling(_SameOriginOnly, XhrPollingTransport):  # type: ignore[misc]
    """Receives one message per request."""


class Streaming(_SameOriginOnly, XhrStreamingTransport):  # type: ignore[misc]
    """Receives many messages in one long answer."""


class Sending(_SameOriginOnly, XhrSendHandler):  # type: ignore[misc]
    """Messages of a page without a websocket; the library would answer 500 to invalid ones."""

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
    """``/sockjs/info``: what a client asks before it connects."""

    def initialize(self, server: Any) -> None:
        pass

    def get(self) -> None:
        self.finish({"websocket": True, "cookie_needed": False, "origins": ["*:*"],
                     "entropy": secrets.randbits(32)})


class _NoStatistics:
    """Ignores the statistics of the library."""

    def __getattr__(self, name: str) -> Any:
        return lambda *numbers: None


class PageServer:
    """The server that the library's handlers expect. Its timer rests while no page polls."""

    def __init__(self, hub: Hub) -> None:
        # The gate checks who asks; the address of a page may change.
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

    def is_full(self, address: str, besides: Session | None = None) -> bool:
        """Whether no further page of this address can be opened, ``besides`` this one.

        Pages that have just stopped polling count.
        """
        sessions = {reader.channel.session for reader in self._hub.readers}
        sessions.update(self._polling.values())
        infos = [session.conn_info for session in sessions - {None, besides}]
        if len(infos) < PAGES_EACH:
            return False
        mine = neighbour(address)
        held = sum(info is not None and neighbour(info.ip or "") == mine for info in infos)
        return len(infos) >= MAX_PAGES or held >= PAGES_EACH

    def _look_later(self) -> None:
        self.io_loop.call_later(self.settings["session_check_interval"], self._look)

    def _look(self) -> None:
        """Drop pages that have stopped polling."""
        now = time.time()
        for session_id, session in list(self._polling.items()):
            if (session.promoted or session.expiry_date) <= now:
                session.on_delete(False)  # if it has an open request, it continues
                if (session.promoted or 0) <= now:
                    del self._polling[session_id]
        if self._polling:
            self._look_later()


#: All routes below /sockjs.
TRANSPORTS: tuple[tuple[str, type[RequestHandler]], ...] = (
    (r"/sockjs/info", Info),
    (r"/sockjs/[^/.]+/([^/.]+)/websocket", WebSocket),
    (r"/sockjs/[^/.]+/([^/.]+)/xhr_streaming", Streaming),
    (r"/sockjs/[^/.]+/([^/.]+)/xhr", Polling),
    (r"/sockjs/[^/.]+/([^/.]+)/xhr_send", Sending),
)


class SocketRoutes(routing.Router):
    """Finds the handlers of requests below /sockjs."""

    def __init__(self, hub: Hub, application: Application) -> None:
        self._server = PageServer(hub)
        self._application = application

    def find_handler(
        self, request: httputil.HTTPServerRequest, **kwargs: Any
    ) -> httputil.HTTPMessageDelegate | None:
        for pattern, handler in TRANSPORTS:
            match = re.fullmatch(pattern, request.path)
            if match is not None:
                opens_page = handler is WebSocket or (
                    handler in (Streaming, Polling)
                    and self._server.get_session(match.group(1)) is None)
                if opens_page and self._server.is_full(request.remote_ip or ""):
                    return RefusalDelegate(request, Refusal(
                        503, "Too many pages of this console are open: close one of them."))
                arguments = [part.encode() for part in match.groups()]
                return self._application.get_handler_delegate(
                    request, handler, {"server": self._server}, path_args=arguments)
        return None

"""What answers requests: the console behind its gate, and the control socket without one."""

from __future__ import annotations

import functools
from collections.abc import Awaitable
from typing import Any

from tornado import httputil
from tornado.routing import Router
from tornado.web import Application

from warrior.web import pages
from warrior.web.gate import Access, Gate, check_length
from warrior.web.headers import LaterDelegate, Refusal, RefusalDelegate, SecurityHeaders
from warrior.web.routes import ConsoleParts, control_routes, routes

#: The largest message a page may send.
MAX_MESSAGE = 32 * 1024


class _Application(Application):
    """What both applications have in common."""

    def __init__(self, parts: ConsoleParts, found: list[Any]) -> None:
        self._parts = parts
        super().__init__(
            found, transforms=[SecurityHeaders], log_function=_no_access_log,
            default_handler_class=pages.MissingHandler, default_handler_args={"parts": parts},
            websocket_max_message_size=MAX_MESSAGE)


class GatedApplication(_Application):
    """Asks the gate before it looks for a handler, whatever the route."""

    def __init__(self, parts: ConsoleParts, gate: Gate) -> None:
        super().__init__(parts, routes(parts))
        self._gate = gate
        self._sockets: Router | None = None
        #: Whether the console has said goodbye: connections that are kept alive get no
        #: more answers, or a page would come back to a program that is ending.
        self.closing = False

    def find_handler(  # type: ignore[override]
        self, request: httputil.HTTPServerRequest, **kwargs: Any
    ) -> httputil.HTTPMessageDelegate:
        outcome = self._gate.check(request) if not self.closing else Refusal(
            503, "This program is ending.", {"Connection": "close"})
        if isinstance(outcome, (Refusal, Access)):
            return self._delegate(request, outcome)
        return LaterDelegate(functools.partial(self._later, request, outcome))

    async def _later(
        self, request: httputil.HTTPServerRequest, outcome: Awaitable[Refusal | Access]
    ) -> httputil.HTTPMessageDelegate:
        return self._delegate(request, await outcome)

    def _delegate(
        self, request: httputil.HTTPServerRequest, outcome: Refusal | Access
    ) -> httputil.HTTPMessageDelegate:
        if isinstance(outcome, Refusal):
            return RefusalDelegate(request, outcome)
        request.access = outcome  # type: ignore[attr-defined]
        if request.path.startswith("/sockjs/"):
            found = self._socket_routes().find_handler(request)
            if found is not None:
                return found
        return super().find_handler(request)

    def _socket_routes(self) -> Router:
        if self._sockets is None:
            from warrior.web.live.sockets import SocketRoutes  # with the first page

            self._sockets = SocketRoutes(self._parts.hub, self)
        return self._sockets


class ControlApplication(_Application):
    """Commands and state without the gate: the file of the socket is its owner's alone."""

    def __init__(self, parts: ConsoleParts) -> None:
        super().__init__(parts, control_routes(parts))

    def find_handler(  # type: ignore[override]
        self, request: httputil.HTTPServerRequest, **kwargs: Any
    ) -> httputil.HTTPMessageDelegate:
        refusal = check_length(request.headers)
        if refusal is not None:
            return RefusalDelegate(request, refusal)
        request.access = Access(None, True)  # type: ignore[attr-defined]
        return super().find_handler(request)


def _no_access_log(handler: Any) -> None:
    """What is refused, the gate logs; the rest is a page that somebody has open."""

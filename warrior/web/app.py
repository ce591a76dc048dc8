"""The console as one part: routes, gate, listening. See :func:`make_console`."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tornado import httputil, netutil
from tornado.httpserver import HTTPServer
from tornado.routing import Router
from tornado.web import Application, url

from warrior.itemlog import ItemLogs
from warrior.web import api, pages
from warrior.web.board import Board
from warrior.web.gate import Access, Gate
from warrior.web.headers import (
    MAX_DISCARDED,
    LaterDelegate,
    Refusal,
    RefusalDelegate,
    SecurityHeaders,
)
from warrior.web.hosts import AcceptedHosts
from warrior.web.live import Hub
from warrior.web.messages import counts_sentence
from warrior.web.password import PasswordCheck
from warrior.web.sessions import Sessions

if TYPE_CHECKING:
    from pipeline_core.project import Project
    from pipeline_core.runner import Runner

#: Seconds within which a body has to arrive, and a connection has to ask for something.
BODY_TIMEOUT, IDLE_TIMEOUT = 10.0, 120.0
#: The largest message a page may send.
MAX_MESSAGE = 64 * 1024


@dataclasses.dataclass(frozen=True)
class ConsoleOptions:
    """What the command line says. ``address`` '' is loopback, ``port`` 0 any free one,
    ``username`` '' any name; the folders '' are those of a checkout."""

    address: str = ""
    port: int = 8001
    username: str = ""
    password: str = ""
    host_names: tuple[str, ...] = ()
    static_dir: str = ""
    templates_dir: str = ""


@dataclasses.dataclass(frozen=True)
class Commands:
    """What the page may ask for; called on the loop."""

    stop: Callable[[], object]
    stop_now: Callable[[], object]
    keep_running: Callable[[], object]


@dataclasses.dataclass(frozen=True)
class ConsoleParts:
    """What the handlers work with."""

    board: Board
    hub: Hub
    sessions: Sessions
    password: PasswordCheck | None
    commands: Commands
    static_dir: str
    templates: pages.Templates

    def built(self) -> bool:
        return pages.is_built(self.static_dir)

    def render(self, template: str, **values: Any) -> str:
        return self.templates.render(template, **values)


def routes(parts: ConsoleParts) -> list[Any]:
    """Every address of the console. What is not here is a 404; all are behind the gate."""
    all_parts = {"parts": parts}

    def command(function: Callable[[], object]) -> dict[str, Any]:
        return {"parts": parts, "command": function}

    return [
        url(r"/", pages.PageHandler, all_parts),
        url(r"/index\.html", pages.PageHandler, all_parts),
        url(r"/healthz", pages.HealthHandler, all_parts),
        url(r"/static/(.*)", pages.StaticHandler, {"path": parts.static_dir}),
        url(r"/api/state", api.StateHandler, all_parts),
        url(r"/api/items/([^/]+)/log", api.ItemLogHandler, all_parts),
        url(r"/api/stop", api.RunnerCommand, command(parts.commands.stop)),
        url(r"/api/stop-now", api.RunnerCommand, command(parts.commands.stop_now)),
        url(r"/api/keep-running", api.RunnerCommand, command(parts.commands.keep_running)),
        url(r"/api/login", api.LoginHandler, all_parts),
        url(r"/api/logout", api.LogoutHandler, all_parts),
        # /sockjs/… : info, websocket, xhr_streaming, xhr, xhr_send; see live.sockets
    ]


class GatedApplication(Application):
    """Asks the gate before it looks for a handler, whatever the route."""

    def __init__(self, parts: ConsoleParts, gate: Gate) -> None:
        self._parts = parts
        self._gate = gate
        self._sockets: Router | None = None
        super().__init__(
            routes(parts), transforms=[SecurityHeaders], log_function=_no_access_log,
            default_handler_class=pages.MissingHandler, default_handler_args={"parts": parts},
            websocket_max_message_size=MAX_MESSAGE)

    def find_handler(  # type: ignore[override]
        self, request: httputil.HTTPServerRequest, **kwargs: Any
    ) -> httputil.HTTPMessageDelegate:
        outcome = self._gate.check(request)
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


def _no_access_log(handler: Any) -> None:
    """What is refused, the gate logs; the rest is a page that somebody has open."""


class Console:
    """A console that can listen. All of it runs on the loop."""

    def __init__(self, parts: ConsoleParts, options: ConsoleOptions) -> None:
        self._parts = parts
        self._options = options
        self._server: HTTPServer | None = None
        self.port = options.port
        self.application = GatedApplication(
            parts, Gate(AcceptedHosts(options.host_names), parts.sessions, parts.password))

    def listen(self) -> list[str]:
        """Bind and serve; the URLs to show. OSError names address and port."""
        sockets = bind(self._options.address, self._options.port)
        self.port = sockets[0].getsockname()[1]
        self._parts.sessions.cookie_name = f"warrior_session_{self.port}"
        self._server = HTTPServer(
            self.application, max_body_size=MAX_DISCARDED, body_timeout=BODY_TIMEOUT,
            idle_connection_timeout=IDLE_TIMEOUT, max_header_size=32 * 1024)
        self._server.add_sockets(sockets)
        return urls(sockets, self._options.address)

    def project_loaded(self, project: Project) -> None:
        """Show this project: it was not known when the console was made."""
        self._parts.board.project_loaded(project)

    def note(self, text: str) -> None:
        """A sentence beside the status, such as why it stops; '' removes it."""
        self._parts.board.note = text
        self._parts.board.runner_changed()

    def close(self) -> None:
        """Say goodbye to open pages and stop listening. Idempotent."""
        if self._server is None:
            return
        board = self._parts.board
        self._parts.hub.close(f"It has ended: {counts_sentence(board.runner.counts)}")
        self._server.stop()
        self._server = None
        board.close()
        if self._parts.password is not None:
            self._parts.password.close()


def make_console(
    runner: Runner,
    project: Project | None,
    *,
    downloader: str,
    stop: Callable[[], object],
    stop_now: Callable[[], object],
    keep_running: Callable[[], object],
    options: ConsoleOptions | None = None,
) -> Console:
    """A console for one runner; make it before the runner starts, so that it sees all."""
    options = options or ConsoleOptions()
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    board = Board(runner, project, downloader, ItemLogs())
    password = PasswordCheck(options.username, options.password) if options.password else None
    return Console(ConsoleParts(
        board=board, hub=Hub(board), sessions=Sessions(), password=password,
        commands=Commands(stop, stop_now, keep_running),
        static_dir=options.static_dir or os.path.join(root, "static"),
        templates=pages.Templates(options.templates_dir or os.path.join(root, "templates")),
    ), options)


def bind(address: str, port: int) -> list[socket.socket]:
    """Listening sockets; '' is loopback, ``::1`` too where there is one."""
    try:
        sockets = netutil.bind_sockets(port, address or "127.0.0.1")
    except (OSError, UnicodeError) as error:
        where = f"{address or '127.0.0.1'} port {port}"
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            why = "another program uses it already"
        else:
            why = getattr(error, "strerror", None) or str(error)
        number = getattr(error, "errno", None) or errno.EADDRNOTAVAIL
        raise OSError(number, f"Cannot listen on {where}: {why}") from error
    if not address:
        # No IPv6 here, or another program has that one: 127.0.0.1 is enough.
        with contextlib.suppress(OSError):
            sockets += netutil.bind_sockets(sockets[0].getsockname()[1], "::1")
    return sockets


def urls(sockets: list[socket.socket], address: str) -> list[str]:
    """What to type into a browser for these sockets."""
    found = []
    for sock in sockets:
        host, port = sock.getsockname()[:2]
        if not address and host == "::1":
            continue
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
        found.append(f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{port}/")
    return list(dict.fromkeys(found))

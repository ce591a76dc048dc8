"""The console as one part: see :func:`make_console` and :func:`make_warrior_console`."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tornado import httputil
from tornado.httpserver import HTTPServer
from tornado.routing import Router
from tornado.web import Application

from warrior.web import pages
from warrior.web.connections import BoundedServer
from warrior.web.gate import Access, Gate, check_length
from warrior.web.headers import (
    MAX_DISCARDED,
    LaterDelegate,
    Refusal,
    RefusalDelegate,
    SecurityHeaders,
)
from warrior.web.hosts import AcceptedHosts
from warrior.web.keys import Digests, KeyCheck
from warrior.web.listening import ControlSocket, bind, urls
from warrior.web.live import Hub
from warrior.web.password import PasswordCheck
from warrior.web.program import PipelineProgram, Program, WarriorProgram
from warrior.web.proxy import LOOPBACK, Proxies, PublicAddress
from warrior.web.routes import Commands, ConsoleParts, control_routes, routes
from warrior.web.sessions import Sessions

if TYPE_CHECKING:
    from pipeline_core.project import Project
    from pipeline_core.runner import Runner
    from warrior.daemon.view_models import WarriorFacade
    from warrior.web.live.machine import Machine

#: Seconds within which a body has to arrive, and a connection has to ask for something.
BODY_TIMEOUT, IDLE_TIMEOUT = 10.0, 120.0
#: Logs that may be on their way at once.
LARGE_ANSWERS = 4
#: The largest message a page may send.
MAX_MESSAGE = 32 * 1024


@dataclasses.dataclass(frozen=True)
class ConsoleOptions:
    """What the operator says. ``address`` '' is loopback, ``port`` 0 any free one,
    ``username`` '' any name; the folders '' are those of a checkout.

    ``password`` is plain text; where it is '', ``password_record`` counts, a scrypt
    record. Without either, whoever reaches the console may do all. ``api_keys`` gives the
    digests of the keys that count, by name. ``public_url`` is where a reverse proxy shows
    the console; ``proxy_addresses`` are believed about who asks, () those of this machine.
    """

    address: str = ""
    port: int = 8001
    username: str = ""
    password: str = ""
    password_record: str = ""
    host_names: tuple[str, ...] = ()
    api_keys: Digests = dict
    public_url: str = ""
    proxy_addresses: tuple[str, ...] = ()
    static_dir: str = ""
    templates_dir: str = ""


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


class Console:
    """A console that can listen. All of it runs on the loop."""

    def __init__(self, parts: ConsoleParts, options: ConsoleOptions) -> None:
        self._parts = parts
        self._options = options
        self._servers: list[HTTPServer] = []
        self._control: ControlSocket | None = None
        self._closed = False
        self.port = options.port
        self.application = GatedApplication(parts, _gate(parts, options))

    def listen(self) -> list[str]:
        """Bind and serve; the URLs to show. OSError names address and port."""
        sockets = bind(self._options.address, self._options.port)
        self.port = sockets[0].getsockname()[1]
        self._parts.sessions.cookie_name = f"warrior_session_{self.port}"
        self._serve(self.application).add_sockets(sockets)
        return urls(sockets, self._options.address)

    def listen_control(self, path: str) -> None:
        """Serve commands and state at a Unix socket too, for its owner, without the gate.

        Raises OSError; its text is a sentence.
        """
        self._control = ControlSocket(path)
        # With turns of its own: slow readers elsewhere do not hold it up.
        parts = dataclasses.replace(
            self._parts, large_answers=asyncio.Semaphore(LARGE_ANSWERS))
        self._serve(ControlApplication(parts)).add_socket(self._control.socket)

    def credentials_changed(self, username: str, record: str) -> None:
        """Another account from now on; ``record`` '' is none. All sessions but the one that
        has just changed it must log in again, and their pages are closed."""
        if not self._parts.password.change(username, record):
            return
        acting = self._parts.sessions.acting
        self._parts.sessions.log_out_others(acting)
        self._parts.hub.log_out_others(acting)
        self._parts.hub.changed("program", "settings")

    def close(self) -> None:
        """Say goodbye to open pages and stop listening. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self.application.closing = True
        self._parts.hub.close(self._parts.program.farewell())
        for server in self._servers:
            server.stop()
        if self._control is not None:
            self._control.remove()
        self._parts.program.close()
        self._parts.password.close()

    def _serve(self, application: Application) -> HTTPServer:
        server = BoundedServer(
            application, max_body_size=MAX_DISCARDED, body_timeout=BODY_TIMEOUT,
            idle_connection_timeout=IDLE_TIMEOUT)
        self._servers.append(server)
        return server


class PipelineConsole(Console):
    """The console of run-pipeline, which knows its project only after a while."""

    def __init__(
        self, parts: ConsoleParts, options: ConsoleOptions, program: PipelineProgram
    ) -> None:
        super().__init__(parts, options)
        self._program = program

    def project_loaded(self, project: Project) -> None:
        """Show this project: it was not known when the console was made."""
        self._program.show_project(project)

    def note(self, text: str) -> None:
        """A sentence beside the status, such as why it stops; '' removes it."""
        self._program.show_note(text)


def make_console(
    runner: Runner,
    project: Project | None,
    *,
    downloader: str,
    stop: Callable[[], object],
    stop_now: Callable[[], object],
    keep_running: Callable[[], object],
    options: ConsoleOptions | None = None,
) -> PipelineConsole:
    """A console for one runner; make it before the runner starts, so that it sees all."""
    options = options or ConsoleOptions()
    password = _password(options)
    program = PipelineProgram(runner, project, downloader, lambda: password.needed)
    commands = Commands(stop, stop_now, keep_running)
    parts = _parts(program, None, commands, password, None, options)
    return PipelineConsole(parts, options, program)


def make_warrior_console(
    facade: WarriorFacade, system: Machine | None, options: ConsoleOptions
) -> Console:
    """The console of the warrior. ``system`` is watched while a page is open."""
    password = _password(options)
    program = WarriorProgram(facade, lambda: password.needed)
    commands = Commands(facade.stop, facade.stop_now, facade.keep_running)
    return Console(_parts(program, facade, commands, password, system, options), options)


def _password(options: ConsoleOptions) -> PasswordCheck:
    record = "" if options.password else options.password_record
    return PasswordCheck(options.username, options.password, record)


def _parts(
    program: Program, facade: WarriorFacade | None, commands: Commands, password: PasswordCheck,
    machine: Machine | None, options: ConsoleOptions,
) -> ConsoleParts:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return ConsoleParts(
        program=program, hub=Hub(program, machine), sessions=Sessions(), password=password,
        commands=commands, facade=facade,
        static_dir=options.static_dir or os.path.join(root, "static"),
        large_answers=asyncio.Semaphore(LARGE_ANSWERS),
        templates=pages.Templates(options.templates_dir or os.path.join(root, "templates")),
        public=PublicAddress.of(options.public_url) if options.public_url else None)


def _gate(parts: ConsoleParts, options: ConsoleOptions) -> Gate:
    names, proxies = options.host_names, None
    if parts.public is not None:
        names = (*names, parts.public.host)
        proxies = Proxies(options.proxy_addresses or LOOPBACK)
    return Gate(AcceptedHosts(names), parts.sessions, parts.password,
                KeyCheck(options.api_keys), parts.public, proxies)

"""Makes the consoles of run-pipeline and of the warrior from their parts."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from tornado.httpserver import HTTPServer
from tornado.web import Application

from warrior.process import resources
from warrior.web.addresses import LOOPBACK, AcceptedHosts, Proxies, PublicAddress
from warrior.web.connections import BoundedServer
from warrior.web.gate import Gate
from warrior.web.headers import MAX_DISCARDED
from warrior.web.listening import ControlSocket, bind, urls
from warrior.web.live import Hub
from warrior.web.password import Digests, KeyCheck, PasswordCheck
from warrior.web.program import PipelineProgram, Program, WarriorProgram
from warrior.web.routes import Commands, ConsoleParts, ControlApplication, GatedApplication
from warrior.web.sessions import Sessions

if TYPE_CHECKING:
    from pipeline_core.project import Project
    from pipeline_core.runner import Runner
    from warrior.config.config import WarriorOptions
    from warrior.daemon.facade import WarriorFacade
    from warrior.daemon.machine import MachineMonitor
    from warrior.settings.access import Access as SettledAccess
    from warrior.settings.settings import Settings

logger = logging.getLogger(__name__)

#: Seconds in which a body has to arrive, and in which a connection has to send a request.
BODY_TIMEOUT, IDLE_TIMEOUT = 10.0, 120.0
#: The most logs that are sent at once.
LARGE_ANSWERS = 4


class PageUnavailable(Exception):
    """The page cannot be opened; ``str()`` says why and what to do."""


@dataclasses.dataclass(frozen=True)
class ConsoleOptions:
    """The operator's options. ``address`` '' is loopback, ``port`` 0 any free one, ``username`` ''
    any name; folders that are '' are our own.

    ``password`` is plain text; if it is '', ``password_record`` counts, a scrypt record. Without
    either, whoever reaches the console may do everything. ``api_keys`` returns the digests of the
    current keys, by name. ``public_url`` is the console's address behind a reverse proxy;
    ``proxy_addresses`` are the proxies that are trusted about the client's address, () those of
    this machine.
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

    def password_check(self) -> PasswordCheck:
        record = "" if self.password else self.password_record
        return PasswordCheck(self.username, self.password, record)


class Console:
    """A console that can listen. Everything runs on the loop. Raises PageUnavailable."""

    def __init__(
        self, program: Program, commands: Commands, password: PasswordCheck,
        options: ConsoleOptions, facade: WarriorFacade | None = None,
        machine: MachineMonitor | None = None,
    ) -> None:
        try:
            static_dir = options.static_dir or resources.static_dir()
            templates_dir = options.templates_dir or resources.templates_dir()
        except resources.ResourceError as error:
            raise PageUnavailable(f"The page cannot be opened. {error}") from error
        names, public, proxies = options.host_names, None, None
        if options.public_url:
            public = PublicAddress.of(options.public_url)
            names = (*names, public.host)
            proxies = Proxies(options.proxy_addresses or LOOPBACK)
        self._parts = parts = ConsoleParts(
            program=program, hub=Hub(program, machine), sessions=Sessions(), password=password,
            commands=commands, facade=facade, static_dir=static_dir,
            templates_dir=templates_dir, large_answers=asyncio.Semaphore(LARGE_ANSWERS),
            public=public)
        self._options = options
        self._servers: list[HTTPServer] = []
        self._control: ControlSocket | None = None
        self._closed = False
        self.port = options.port
        self.application = GatedApplication(parts, Gate(
            AcceptedHosts(names), parts.sessions, password, KeyCheck(options.api_keys), public,
            proxies))

    def listen(self) -> list[str]:
        """Bind and serve; the URLs to show. Raises OSError, which names address and port."""
        sockets = bind(self._options.address, self._options.port)
        self.port = sockets[0].getsockname()[1]
        self._parts.sessions.cookie_name = f"warrior_session_{self.port}"
        self._serve(self.application).add_sockets(sockets)
        return urls(sockets, self._options.address)

    def open(self, advice: str) -> None:
        """Listen, and log where. Raises PageUnavailable with this advice."""
        try:
            addresses = self.listen()
        except OSError as error:
            raise PageUnavailable(
                f"The page cannot be opened. {error.strerror or error}. {advice}") from error
        logger.info("The page is at %s", addresses[0])
        if self._options.public_url:
            logger.info("A proxy shows it at %s/", self._options.public_url)

    def open_control_socket(self, path: str) -> None:
        """Serve commands and state at a Unix socket too, for its owner, without the gate.

        If that is impossible, for example because the path is too long, only a warning says so:
        the page can do the same.
        """
        try:
            self._control = ControlSocket(path)
        except OSError as error:
            logger.warning("warrior-ctl cannot be used: %s", error.strerror or error)
            return
        # It has its own semaphore, so that slow readers elsewhere do not delay it.
        parts = dataclasses.replace(
            self._parts, large_answers=asyncio.Semaphore(LARGE_ANSWERS))
        self._serve(ControlApplication(parts)).add_socket(self._control.socket)

    def credentials_changed(self, username: str, record: str) -> None:
        """Replace the account; ``record`` '' is none. All sessions except the one that made the
        change must log in again, and their pages are closed."""
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
    """The console of run-pipeline, which may exist before its project is loaded."""

    def project_loaded(self, project: Project) -> None:
        """Show this project."""
        self._program.show_project(project)

    def note(self, text: str) -> None:
        """Show a sentence beside the status, such as why it stops; '' removes it."""
        self._program.show_note(text)

    @property
    def _program(self) -> PipelineProgram:
        assert isinstance(self._parts.program, PipelineProgram)
        return self._parts.program


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
    """A console for one runner; make it before the runner starts, so that it sees everything."""
    options = options or ConsoleOptions()
    password = options.password_check()
    program = PipelineProgram(runner, project, downloader, lambda: password.needed)
    return PipelineConsole(program, Commands(stop, stop_now, keep_running), password, options)


def make_warrior_console(
    facade: WarriorFacade, machine: MachineMonitor | None, options: ConsoleOptions
) -> Console:
    """The console of the warrior. ``machine`` measures while a page is open."""
    password = options.password_check()
    program = WarriorProgram(facade, lambda: password.needed)
    commands = Commands(facade.stop, facade.stop_now, facade.keep_running)
    console = Console(program, commands, password, options, facade, machine)
    settings = facade.settings

    def settings_changed(names: frozenset[str]) -> None:
        if names & {"http_username", "http_password"}:
            console.credentials_changed(settings.http_username, settings.password_record)

    settings.on_change += settings_changed
    return console


def open_warrior_page(
    facade: WarriorFacade, machine: MachineMonitor, options: WarriorOptions, access: SettledAccess,
    settings: Settings,
) -> Console:
    """Make the console of the warrior, and listen. Raises PageUnavailable."""
    console = make_warrior_console(facade, machine, ConsoleOptions(
        address=access.address, port=options.port,
        username=options.http_username or settings.http_username,
        password=options.http_password, password_record=settings.password_record,
        host_names=options.host_names, public_url=options.public_url,
        proxy_addresses=options.proxy_addresses,
        api_keys=lambda: {name: key.digest for name, key in settings.keys.items()}))
    console.open("Choose another --port or --address.")
    return console

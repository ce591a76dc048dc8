"""The console as one part: see :func:`make_console` and :func:`make_warrior_console`."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from tornado.httpserver import HTTPServer
from tornado.web import Application

from warrior.process import resources
from warrior.web import pages
from warrior.web.connections import BoundedServer
from warrior.web.gate import Gate
from warrior.web.headers import MAX_DISCARDED
from warrior.web.hosts import AcceptedHosts
from warrior.web.listening import ControlSocket, bind, urls
from warrior.web.live import Hub
from warrior.web.password import Digests, KeyCheck, PasswordCheck
from warrior.web.program import PipelineProgram, Program, WarriorProgram
from warrior.web.proxy import LOOPBACK, Proxies, PublicAddress
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

#: Seconds within which a body has to arrive, and a connection has to ask for something.
BODY_TIMEOUT, IDLE_TIMEOUT = 10.0, 120.0
#: Logs that may be on their way at once.
LARGE_ANSWERS = 4


class PageUnavailable(Exception):
    """The page cannot be opened; ``str()`` says why and what to do."""


@dataclasses.dataclass(frozen=True)
class ConsoleOptions:
    """What the operator says. ``address`` '' is loopback, ``port`` 0 any free one,
    ``username`` '' any name; the folders '' are our own.

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

    def open(self, advice: str) -> None:
        """Listen, and tell the log where. Raises PageUnavailable with this advice."""
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

        Where that cannot be, such as at a path that is too long, a warning says so: the page
        can do all of it too.
        """
        try:
            self._control = ControlSocket(path)
        except OSError as error:
            logger.warning("warrior-ctl cannot be used: %s", error.strerror or error)
            return
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
    facade: WarriorFacade, machine: MachineMonitor | None, options: ConsoleOptions
) -> Console:
    """The console of the warrior. ``machine`` is watched while a page is open."""
    password = _password(options)
    program = WarriorProgram(facade, lambda: password.needed)
    commands = Commands(facade.stop, facade.stop_now, facade.keep_running)
    console = Console(_parts(program, facade, commands, password, machine, options), options)
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
    """The console of the warrior, which listens. Raises PageUnavailable."""
    console = make_warrior_console(facade, machine, ConsoleOptions(
        address=access.address, port=options.port,
        username=options.http_username or settings.http_username,
        password=options.http_password, password_record=settings.password_record,
        host_names=options.host_names, public_url=options.public_url,
        proxy_addresses=options.proxy_addresses,
        api_keys=lambda: {name: key.digest for name, key in settings.keys.items()}))
    console.open("Choose another --port or --address.")
    return console


def _password(options: ConsoleOptions) -> PasswordCheck:
    record = "" if options.password else options.password_record
    return PasswordCheck(options.username, options.password, record)


def _parts(
    program: Program, facade: WarriorFacade | None, commands: Commands, password: PasswordCheck,
    machine: MachineMonitor | None, options: ConsoleOptions,
) -> ConsoleParts:
    try:
        static_dir = options.static_dir or resources.static_dir()
        templates_dir = options.templates_dir or resources.templates_dir()
    except resources.ResourceError as error:
        raise PageUnavailable(f"The page cannot be opened. {error}") from error
    return ConsoleParts(
        program=program, hub=Hub(program, machine), sessions=Sessions(), password=password,
        commands=commands, facade=facade,
        static_dir=static_dir, templates=pages.Templates(templates_dir),
        large_answers=asyncio.Semaphore(LARGE_ANSWERS),
        public=PublicAddress.of(options.public_url) if options.public_url else None)


def _gate(parts: ConsoleParts, options: ConsoleOptions) -> Gate:
    names, proxies = options.host_names, None
    if parts.public is not None:
        names = (*names, parts.public.host)
        proxies = Proxies(options.proxy_addresses or LOOPBACK)
    return Gate(AcceptedHosts(names), parts.sessions, parts.password,
                KeyCheck(options.api_keys), parts.public, proxies)

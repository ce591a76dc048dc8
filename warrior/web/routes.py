"""Every address that a console answers: behind the gate, and at the control socket without one."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado import httputil
from tornado.routing import Router
from tornado.web import Application, url

from warrior.web import api, pages
from warrior.web.gate import Access, Gate, check_length
from warrior.web.headers import LaterDelegate, Refusal, RefusalDelegate, SecurityHeaders

if TYPE_CHECKING:
    from warrior.daemon.facade import WarriorFacade
    from warrior.web.addresses import PublicAddress
    from warrior.web.live import Hub
    from warrior.web.password import PasswordCheck
    from warrior.web.program import Program
    from warrior.web.sessions import Sessions

#: The largest message that a page may send, in bytes.
MAX_MESSAGE = 32 * 1024


@dataclasses.dataclass(frozen=True)
class Commands:
    """The commands that run-pipeline and the warrior have; called on the loop."""

    stop: Callable[[], object]
    stop_now: Callable[[], object]
    keep_running: Callable[[], object]


@dataclasses.dataclass(frozen=True)
class ConsoleParts:
    """What the handlers work with. ``facade`` is None for run-pipeline."""

    program: Program
    hub: Hub
    sessions: Sessions
    password: PasswordCheck
    commands: Commands
    facade: WarriorFacade | None
    static_dir: str
    templates_dir: str
    #: Bounds the number of large answers at once.
    large_answers: asyncio.Semaphore
    #: The address behind a reverse proxy; None without one.
    public: PublicAddress | None = None

    @functools.cached_property
    def _templates(self) -> Any:
        import jinja2  # slow, and not needed before the first page

        return jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.templates_dir), autoescape=True,
            undefined=jinja2.StrictUndefined, auto_reload=False)

    def render(self, template: str, **values: Any) -> str:
        """Render a template. Values are escaped; a missing value is an error."""
        prefix = "" if self.public is None else self.public.prefix
        return str(self._templates.get_template(template).render(prefix=prefix, **values))


def routes(parts: ConsoleParts) -> list[Any]:
    """The routes for browsers, behind the gate."""
    all_parts = {"parts": parts}
    return [
        url(r"/", pages.PageHandler, all_parts),
        url(r"/index\.html", pages.PageHandler, all_parts),
        url(r"/static/(.*)", pages.StaticHandler, all_parts),
        url(r"/api/login", api.LoginHandler, all_parts),
        url(r"/api/logout", api.LogoutHandler, all_parts),
        *control_routes(parts),
        # live.sockets has the routes below /sockjs.
    ]


def control_routes(parts: ConsoleParts) -> list[Any]:
    """The routes that the control socket has too."""
    all_parts, commands = {"parts": parts}, parts.commands
    found = [
        url(r"/healthz", pages.HealthHandler, all_parts),
        url(r"/api/state", api.StateHandler, all_parts),
        url(r"/api/items/([^/]+)/log", api.ItemLogHandler, all_parts),
        url(r"/api/stop", api.RunnerCommand, {**all_parts, "command": commands.stop}),
        url(r"/api/stop-now", api.RunnerCommand, {**all_parts, "command": commands.stop_now}),
        url(r"/api/keep-running", api.RunnerCommand,
            {**all_parts, "command": commands.keep_running}),
    ]
    return found if parts.facade is None else [*found, *_warrior_routes(parts, parts.facade)]


def _warrior_routes(parts: ConsoleParts, facade: WarriorFacade) -> list[Any]:
    from warrior.web import warrior_api  # run-pipeline does not load the settings

    all_parts = {"parts": parts}
    project = r"/api/projects/([^/]+)"
    return [
        url(r"/api/log", warrior_api.DaemonLogHandler, all_parts),
        url(r"/api/shut-down", warrior_api.EndCommand, {**all_parts, "command": facade.shut_down}),
        url(r"/api/restart", warrior_api.EndCommand, {**all_parts, "command": facade.restart}),
        url(r"/api/projects/select", warrior_api.SelectHandler, all_parts),
        url(project + r"/log", warrior_api.ProjectLogHandler, all_parts),
        url(project + r"/retry", warrior_api.ProjectCommand,
            {**all_parts, "command": facade.update}),
        url(project + r"/update", warrior_api.ProjectCommand,
            {**all_parts, "command": facade.update}),
        url(project + r"/install-anyway", warrior_api.ProjectCommand,
            {**all_parts, "command": facade.install_anyway}),
        url(r"/api/settings", warrior_api.SettingsHandler, all_parts),
        url(r"/api/keys", warrior_api.KeysHandler, all_parts),
        url(r"/api/keys/([^/]+)/revoke", warrior_api.RevokeHandler, all_parts),
        url(r"/api/notices/([^/]+)/read", warrior_api.NoticeHandler, all_parts),
    ]


class _Application(Application):
    """The base of both applications."""

    def __init__(self, parts: ConsoleParts, found: list[Any]) -> None:
        self._parts = parts
        super().__init__(
            found, transforms=[SecurityHeaders],
            # The gate logs refusals; other requests are not logged.
            log_function=lambda handler: None,
            default_handler_class=pages.MissingHandler, default_handler_args={"parts": parts},
            websocket_max_message_size=MAX_MESSAGE)


class GatedApplication(_Application):
    """Asks the gate before it looks for a handler, whatever the route."""

    def __init__(self, parts: ConsoleParts, gate: Gate) -> None:
        super().__init__(parts, routes(parts))
        self._gate = gate
        self._sockets: Router | None = None
        #: Whether the console is closed. Connections that are kept alive get no more answers:
        #: otherwise a page would reconnect to a program that is ending.
        self.closing = False

    def find_handler(  # type: ignore[override]
        self, request: httputil.HTTPServerRequest, **kwargs: Any
    ) -> httputil.HTTPMessageDelegate:
        outcome = self._gate.check(request) if not self.closing else Refusal(
            503, "This program is ending.", {"Connection": "close"})
        if isinstance(outcome, (Refusal, Access)):
            return self._delegate(request, outcome)
        return LaterDelegate(outcome, lambda found: self._delegate(request, found))

    def _delegate(
        self, request: httputil.HTTPServerRequest, outcome: Refusal | Access
    ) -> httputil.HTTPMessageDelegate:
        if isinstance(outcome, Refusal):
            return RefusalDelegate(request, outcome)
        request.access = outcome  # type: ignore[attr-defined]
        if request.path.startswith("/sockjs/"):
            if self._sockets is None:
                # Slow to import, and not needed before the first page.
                from warrior.web.live.sockets import SocketRoutes

                self._sockets = SocketRoutes(self._parts.hub, self)
            found = self._sockets.find_handler(request)
            if found is not None:
                return found
        return super().find_handler(request)


class ControlApplication(_Application):
    """Commands and state without the gate: only its owner can open the socket's file."""

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

"""Every address that a console answers. What is not here is a 404."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado.web import url

from warrior.web import api, pages

if TYPE_CHECKING:
    from warrior.daemon.facade import WarriorFacade
    from warrior.web.live import Hub
    from warrior.web.password import PasswordCheck
    from warrior.web.program import Program
    from warrior.web.proxy import PublicAddress
    from warrior.web.sessions import Sessions


@dataclasses.dataclass(frozen=True)
class Commands:
    """What the page may ask of run-pipeline and of the warrior; called on the loop."""

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
    templates: pages.Templates
    #: A turn for each large answer on its way.
    large_answers: asyncio.Semaphore
    #: Where a reverse proxy shows the console; None without one.
    public: PublicAddress | None = None

    def built(self) -> bool:
        return pages.is_built(self.static_dir)

    def render(self, template: str, **values: Any) -> str:
        return self.templates.render(
            template, prefix="" if self.public is None else self.public.prefix, **values)


def routes(parts: ConsoleParts) -> list[Any]:
    """All that a browser may ask for, behind the gate."""
    all_parts = {"parts": parts}
    return [
        url(r"/", pages.PageHandler, all_parts),
        url(r"/index\.html", pages.PageHandler, all_parts),
        url(r"/static/(.*)", pages.StaticHandler, {"path": parts.static_dir}),
        url(r"/api/login", api.LoginHandler, all_parts),
        url(r"/api/logout", api.LogoutHandler, all_parts),
        *control_routes(parts),
        # /sockjs/… : info, websocket, xhr_streaming, xhr, xhr_send; see live.sockets
    ]


def control_routes(parts: ConsoleParts) -> list[Any]:
    """What the control socket has too."""
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
    from warrior.web import keys_api, warrior_api  # only the warrior has settings

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
        url(r"/api/keys", keys_api.KeysHandler, all_parts),
        url(r"/api/keys/([^/]+)/revoke", keys_api.RevokeHandler, all_parts),
        url(r"/api/notices/([^/]+)/read", warrior_api.NoticeHandler, all_parts),
    ]

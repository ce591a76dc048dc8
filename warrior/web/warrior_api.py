"""The commands of the warrior: projects, settings, notices, the end of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from warrior.daemon.view_models import UnknownProject
from warrior.settings.settings import SettingsError
from warrior.web.api import CommandHandler, TextHandler
from warrior.web.pages import RequestRefused

if TYPE_CHECKING:
    from warrior.daemon.facade import WarriorFacade

#: Settings that say who may use the console.
_ACCOUNT = frozenset({"http_username", "http_password"})


class WarriorCommand(CommandHandler):
    """Base of the warrior's commands."""

    @property
    def facade(self) -> WarriorFacade:
        facade = self.parts.facade
        assert facade is not None  # else there is no route to here
        return facade


class EndCommand(WarriorCommand):
    """``POST /api/shut-down``, ``/api/restart``: body ``{"now": bool}`` or ``{}``.

    The items at work are finished before, unless ``now`` is true. Answers the new state of
    the runner.
    """

    def initialize(self, parts: Any, command: Callable[[bool], object]) -> None:  # type: ignore[override]
        super().initialize(parts)
        self._command = command

    def post(self) -> None:
        body = self.json_body()
        now = body.get("now", False)
        if body.keys() - {"now"} or not isinstance(now, bool):
            raise RequestRefused(400, 'Send {} or {"now": true}.')
        self._command(now)
        self.finish_section("runner")


class SelectHandler(WarriorCommand):
    """``POST /api/projects/select``: ``{"projects": [NAME, …]}``, in order. The answer has the
    projects."""

    async def post(self) -> None:
        body = self.json_body()
        names = body.get("projects")
        if body.keys() != {"projects"} or not isinstance(names, list) or not all(
                isinstance(name, str) for name in names):
            raise RequestRefused(400, 'Send {"projects": [NAME, …]}, the names in order.')
        try:
            await self.facade.select(names)
        except UnknownProject as error:
            raise RequestRefused(400, str(error)) from error
        except SettingsError as error:
            raise RequestRefused(400, " ".join(error.errors.values())) from error
        except OSError as error:
            raise _not_kept(error) from error
        self.finish_section("projects")


class ProjectCommand(WarriorCommand):
    """``POST /api/projects/NAME/retry``, ``…/update``, ``…/install-anyway``: body ``{}``."""

    def initialize(self, parts: Any, command: Callable[[str], object]) -> None:  # type: ignore[override]
        super().initialize(parts)
        self._command = command

    def post(self, name: str) -> None:
        self.no_arguments()
        try:
            self._command(name)
        except UnknownProject as error:
            raise RequestRefused(404, str(error)) from error
        self.finish_section("projects")


class ProjectLogHandler(TextHandler):
    """``GET /api/projects/NAME/log``: what fetching, installing and loading it printed."""

    async def get(self, name: str) -> None:
        facade = self.parts.facade
        assert facade is not None
        try:
            await self.finish_text(lambda: facade.project_log(name))
        except UnknownProject as error:
            raise RequestRefused(404, str(error)) from error


class DaemonLogHandler(TextHandler):
    """``GET /api/log``: the newest part of the daemon's own log."""

    async def get(self) -> None:
        facade = self.parts.facade
        assert facade is not None
        try:
            await self.finish_text(facade.daemon_log)
        except OSError as error:
            raise RequestRefused(
                500, f"The log cannot be read: {error.strerror or error}.") from error


class SettingsHandler(WarriorCommand):
    """``POST /api/settings``: ``{"values": {NAME: TEXT}}``; all are saved, or none.

    Answers the settings, or 400 and ``{"errors": {NAME: SENTENCE}}``.
    """

    async def post(self) -> None:
        body = self.json_body()
        values = body.get("values")
        if body.keys() != {"values"} or not isinstance(values, dict):
            raise RequestRefused(400, 'Send {"values": {NAME: TEXT, …}}.')
        wrong = {name: "Send text or a number." for name, value in values.items()
                 if value is not None and not isinstance(value, (str, int, float))}
        if self.access.key:
            # Who has found a key must not lock its owner out.
            wrong |= {name: "An API key cannot change this: use the Settings page, or "
                            "warrior-ctl." for name in values if name in _ACCOUNT}
        if wrong:
            self._refuse(wrong)
            return
        try:
            with self.parts.sessions.acts(self.access.session_id):
                await self.facade.save_settings(values)
        except SettingsError as error:
            self._refuse(dict(error.errors))
        except OSError as error:
            raise _not_kept(error) from error
        else:
            self.finish_section("settings")

    def _refuse(self, errors: dict[str, str]) -> None:
        self.set_status(400)
        self.finish_json({"errors": errors})


class NoticeHandler(WarriorCommand):
    """``POST /api/notices/ID/read``: body ``{}``. Answers the notices."""

    async def post(self, notice_id: str) -> None:
        self.no_arguments()
        try:
            await self.facade.read_notice(notice_id)
        except OSError as error:
            raise _not_kept(error) from error
        self.finish_section("notices")


def _not_kept(error: OSError) -> RequestRefused:
    return RequestRefused(
        500, f"The settings could not be saved: {error.strerror or error}. Nothing was changed.")

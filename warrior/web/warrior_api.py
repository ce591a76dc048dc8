"""The commands that only the warrior has: projects, settings, API keys, notices, shutting down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from warrior.daemon.view_models import UnknownProject
from warrior.settings.settings import SettingsError
from warrior.web.api import CommandHandler, TextHandler
from warrior.web.pages import RequestRefused
from warrior.web.sections import keys_json

#: The settings that say who may use the console.
_ACCOUNT = frozenset({"http_username", "http_password"})


@contextlib.contextmanager
def _refusing(unknown: int = 400) -> Iterator[None]:
    """Turn the errors of commands into refusals; ``unknown`` is the status for a project."""
    try:
        yield
    except UnknownProject as error:
        raise RequestRefused(unknown, str(error)) from error
    except SettingsError as error:
        raise RequestRefused(400, " ".join(error.errors.values())) from error
    except OSError as error:
        raise RequestRefused(500, f"The settings could not be saved: {error.strerror or error}. "
                             "Nothing was changed.") from error


class EndCommand(CommandHandler):
    """``POST /api/shut-down``, ``/api/restart``: body ``{"now": bool}`` or ``{}``.

    Unless ``now`` is true, the items at work finish first. Answers with the state of the runner.
    """

    def post(self) -> None:
        body = self.json_body()
        now = body.get("now", False)
        if body.keys() - {"now"} or not isinstance(now, bool):
            raise RequestRefused(400, 'Send {} or {"now": true}.')
        self.command(now)
        self.finish_section("runner")


class SelectHandler(CommandHandler):
    """``POST /api/projects/select``: ``{"projects": [NAME, …]}``, in order. Answers with the
    projects."""

    async def post(self) -> None:
        body = self.json_body()
        names = body.get("projects")
        if body.keys() != {"projects"} or not isinstance(names, list) or not all(
                isinstance(name, str) for name in names):
            raise RequestRefused(400, 'Send {"projects": [NAME, …]}, the names in order.')
        with _refusing():
            await self.facade.select(names)
        self.finish_section("projects")


class ProjectCommand(CommandHandler):
    """``POST /api/projects/NAME/retry``, ``…/update``, ``…/install-anyway``: body ``{}``."""

    def post(self, name: str) -> None:
        self.no_arguments()
        with _refusing(unknown=404):
            self.command(name)
        self.finish_section("projects")


class ProjectLogHandler(TextHandler):
    """``GET /api/projects/NAME/log``: the output of fetching, installing and loading it."""

    async def get(self, name: str) -> None:
        with _refusing(unknown=404):
            await self.finish_text(lambda: self.facade.project_log(name))


class DaemonLogHandler(TextHandler):
    """``GET /api/log``: the newest part of the daemon's own log."""

    async def get(self) -> None:
        try:
            await self.finish_text(self.facade.daemon_log)
        except OSError as error:
            raise RequestRefused(
                500, f"The log cannot be read: {error.strerror or error}.") from error


class SettingsHandler(CommandHandler):
    """``POST /api/settings``: ``{"values": {NAME: TEXT}}``; saves all, or none.

    Answers with the settings, or with 400 and ``{"errors": {NAME: SENTENCE}}``.
    """

    async def post(self) -> None:
        body = self.json_body()
        values = body.get("values")
        if body.keys() != {"values"} or not isinstance(values, dict):
            raise RequestRefused(400, 'Send {"values": {NAME: TEXT, …}}.')
        errors = {name: "Send text or a number." for name, value in values.items()
                  if value is not None and not isinstance(value, (str, int, float))}
        if self.access.key:
            # Whoever finds a key must not be able to lock its owner out.
            errors |= {name: "An API key cannot change this: use the Settings page, or "
                             "warrior-ctl." for name in values if name in _ACCOUNT}
        if not errors:
            with _refusing(), self.parts.sessions.acts(self.access.session_id):
                try:
                    await self.facade.save_settings(values)
                except SettingsError as error:
                    errors = dict(error.errors)
        if errors:
            self.set_status(400)
            self.finish_json({"errors": errors})
        else:
            self.finish_section("settings")


class _KeyHandler(CommandHandler):
    def prepare(self) -> None:
        super().prepare()
        if self.access.key:
            raise RequestRefused(403, "An API key cannot make or revoke keys: use the Settings "
                                      "page, or warrior-ctl.")

    def finish_keys(self) -> None:
        self.finish_json({"keys": keys_json(self.facade.settings)})


class KeysHandler(_KeyHandler):
    """``GET /api/keys``: names and days. ``POST`` ``{"name": NAME}`` makes a key and answers with
    ``{"name": NAME, "key": KEY}``; nothing else ever shows the key."""

    def get(self) -> None:
        self.finish_keys()

    async def post(self) -> None:
        body = self.json_body()
        name = body.get("name")
        if body.keys() != {"name"} or not isinstance(name, str):
            raise RequestRefused(400, 'Send {"name": NAME}.')
        with _refusing():
            key = await self.facade.settings.make_key(name)
        self.finish_json({"name": name, "key": key})


class RevokeHandler(_KeyHandler):
    """``POST /api/keys/NAME/revoke``: body ``{}``. Answers with the remaining keys."""

    async def post(self, name: str) -> None:
        self.no_arguments()
        if name not in self.facade.settings.keys:
            raise RequestRefused(404, "There is no key of this name.")
        with _refusing():
            await self.facade.settings.revoke_key(name)
        self.finish_keys()


class NoticeHandler(CommandHandler):
    """``POST /api/notices/ID/read``: body ``{}``. Answers with the notices."""

    async def post(self, notice_id: str) -> None:
        self.no_arguments()
        with _refusing():
            await self.facade.read_notice(notice_id)
        self.finish_section("notices")

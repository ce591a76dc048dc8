"""API keys over HTTP: made, shown once, listed by name, revoked."""

from __future__ import annotations

from warrior.settings.settings import SettingsError
from warrior.web.pages import RequestRefused
from warrior.web.sections import keys_json
from warrior.web.warrior_api import WarriorCommand


class _KeyHandler(WarriorCommand):
    def prepare(self) -> None:
        super().prepare()
        if self.access.key:
            raise RequestRefused(403, "An API key cannot make or revoke keys: use the Settings "
                                      "page, or warrior-ctl.")

    def refuse(self, error: SettingsError) -> RequestRefused:
        return RequestRefused(400, " ".join(error.errors.values()))

    def finish_keys(self) -> None:
        self.finish_json({"keys": keys_json(self.facade.settings)})


class KeysHandler(_KeyHandler):
    """``GET /api/keys``: names and days. ``POST`` ``{"name": NAME}`` makes one and answers
    ``{"name": NAME, "key": KEY}``, the only time that the key is told."""

    def get(self) -> None:
        self.finish_keys()

    async def post(self) -> None:
        body = self.json_body()
        name = body.get("name")
        if body.keys() != {"name"} or not isinstance(name, str):
            raise RequestRefused(400, 'Send {"name": NAME}.')
        try:
            key = await self.facade.settings.make_key(name)
        except SettingsError as error:
            raise self.refuse(error) from error
        self.finish_json({"name": name, "key": key})


class RevokeHandler(_KeyHandler):
    """``POST /api/keys/NAME/revoke``: body ``{}``. Answers the keys that are left."""

    async def post(self, name: str) -> None:
        self.no_arguments()
        if name not in self.facade.settings.keys:
            raise RequestRefused(404, "There is no key of this name.")
        try:
            await self.facade.settings.revoke_key(name)
        except SettingsError as error:
            raise self.refuse(error) from error
        self.finish_keys()

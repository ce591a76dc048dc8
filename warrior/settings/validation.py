"""Checks changes of settings, and makes the texts to keep."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from pipeline_core.config import NumberConfigValue, StringConfigValue
from warrior.config.options import SEEDS
from warrior.settings import api_keys, built_in
from warrior.settings.data import PROJECTS, SHARED, Data
from warrior.settings.fields import InvalidValue, ProjectFields


class SettingsError(Exception):
    """Nothing was changed. ``errors`` holds a sentence by name of the field.

    The name is '' when it is not about a field: the file could not be written.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(
            f"{name}: {sentence}" if name else sentence for name, sentence in errors.items()))
        self.errors = dict(errors)


class SettingsValidator:
    """Knows what each field may be. ``fixed`` are those that the operator has decided."""

    def __init__(
        self, downloader: StringConfigValue, concurrent: NumberConfigValue,
        fields: ProjectFields, fixed: Collection[str],
    ) -> None:
        self._own = {value.name: value for value in (downloader, concurrent)}
        self._fields = fields
        self.fixed = frozenset(fixed)

    async def check(
        self, changes: Mapping[str, Any], data: Data, *, password_needed: bool
    ) -> dict[str, str | None]:
        """The texts to keep; None for "back to the default". Raises SettingsError.

        ``data`` are those of now. The password is as it was typed; where it is needed, it
        cannot be removed.
        """
        checked: dict[str, str | None] = {}
        errors: dict[str, str] = {}
        for name, value in changes.items():
            try:
                checked[name] = await self._check_one(name, value, data, password_needed)
            except InvalidValue as refused:
                errors[name] = str(refused)
        if errors:
            raise SettingsError(errors)
        return checked

    async def _check_one(
        self, name: str, value: Any, data: Data, password_needed: bool
    ) -> str | None:
        if name in self.fixed:
            raise InvalidValue("The operator of this warrior has set this, so it cannot be changed "
                               "here.")
        if name == "http_password":
            return _password(value, password_needed)
        text = built_in.text_from(value)
        if name == "http_username":
            return built_in.check_username(text)
        if name in self._own:
            return self._own_text(name, text)
        if name in self._fields:
            return await self._fields.check(name, text)
        if name.startswith(SHARED) and (name in data or name in SEEDS.values()):
            return text  # no project that has it runs; it is for those to come
        raise InvalidValue("There is no such setting now. The settings of a project exist while it "
                           "runs.")

    def key_name(self, name: str, keys: Collection[str]) -> str:
        """Why no API key of this name can be made beside ``keys``; '' when it can."""
        if not api_keys.is_name(name):
            return api_keys.NAME_RULE
        if name in keys:
            return f"There is a key {name} already. Revoke it first, or take another name."
        if len(keys) >= api_keys.MAX_KEYS:
            return f"There are {api_keys.MAX_KEYS} keys already. Revoke one first."
        return ""

    def _own_text(self, name: str, text: str) -> str | None:
        value = self._own[name]
        if not text and value.default is not None:
            return None
        if sentence := value.check_value(text):
            raise InvalidValue(sentence)
        return str(value.convert_value(text))

    def projects_with(
        self, texts: Mapping[str, str | None], data: Data
    ) -> dict[str, dict[str, str]]:
        """The settings of all projects as ``data`` has them, with these changes of fields."""
        projects: dict[str, dict[str, str]] = copy.deepcopy(data.get(PROJECTS) or {})
        for field, text in texts.items():
            project, _, name = field.partition("/")
            values = projects.setdefault(project, {})
            if text is None and name in data:
                # An old file has a value for it that would come back.
                text = self._fields.default(field)
            if text is None:
                values.pop(name, None)
            else:
                values[name] = text
        return projects


def _password(value: Any, needed: bool) -> str | None:
    if value == "":
        # It would mean either of two things: keep the one that there is, or have none.
        raise InvalidValue("A password cannot be empty. To have none, remove it: on the "
                           "Settings page, with warrior-ctl set http_password= or, by the API, "
                           "with null.")
    if value is not None:
        return built_in.check_password(value)
    if needed:
        raise InvalidValue("This page can be reached from other machines, so it needs a "
                           "password. Set another one instead.")
    return None

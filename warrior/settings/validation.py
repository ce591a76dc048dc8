"""Checks the values of settings: from a form, from the environment, from the file."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pipeline_core.config import ConfigValue, NumberConfigValue, StringConfigValue
from warrior.config.options import SEEDS
from warrior.settings import api_keys, built_in
from warrior.settings.data import ORDER, PROJECTS, SHARED, Data
from warrior.settings.fields import InvalidValue, ProjectFields

logger = logging.getLogger(__name__)


class SettingsError(Exception):
    """Nothing was changed. ``errors`` holds a sentence by name of the field.

    The name is '' if it is not about a field: the file could not be written.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(
            f"{name}: {sentence}" if name else sentence for name, sentence in errors.items()))
        self.errors = dict(errors)


class SettingsValidator:
    """Knows the allowed values of each field; the operator has set those in ``fixed``."""

    def __init__(
        self, downloader: StringConfigValue, concurrent: NumberConfigValue,
        fields: ProjectFields, fixed: Collection[str],
    ) -> None:
        self._own = {value.name: value for value in (downloader, concurrent)}
        self._concurrent = concurrent
        self._fields = fields
        self.fixed = frozenset(fixed)

    async def check(
        self, changes: Mapping[str, Any], data: Data, *, password_needed: bool
    ) -> dict[str, str | None]:
        """The texts to keep; None for "back to the default". Raises SettingsError.

        ``data`` are the current settings. The password stays plain text; it cannot be removed if
        it is needed.
        """
        checked: dict[str, str | None] = {}
        errors: dict[str, str] = {}
        for name, value in changes.items():
            try:
                if name in self.fixed:
                    raise InvalidValue("The operator of this warrior has set this, so it cannot "
                                       "be changed here.")
                if name == "http_password":
                    checked[name] = _password(value, password_needed)
                else:
                    checked[name] = await self._text(name, built_in.text_from(value), data)
            except InvalidValue as refused:
                errors[name] = str(refused)
        if errors:
            raise SettingsError(errors)
        return checked

    async def _text(self, name: str, text: str, data: Data) -> str | None:
        if name == "http_username":
            return built_in.check_username(text)
        if name in self._own:
            default = not text and self._own[name].default is not None
            return None if default else self._own_text(name, text)
        if name in self._fields:
            return await self._fields.check(name, text)
        if name.startswith(SHARED) and (name in data or name in SEEDS.values()):
            return text  # no running project has it, but a later one may
        raise InvalidValue("There is no such setting now. The settings of a project exist while it "
                           "runs.")

    def _own_text(self, name: str, text: str) -> str:
        value = self._own[name]
        if sentence := value.check_value(text):
            raise InvalidValue(sentence)
        return str(value.convert_value(text))

    def key_name(self, name: str, keys: Collection[str]) -> str:
        """Why no API key of this name can be made beside ``keys``; '' if it can."""
        if not api_keys.is_name(name):
            return api_keys.NAME_RULE
        if name in keys:
            return f"There is a key {name} already. Revoke it first, or use another name."
        if len(keys) >= api_keys.MAX_KEYS:
            return f"There are {api_keys.MAX_KEYS} keys already. Revoke one first."
        return ""

    def projects_with(
        self, texts: Mapping[str, str | None], data: Data
    ) -> dict[str, dict[str, str]]:
        """The settings of all projects in ``data``, with these changes of fields."""
        projects: dict[str, dict[str, str]] = copy.deepcopy(data.get(PROJECTS) or {})
        for field, text in texts.items():
            project, _, name = field.partition("/")
            values = projects.setdefault(project, {})
            if text is None and name in data:
                # Without it, the value of an old file would count again.
                text = self._fields.default(field)
            if text is None:
                values.pop(name, None)
            else:
                values[name] = text
        return projects

    def apply_seeds(self, data: Data, seeds: Mapping[str, str]) -> None:
        """Set what was never set to its value in the environment. The password stays plain."""
        for key, seed in seeds.items():
            if not seed or data.get(key) or (key == "selected_project" and data.get(ORDER)):
                continue
            try:
                text = self._seed(key, seed)
            except InvalidValue as refused:
                logger.warning("%s from the environment is not used: %s", key, refused)
                continue
            if text:
                data[key] = text

    def _seed(self, key: str, seed: str) -> str:
        if key == "http_password":
            return built_in.check_password(seed)
        text = built_in.text_from(seed)
        if not text:
            return ""
        if key == "selected_project":
            built_in.check_choice([text])
        elif key == "http_username":
            built_in.check_username(text)
        elif key == "warrior_id":
            built_in.check_warrior_id(text)
        elif key in self._own:
            return self._own_text(
                key, within(text, self._concurrent) if key == "concurrent_items" else text)
        return text


def _password(value: Any, needed: bool) -> str | None:
    if value == "":
        # It could mean either: keep the password, or have none.
        raise InvalidValue("A password cannot be empty. To have none, remove it: on the "
                           "Settings page, with warrior-ctl set http_password= or, by the API, "
                           "with null.")
    if value is not None:
        return built_in.check_password(value)
    if needed:
        raise InvalidValue("This page can be reached from other machines, so it needs a "
                           "password. Set another one instead.")
    return None


def within(text: str, number: NumberConfigValue) -> str:
    """The number in the text, or the nearest allowed one; other text stays as it is."""
    if not re.fullmatch(r"[0-9]{1,18}", text) or number.min is None or number.max is None:
        return text
    allowed = min(max(int(text), number.min), number.max)
    if allowed != int(text):
        logger.warning("%s items at once are not allowed here: %d is used instead.", text, allowed)
    return str(allowed)


def set_valid(value: ConfigValue, text: str) -> None:
    """Set a value from the file; one that is not allowed leaves the default."""
    if text and not value.set_value(text):
        logger.warning("A value in the settings file is not used. %s", value.error)
        value.error = None


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that a project can have."""
    good = tuple(name for name in names if built_in.is_choice(name))
    for name in names:
        if name not in good:
            logger.warning("The settings file names a project %r, which cannot exist.", name)
    return good

"""The warrior's own settings: their allowed values, and their fields."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from pipeline_core.config import NumberConfigValue, StringConfigValue
from warrior.config.options import NICKNAME, NotAllowed, nickname, user_name
from warrior.projects.entry import AUTO, NAME_RULE, is_project_name
from warrior.settings.fields import Field, InvalidValue

#: The longest value of a setting, in characters.
MAX_LENGTH = 4096
#: The most projects that can be chosen.
MAX_CHOSEN = 200


class Nickname(StringConfigValue):
    """The volunteer's name on trackers and leaderboards."""

    def check_value(self, value: Any) -> str | None:
        try:
            nickname(value if isinstance(value, str) else "")
        except NotAllowed as allowed:
            return f"A nickname has {allowed}."
        return None


def make_downloader() -> Nickname:
    return Nickname(
        "downloader", "Your nickname",
        "Trackers and leaderboards count what you save under this name.",
        regex=f"^{NICKNAME}$", advanced=False)


def make_concurrent_items(most: int) -> NumberConfigValue:
    return NumberConfigValue(
        "concurrent_items", "Concurrent items", "How many items are at work at once.",
        default=min(2, most), min=1, max=most, advanced=False)


def own_fields(
    downloader: StringConfigValue, concurrent: NumberConfigValue, username: str,
    fixed: frozenset[str],
) -> list[Field]:
    """In the order of the form; those in ``fixed`` cannot be changed."""
    fields = [
        Field("downloader", "", downloader.title, downloader.description,
              value=downloader.value or "", regex=downloader.regex or ""),
        Field("concurrent_items", "", concurrent.title, concurrent.description, "number",
              str(concurrent.value), str(concurrent.default), concurrent.min, concurrent.max),
        Field("http_username", "", "User name of this page",
              "Asked for together with the password. Empty: any name is accepted.",
              value=username),
        Field("http_password", "", "Password of this page",
              "Without one, anyone who can reach this page can command the warrior.",
              "password"),
    ]
    return [dataclasses.replace(field, editable=field.name not in fixed) for field in fields]


def text_from(value: Any) -> str:
    """The sent value as stripped text. Raises InvalidValue."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10 ** 18:
        value = str(value)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidValue("This must be text or a whole number.")
    if len(value) > MAX_LENGTH:
        raise InvalidValue(f"This is too long: {MAX_LENGTH} characters are allowed.")
    text = value.strip()
    if "\0" in text or re.search("[\ud800-\udfff]", text):
        raise InvalidValue("This contains characters that cannot be used.")
    return text


def check_username(text: str) -> str:
    """Return the name. Raises InvalidValue."""
    try:
        return user_name(text)
    except NotAllowed as allowed:
        raise InvalidValue(f"This must be {allowed}.") from None


def check_password(value: Any) -> str:
    """Return the password unchanged. Raises InvalidValue, which does not repeat it."""
    if not isinstance(value, str):
        raise InvalidValue("A password must be text.")
    if len(value) > MAX_LENGTH:
        raise InvalidValue(f"This is too long: {MAX_LENGTH} characters are allowed.")
    return value


def check_warrior_id(text: Any) -> str:
    """Return the id from HQ. Raises InvalidValue."""
    if not isinstance(text, str) or not text.isprintable() or len(text) > 200:
        raise InvalidValue("The id of a warrior must be a short text.")
    return text


def is_choice(name: str) -> bool:
    """Whether this names a project, or Archive Team's choice."""
    return name == AUTO or is_project_name(name)


def check_choice(names: Any) -> list[str]:
    """Return the names without repetitions. Raises InvalidValue."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InvalidValue("Send the chosen projects as a list of names.")
    if len(names) > MAX_CHOSEN:
        raise InvalidValue(f"At most {MAX_CHOSEN} projects can be chosen.")
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if not is_choice(name):
            raise InvalidValue(f"{name!r} is not the name of a project: {NAME_RULE}.")
    return chosen

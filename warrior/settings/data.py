"""The content of a settings file: parsed and checked, and written.

The file is one flat JSON object. The keys of the old warrior keep their names and meaning; unset
ones are ``""`` or null, numbers may be strings. New keys are ``projects`` (the volunteer's order),
``project_settings``, ``announcement_read`` and ``api_keys``. Unknown keys are kept unchanged.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from warrior.settings import api_keys

#: The largest settings file, in bytes.
MAX_SIZE = 1024 * 1024

#: Keys of the warrior's own settings; their values are text.
OWN = ("warrior_id", "downloader", "selected_project", "concurrent_items", "http_username",
       "http_password")

#: Settings whose names begin with this belong to all projects that have them.
SHARED = "shared:"

#: The volunteer's order of projects, and the settings of single projects.
ORDER, PROJECTS = "projects", "project_settings"

#: The short name of the announcement that has been read.
ANNOUNCEMENT = "announcement_read"

#: The API keys, by name.
API_KEYS = "api_keys"

Data = dict[str, Any]


class NotSettings(Exception):
    """The content cannot be used; ``str()`` is the reason, for a sentence."""


def parse(content: bytes) -> Data:
    """The settings, with known values as text ('' for unset). Raises NotSettings.

    A single value of a wrong type makes the whole file unusable: an unclear password must not
    become "no password".
    """
    if not content.strip():
        raise NotSettings("it is empty")
    if len(content) > MAX_SIZE:
        raise NotSettings("it is far too long")
    try:
        data = json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise NotSettings("it is not text") from None
    except json.JSONDecodeError as error:
        # The message must not contain any of the file: it may be a password.
        raise NotSettings(f"it is not whole, or not JSON (line {error.lineno})") from None
    except (ValueError, RecursionError):
        raise NotSettings("it is not JSON of settings") from None
    if not isinstance(data, dict):
        raise NotSettings("it does not hold settings by name")
    checked = _checked(data)
    try:
        # It must be possible to read what we would write.
        too_long = len(dump(checked)) > MAX_SIZE
    except RecursionError:
        too_long = True
    if too_long:
        raise NotSettings("it is far too long")
    return checked


def dump(data: Data) -> bytes:
    """The content of a file with these settings; the inverse of ``parse``."""
    text = json.dumps(data, indent=2)
    if len(text) >= MAX_SIZE:
        text = json.dumps(data)  # without indentation it has room
    return text.encode("ascii") + b"\n"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _checked(data: Data) -> Data:
    checked = dict(data)
    for key, value in data.items():
        if key in (*OWN, ANNOUNCEMENT) or key.startswith(SHARED):
            checked[key] = text_of(value, key)
    order = data.get(ORDER)
    if order is not None:
        if not isinstance(order, list) or not all(isinstance(name, str) for name in order):
            raise NotSettings(f"{ORDER} must be a list of names")
        checked[ORDER] = list(order)
    projects = data.get(PROJECTS)
    if projects is not None:
        checked[PROJECTS] = _checked_projects(projects)
    if data.get(API_KEYS) is not None:
        try:
            api_keys.from_data(data[API_KEYS])
        except ValueError as error:
            raise NotSettings(f"{API_KEYS} must hold keys, and {error}") from None
    return checked


def _checked_projects(projects: Any) -> dict[str, dict[str, str]]:
    if not isinstance(projects, dict) or not all(
            isinstance(values, dict) for values in projects.values()):
        raise NotSettings(f"{PROJECTS} must hold the settings of each project by name")
    return {project: {name: text_of(value, f"{project}/{name}")
                      for name, value in values.items() if value is not None}
            for project, values in projects.items()}


def text_of(value: Any, name: str) -> str:
    """The value as text: '' for null, a whole number by its digits. Raises NotSettings."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10 ** 18:
        return str(value)
    raise NotSettings(f"{name} must be text or a whole number")


def project_order(data: Data) -> list[str]:
    """The volunteer's order. A ``selected_project`` that differs from its first name replaces it.

    In that case, a program that only knows the old keys has changed the file. The old warrior
    wrote "none" if no project was selected.
    """
    order = list(dict.fromkeys(data.get(ORDER) or []))
    selected = data.get("selected_project") or ""
    if selected and selected.lower() != "none" and order[:1] != [selected]:
        order = [selected, *(name for name in order[1:] if name != selected)]
    return order

"""What may stand in a settings file, and in what form: checked text in, checked text out.

The file is one flat JSON object. The keys of the old warrior keep their names and
meaning; unset ones are ``""`` or null, numbers may be strings. New are ``projects``, the
volunteer's order, ``project_settings``, ``announcement_read`` and ``api_keys``. Keys that
nobody here knows are kept as they are.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from warrior.settings import api_keys

#: A settings file is never longer, in bytes.
MAX_SIZE = 1024 * 1024

#: Keys of the warrior's own; their values are text.
OWN = ("warrior_id", "downloader", "selected_project", "concurrent_items", "http_username",
       "http_password")

#: Settings whose names begin so belong to all projects that have them.
SHARED = "shared:"

#: The volunteer's order, and what was set for single projects.
ORDER, PROJECTS = "projects", "project_settings"

#: Which announcement has been read.
ANNOUNCEMENT = "announcement_read"

#: What is kept of the API keys, by their names.
API_KEYS = "api_keys"

Data = dict[str, Any]


class NotSettings(Exception):
    """The content is no settings; ``str()`` is the reason, for a sentence."""


def parse(content: bytes) -> Data:
    """The settings, with known values as text ('' for unset). Raises NotSettings.

    One value of a wrong type refuses the whole: a password of which nobody knows what
    it meant must not become "no password".
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
        # Not error.doc, nor a part of it: a password may stand there.
        raise NotSettings(f"it is not whole, or not JSON (line {error.lineno})") from None
    except (ValueError, RecursionError):
        raise NotSettings("it is not JSON of settings") from None
    if not isinstance(data, dict):
        raise NotSettings("it does not hold settings by name")
    checked = _checked(data)
    try:
        # Written in our way it must be readable again.
        too_long = len(dump(checked)) > MAX_SIZE
    except RecursionError:
        too_long = True
    if too_long:
        raise NotSettings("it is far too long")
    return checked


def dump(data: Data) -> bytes:
    """The content of a file with these settings; ``parse`` makes the same of it."""
    text = json.dumps(data, indent=2)
    if len(text) >= MAX_SIZE:
        text = json.dumps(data)  # what could be read has to be readable again
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
    """The volunteer's order. A ``selected_project`` that is not its first one replaces that.

    Something that knows the old keys alone has rewritten it then. The old warrior
    wrote "none" when there was none.
    """
    order = list(dict.fromkeys(data.get(ORDER) or []))
    selected = data.get("selected_project") or ""
    if selected and selected.lower() != "none" and order[:1] != [selected]:
        order = [selected, *(name for name in order[1:] if name != selected)]
    return order

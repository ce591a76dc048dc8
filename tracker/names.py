"""Which names are legal for projects, items and downloaders.

Item names are data, never paths or words of a shell: any Unicode text is legal, slashes,
newlines and whole URLs included. Two things are not: a lone surrogate, which no UTF-8 can
carry, and NUL, which joins the names of a multi-item on the wire.
"""

from __future__ import annotations

import json
import re

from tracker.errors import BadValue

JOINER = "\0"
"""Stands between the names of several items that travel as one ``item_name``."""

MAX_NAME_BYTES = 64 * 1024
"""Longest item name, in bytes of UTF-8: far over any URL, far under the body limit."""

SITE_FOLDER = "practice-site"
"""Path under which the practice site is served; so no project may be called that."""

_PROJECT = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]{0,63}")
_DOWNLOADER = re.compile(r"[-_a-zA-Z0-9]{3,30}")


def check_project(name: str) -> str:
    """Return *name* when it can be a project's name; raises BadValue."""
    if name == SITE_FOLDER:
        raise BadValue(f"{name} cannot be a project's name: the practice site has that address.")
    if not _PROJECT.fullmatch(name):
        raise BadValue(
            f"{shown(name)} cannot be a project's name: it takes 1 to 64 letters, digits, "
            "dots, hyphens and underscores, and begins with a letter or digit."
        )
    return name


def check_downloader(name: object) -> str:
    """Return *name* when it is a nickname as the command lines accept it; raises BadValue."""
    if not isinstance(name, str) or not _DOWNLOADER.fullmatch(name):
        raise BadValue(
            '"downloader" must be a nickname: 3 to 30 letters, digits, hyphens and underscores.'
        )
    return name


def check_item(name: object) -> str:
    """Return *name* when it can be one item's name; raises BadValue."""
    if not isinstance(name, str):
        raise BadValue("An item's name must be a string.")
    if not name:
        raise BadValue("An item's name cannot be empty.")
    if JOINER in name:
        raise BadValue(f"{shown(name)} cannot be one item's name: NUL stands between names.")
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadValue(
            f"{shown(name)} cannot be an item's name: it holds a lone surrogate."
        ) from None
    if size > MAX_NAME_BYTES:
        raise BadValue(f"{shown(name)} cannot be an item's name: over {MAX_NAME_BYTES} bytes.")
    return name


def split_names(joined: object) -> list[str]:
    """Return the item names in *joined* (one name, or several joined by NUL); raises BadValue."""
    if not isinstance(joined, str):
        raise BadValue("The item's name must be a string.")
    return [check_item(name) for name in joined.split(JOINER)]


def shown(name: str, limit: int = 100) -> str:
    """Return *name* quoted for a sentence: one line of ASCII, cut at *limit* characters."""
    text = json.dumps(name[:limit]).replace("\x7f", "\\u007f")  # JSON leaves it as it is
    return text if len(name) <= limit else text[:-1] + '…"'

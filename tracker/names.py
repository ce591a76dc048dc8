"""Which names are legal for projects, items and downloaders.

Item names are data, never paths or words of a shell. Any Unicode text is legal, including
slashes, newlines and whole URLs, with two exceptions: lone surrogates, which UTF-8 cannot
encode, and NUL, which joins the names of a multi-item in requests and answers.
"""

from __future__ import annotations

import json
import re

from tracker.errors import BadValue

JOINER = "\0"
"""Joins the names of several items that are sent as one ``item_name``."""

MAX_NAME_BYTES = 64 * 1024
"""Longest item name, in bytes of UTF-8: much longer than any URL, and far below the limit of a
request body."""

SITE_FOLDER = "practice-site"
"""Path of the practice site; a project cannot have this name."""

_PROJECT = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]{0,63}")
_DOWNLOADER = re.compile(r"[-_a-zA-Z0-9]{3,30}")


def check_project(name: str) -> str:
    """Return *name* if it is a legal project name; raises BadValue."""
    if name == SITE_FOLDER:
        raise BadValue(f"A project cannot be called {name}: the practice site has that address.")
    if not _PROJECT.fullmatch(name):
        raise BadValue(
            f"{shown(name)} is not a legal project name. Use 1 to 64 letters, digits, dots, "
            "hyphens and underscores, beginning with a letter or digit."
        )
    return name


def check_downloader(name: object) -> str:
    """Return *name* if it is a nickname that the pipeline programs accept; raises BadValue."""
    if not isinstance(name, str) or not _DOWNLOADER.fullmatch(name):
        raise BadValue(
            '"downloader" must be a nickname: 3 to 30 letters, digits, hyphens and underscores.'
        )
    return name


def check_item(name: object) -> str:
    """Return *name* if it is a legal name of one item; raises BadValue."""
    if not isinstance(name, str):
        raise BadValue("An item name must be a string.")
    if not name:
        raise BadValue("An item name cannot be empty.")
    if JOINER in name:
        raise BadValue(f"The item name {shown(name)} contains NUL, which separates names.")
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadValue(f"The item name {shown(name)} contains a lone surrogate.") from None
    if size > MAX_NAME_BYTES:
        raise BadValue(f"The item name {shown(name)} is over {MAX_NAME_BYTES} bytes.")
    return name


def split_names(joined: object) -> list[str]:
    """Return the item names in *joined* (one name, or several joined by NUL); raises BadValue."""
    if not isinstance(joined, str):
        raise BadValue("An item name must be a string.")
    return [check_item(name) for name in joined.split(JOINER)]


def shown(name: str, limit: int = 100) -> str:
    """Return *name* quoted for a message: one line of ASCII, cut after *limit* characters."""
    text = json.dumps(name[:limit]).replace("\x7f", "\\u007f")  # JSON leaves DEL as it is
    return text if len(name) <= limit else text[:-1] + '…"'

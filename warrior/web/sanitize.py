"""Cleans HTML and addresses from outside, once, on the server, before any page gets them."""

from __future__ import annotations

import functools
from urllib.parse import urlsplit

#: The most bytes of HTML; the rest is cut off.
MAX_HTML = 16 * 1024
#: The most texts whose cleaned form is remembered.
MAX_REMEMBERED = 512

#: The tags and attributes that real project headers use.
_ALLOWED: dict[str, frozenset[str]] = {
    "img": frozenset({"class", "src", "alt", "title", "height"}),
    "h2": frozenset(), "b": frozenset(), "i": frozenset(),
    "span": frozenset({"class"}), "p": frozenset({"class"}),
    "a": frozenset({"href", "title"}),
}
_CLASSES = {"img": frozenset({"project-logo"}), "span": frozenset({"links"})}


class Cleaner:
    """Calls :func:`clean_html`, and remembers its latest results."""

    def __init__(self) -> None:
        self._clean = functools.lru_cache(MAX_REMEMBERED)(clean_html)

    def __call__(self, html: str) -> str:
        return self._clean(html) if html else ""


def clean_html(html: str) -> str:
    """The HTML with only harmless tags and attributes; http becomes https in logos."""
    import nh3  # not needed before the first page

    text = html.encode("utf-8", "replace")[:MAX_HTML].decode("utf-8", "ignore")
    return nh3.clean(
        text,
        tags=set(_ALLOWED),
        attributes={tag: set(names) for tag, names in _ALLOWED.items() if names},
        attribute_filter=_filter,
        url_schemes={"http", "https", "data"},
        link_rel="noopener noreferrer",
        strip_comments=True,
    )


def _filter(tag: str, name: str, value: str) -> str | None:
    if name == "class":
        allowed = _CLASSES.get(tag)
        kept = [word for word in value.split() if allowed is None or word in allowed]
        return " ".join(kept) or None
    if name == "src":
        return image_address(value)
    if name == "href":
        return link_address(value)
    if name == "height":
        return value if value.isascii() and value.isdigit() and len(value) < 4 else None
    return value


def image_address(value: str) -> str | None:
    """The address of an image, with https for http; None for other schemes."""
    scheme = _scheme(value)
    if scheme == "http":
        return "https" + value.strip()[4:]
    if scheme == "https" or value.strip().lower().startswith("data:image/"):
        return value.strip()
    return None


def link_address(value: str) -> str | None:
    """The address of a link; None for schemes other than http and https."""
    return value if _scheme(value) in ("http", "https") else None


def _scheme(value: str) -> str:
    try:
        return urlsplit(value.strip()).scheme.lower()
    except ValueError:
        return ""

"""HTML and addresses of strangers, made safe once, on the server, before any page sees them."""

from __future__ import annotations

from collections import OrderedDict
from urllib.parse import urlsplit

#: Bytes of HTML that are looked at; the rest is cut off.
MAX_HTML = 16 * 1024
#: Texts that are remembered as made safe: projects, announcements.
MAX_REMEMBERED = 512

#: What real project headers use, and nothing else.
_ALLOWED: dict[str, frozenset[str]] = {
    "img": frozenset({"class", "src", "alt", "title", "height"}),
    "h2": frozenset(), "b": frozenset(), "i": frozenset(),
    "span": frozenset({"class"}), "p": frozenset({"class"}),
    "a": frozenset({"href", "title"}),
}
_CLASSES = {"img": frozenset({"project-logo"}), "span": frozenset({"links"})}


class Cleaner:
    """``clean(html)`` is :func:`clean_html`; what it has seen lately it still knows."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()

    def __call__(self, html: str) -> str:
        if not html:
            return ""
        known = self._known.get(html)
        if known is None:
            known = self._known[html] = clean_html(html)
            if len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(html)
        return known


def clean_html(html: str) -> str:
    """``html`` with only harmless tags and attributes; logos over http become https."""
    import nh3  # comes with the first page that needs it

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
    """The address of a picture that may be shown, http as https; None for any other."""
    scheme = _scheme(value)
    if scheme == "http":
        return "https" + value.strip()[4:]
    if scheme == "https" or value.strip().lower().startswith("data:image/"):
        return value.strip()
    return None


def link_address(value: str) -> str | None:
    """The address that a link may lead to; None for anything but http and https."""
    return value if _scheme(value) in ("http", "https") else None


def _scheme(value: str) -> str:
    try:
        return urlsplit(value.strip()).scheme.lower()
    except ValueError:
        return ""

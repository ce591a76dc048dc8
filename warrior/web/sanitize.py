"""HTML of projects, made safe once, on the server, before any page sees it."""

from __future__ import annotations

from urllib.parse import urlsplit

#: Bytes of HTML that are looked at; the rest is cut off.
MAX_HTML = 16 * 1024

#: What real project headers use, and nothing else.
_ALLOWED: dict[str, frozenset[str]] = {
    "img": frozenset({"class", "src", "alt", "title", "height"}),
    "h2": frozenset(), "b": frozenset(), "i": frozenset(),
    "span": frozenset({"class"}), "p": frozenset({"class"}),
    "a": frozenset({"href", "title"}),
}
_CLASSES = {"img": frozenset({"project-logo"}), "span": frozenset({"links"})}


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
        return _image_address(value)
    if name == "href":
        return value if _scheme(value) in ("http", "https") else None
    if name == "height":
        return value if value.isascii() and value.isdigit() and len(value) < 4 else None
    return value


def _image_address(value: str) -> str | None:
    scheme = _scheme(value)
    if scheme == "http":
        return "https" + value.strip()[4:]
    if scheme == "https" or value.strip().lower().startswith("data:image/"):
        return value.strip()
    return None


def _scheme(value: str) -> str:
    try:
        return urlsplit(value.strip()).scheme.lower()
    except ValueError:
        return ""

"""The operator's options: their names, their allowed values, and how their text is parsed.

Only warrior.conf.example has the defaults and the explanations.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import math
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

#: The nickname of a volunteer, as a regular expression.
NICKNAME = "[-_a-zA-Z0-9]{3,30}"

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600}
_BYTES = {"": 1, "b": 1} | {
    f"{letter}{i}b": base ** power
    for power, letter in enumerate("kmgt", 1) for i, base in (("", 1000), ("i", 1024))}


class NotAllowed(ValueError):
    """The text is no allowed value; ``str()`` says what is, as the words after "must be"."""


@dataclasses.dataclass(frozen=True)
class Option:
    """One option. ``parse`` turns text into its value, and raises NotAllowed.

    ``metavar`` is '' for a flag. Messages never repeat the value of a ``secret`` option.
    """

    name: str
    parse: Callable[[str], Any]
    metavar: str = ""
    secret: bool = False
    is_path: bool = False

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return "WARRIOR_" + self.name.removeprefix("warrior_").upper()

    @property
    def switch(self) -> str:
        """Its name on the command line."""
        return "--" + self.name.replace("_", "-")

    def refusal(self, text: str, allowed: NotAllowed) -> str:
        """The rest of a sentence about a bad value."""
        return f"must be {allowed}" + ("" if self.secret else f", not {text!r}")


def flag(text: str) -> bool:
    word = text.lower()
    if word in ("yes", "true", "on", "1"):
        return True
    if word in ("no", "false", "off", "0"):
        return False
    raise NotAllowed("yes or no")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(r"\+?[0-9]{1,18}", text) and least <= int(text) <= most:
            return int(text)
        raise NotAllowed(f"a whole number from {least} to {most}")

    return parse


def seconds(text: str) -> float:
    """A duration in seconds, at most a day."""
    value = _quantity(text, _SECONDS)
    if value is None or value > 86400:
        raise NotAllowed("a time of at most a day, such as 240, 4 min or 1 h")
    return value


def byte_count(text: str) -> int:
    value = _quantity(text, _BYTES)
    if value is None:
        raise NotAllowed("a number of bytes, such as 0, 500 MB or 1 GiB")
    return math.ceil(value)


def _quantity(text: str, units: dict[str, int]) -> float | None:
    match = _QUANTITY.fullmatch(text)
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None or len(match[1]) > 18:
        return None
    return float(match[1]) * factor


def address(text: str) -> str:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if re.search(r"[\s/\[\]]", inner):
        raise NotAllowed("an address or a name of this machine, such as 0.0.0.0, or empty")
    return inner


def nickname(text: str) -> str:
    if not re.fullmatch(NICKNAME, text):
        raise NotAllowed("3 to 30 letters (a to z), digits, '-' and '_'")
    return text


def user_name(text: str) -> str:
    if ":" in text or not text.isprintable():
        raise NotAllowed("a name without ':' (which ends the name for browsers)")
    return text


def host_names(text: str) -> tuple[str, ...]:
    names = tuple(text.replace(",", " ").split())
    if not all(_HOST_NAME.fullmatch(name) for name in names):
        raise NotAllowed("names such as warrior.example, without port or https://, "
                         "separated by spaces")
    return names


def url(text: str) -> str:
    """An http(s) address without a slash at its end, or ''."""
    if not text:
        return ""
    try:
        parts = urllib.parse.urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (
            parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not text.isprintable() or " " in text:
        raise NotAllowed("an address such as https://hq.example, or empty")
    return text.rstrip("/")


def public_url(text: str) -> str:
    """The address of the page behind a reverse proxy, without a slash at its end, or ''."""
    allowed = NotAllowed("an address such as https://warrior.example or "
                         "https://home.example/warrior, or empty")
    try:
        checked = url(text)
    except NotAllowed:
        raise allowed from None
    parts = urllib.parse.urlsplit(checked)
    plain = re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", parts.path)
    if "@" in parts.netloc or "?" in text or "#" in text or not plain:
        raise allowed
    return checked


def networks(text: str) -> tuple[str, ...]:
    """Addresses and networks, each as ``ipaddress`` writes it."""
    try:
        return tuple(str(ipaddress.ip_network(word, strict=False))
                     for word in text.replace(",", " ").split())
    except ValueError:
        raise NotAllowed("addresses or networks such as 192.0.2.7 or 10.0.0.0/8, separated by "
                         "spaces") from None


def build_name(text: str) -> str:
    """Text that can stand in a User-Agent header."""
    if len(text) > 100 or not (text.isascii() and text.isprintable()):
        raise NotAllowed("at most 100 printable ASCII characters")
    return text


def repository(text: str) -> str:
    """What git can clone, or a folder."""
    # Git would run a program for an option, and for some transports.
    if not text or text.startswith("-") or not text.isprintable() \
            or re.match(r"[A-Za-z0-9+.-]+::", text):
        raise NotAllowed("an address that git can clone, or the path of a folder")
    return text


def is_url(text: str) -> bool:
    """Whether git sees this as an address (scheme://… or host:path) and not as a path."""
    return "://" in text or re.match(r"[^/]+:", text) is not None


OPTIONS = (
    Option("state_dir", str, "DIR", is_path=True),
    Option("projects_dir", str, "DIR", is_path=True),
    Option("data_dir", str, "DIR", is_path=True),
    Option("warrior_hq", url, "URL"),
    Option("address", address, "HOST"),
    Option("port", whole_number(0, 65535), "PORT"),
    Option("http_username", user_name, "U"),
    Option("http_password", str, "P", secret=True),
    Option("insecure_no_password", flag),
    Option("host_names", host_names, "NAMES"),
    Option("public_url", public_url, "URL"),
    Option("proxy_addresses", networks, "ADDRESSES"),
    Option("keep_data", flag),
    Option("real_shutdown", flag),
    Option("warrior_build", build_name, "TEXT"),
    Option("max_concurrent_items", whole_number(1, 1000), "N"),
    Option("grace_time", seconds, "TIME"),
    Option("min_free_disk", byte_count, "SIZE"),
    Option("shipped_projects", flag),
)

#: The options of a section [project NAME].
PROJECT_OPTIONS = (
    Option("repository", repository),
    Option("title", str),
    Option("description", str),
)

#: Environment variable -> the key of the setting that it sets, if that was never set.
SEEDS = {
    "WARRIOR_ID": "warrior_id",
    "DOWNLOADER": "downloader",
    "SELECTED_PROJECT": "selected_project",
    "CONCURRENT_ITEMS": "concurrent_items",
    "SHARED_RSYNC_THREADS": "shared:rsync_threads",
    "HTTP_USERNAME": "http_username",
    "HTTP_PASSWORD": "http_password",
}

#: The environment variable with the path of the configuration file.
CONFIG_VARIABLE = "WARRIOR_CONFIG"

#: Variables that Kubernetes and Docker set for a service named "warrior". Not ours.
SERVICE_LINK = re.compile(
    r"WARRIOR_(SERVICE_HOST|SERVICE_PORT(_\w+)?|NAME|ENV_\w+|PORT_[0-9]+_(TCP|UDP)(_\w+)?)")

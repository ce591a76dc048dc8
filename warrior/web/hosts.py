"""The names in a Host header that are accepted.

Another site can make a browser send us requests for a name of its own, which it resolves to our
address (DNS rebinding). Addresses and this machine's own names are safe from that.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(?::\d{0,5})?")


def host_name(header: str) -> str | None:
    """The name or address in a Host header, lower case, without port; None if malformed.

    An IPv6 address keeps its brackets.
    """
    match = _HOST.fullmatch(header.strip())
    return match.group(1).lower() if match else None


def is_canonical_address(name: str) -> bool:
    """Whether ``name`` is an IP address in its canonical form, and not "any address".

    Browsers also accept ``127.1`` and ``2130706433`` for 127.0.0.1; both are refused here, like an
    IPv6 address without brackets.
    """
    bracketed = name.startswith("[") and name.endswith("]")
    text = name[1:-1] if bracketed else name
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if (address.version == 6) != bracketed or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False
    return str(address) == text


class AcceptedHosts:
    """Contains localhost, all addresses, this machine's name, and the names in ``more``."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        machine = socket.gethostname().lower()
        names = {"localhost", machine, machine.partition(".")[0], *map(str.lower, more)}
        self._names = frozenset(names - {""})

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (
            name in self._names
            or (name.endswith(".localhost") and not name.startswith("."))
            or is_canonical_address(name)
        )

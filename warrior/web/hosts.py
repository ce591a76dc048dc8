"""Which names in a Host header mean this server.

A page of another site can make a browser ask us under a name of its own that
resolves to our address (DNS rebinding). An address, or a name that only this
machine answers to, cannot be borrowed that way.
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
    """Whether ``name`` is an IP literal as one writes it, and not "any address".

    Browsers take ``127.1`` and ``2130706433`` for 127.0.0.1 too; those are refused, as
    is a bare IPv6 address without brackets.
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
    """Decides about names: loopback names, addresses, this machine's name, ``more``."""

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

"""How near to this machine an address lies, so that a redirect leads to nothing nearer.

Whoever answers us may send us on. What listens on this machine or beside it often asks for
no password, because it trusts whoever can reach it; a stranger must not reach it through
us. What counts is the address that is connected to, after the name has been looked up:
``127.1``, ``2130706433`` and any name in the DNS can mean this machine.
"""

from __future__ import annotations

import enum
import ipaddress
import re
import socket
from typing import Any

from tornado.netutil import Resolver


class AddressScope(enum.IntEnum):
    """From far to near."""

    PUBLIC = 0
    PRIVATE = 1
    LINK = 2
    HERE = 3


_WORDS = {
    AddressScope.PRIVATE: "in a private network",
    AddressScope.LINK: "a link-local address, as the services of a cloud have",
    AddressScope.HERE: "this machine",
}


class ScopeRefused(ValueError):
    """A name leads only to addresses that may not be connected to; ``str()`` says which."""


def nearness_of(address: str) -> AddressScope:
    """How near the IP address is; one that cannot be read counts as this machine."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return AddressScope.HERE
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback or found.is_unspecified:
        return AddressScope.HERE
    if found.is_link_local:
        return AddressScope.LINK
    return AddressScope.PUBLIC if found.is_global else AddressScope.PRIVATE


#: An IPv6 address in brackets, or a name or an IPv4 address; then perhaps a port.
_ONE_HOST = re.compile(r"(?:\[([^\[\]]+)\]|[^\[\]{}\\%@:/?#\s]+)(?::[0-9]*)?")


def names_one_host(netloc: str) -> bool:
    """Whether every program reads the same single host and port in this part of a URL.

    curl makes a list of hosts out of brackets and braces, and programs disagree about
    backslashes, percent signs and a second ``@``.
    """
    user, _, host = netloc.rpartition("@")
    match = _ONE_HOST.fullmatch(host)
    if match is None or "@" in user or "\\" in user:
        return False
    try:
        return match[1] is None or bool(ipaddress.IPv6Address(match[1]))
    except ValueError:
        return False


def may_lead(source: AddressScope, target: AddressScope) -> bool:
    """Whether who lies at ``source`` may send us on to ``target``.

    Never nearer; and to link-local addresses only from there.
    """
    return target == source or (target < source and target != AddressScope.LINK)


class ScopedResolver(Resolver):
    """Looks names up, and leaves out the addresses that ``source`` may not lead to.

        ScopedResolver(resolver, AddressScope.PUBLIC)

    Raises ScopeRefused when none is left. The other resolver is not closed with this one.
    """

    def initialize(self, resolver: Resolver, source: AddressScope) -> None:
        self._resolver = resolver
        self._source = source

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        found = await self._resolver.resolve(host, port, family)
        refused = AddressScope.PUBLIC
        allowed = []
        for kind, address in found:
            near = nearness_of(str(address[0]))
            if may_lead(self._source, near):
                allowed.append((kind, address))
            else:
                refused = max(refused, near)
        if found and not allowed:
            raise ScopeRefused(f"{host}, which is {_WORDS[refused]}")
        return allowed

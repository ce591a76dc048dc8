"""How near to this machine an address is, so that a redirect never leads nearer.

A server may redirect our requests. Services on this machine or its network often ask for no
password, because they trust whoever can reach them; a remote server must not reach them through
us. The check applies to the address that is connected to, after the name has been resolved:
``127.1``, ``2130706433`` and any DNS name can mean this machine.
"""

from __future__ import annotations

import enum
import ipaddress
import re
import socket
from typing import Any

from tornado.netutil import Resolver


class AddressScope(enum.IntEnum):
    """Network scopes, from far to near."""

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
    """A name has only addresses that may not be connected to; ``str()`` says which."""


def scope_of(address: str) -> AddressScope:
    """Return the scope of an IP address. An invalid address counts as this machine."""
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


#: An IPv6 address in brackets, a name or an IPv4 address; then an optional port.
_ONE_HOST = re.compile(r"(?:\[([^\[\]]+)\]|[^\[\]{}\\%@:/?#\s]+)(?::[0-9]*)?")


def names_one_host(netloc: str) -> bool:
    """Return whether every program reads the same single host and port from this part of a URL.

    curl expands brackets and braces to a list of hosts, and programs disagree about
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


class ScopedResolver(Resolver):
    """Resolves names, and leaves out the addresses that a server in the scope ``source`` may not
    redirect us to: those that are nearer, and link-local ones unless it is link-local itself.

    Raises ScopeRefused when no address is left. Closing this does not close ``resolver``.
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
            near = scope_of(str(address[0]))
            if near == self._source or (near < self._source and near != AddressScope.LINK):
                allowed.append((kind, address))
            else:
                refused = max(refused, near)
        if found and not allowed:
            raise ScopeRefused(f"{host}, which is {_WORDS[refused]}")
        return allowed

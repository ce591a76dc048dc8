"""Names and addresses: of this server, of its reverse proxy, and of its clients."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import socket
import urllib.parse
from collections.abc import Iterable

from tornado import httputil

#: The neighbour on this machine.
HERE = "here"
#: The trusted proxies if the operator names none: those on this machine.
LOOPBACK = ("127.0.0.0/8", "::1/128")

#: No honest chain of proxies has more hops.
_MAX_HOPS = 50
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(?::\d{0,5})?")


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


# -- clients -----------------------------------------------------------------------------
def network(address: str) -> str:
    """The IPv4 address, or the /64 of the IPv6 address: one machine can use all of it."""
    parsed = _parsed(address.partition("%")[0])
    if parsed is None or parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def neighbour(address: str) -> str:
    """The machine that has the address: the IPv4 address, the /64 of IPv6, or 'here'.

    'here' covers all addresses of this machine, which all its users share, and its Unix socket.
    """
    parsed = _parsed(address.partition("%")[0])
    return HERE if parsed is None or parsed.is_loopback else network(address)


class Proxies:
    """The proxies whose X-Forwarded-For header is trusted: addresses or networks."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(text, strict=False) for text in networks]

    def client(self, peer: str, headers: httputil.HTTPHeaders) -> str:
        """The client's address: the peer's, or from the X-Forwarded-For header of a trusted peer.

        Each trusted proxy appends one address. So the last one that is not itself a trusted proxy
        counts; anybody may have written those to its left.
        """
        client = peer
        hops = ",".join(headers.get_list("X-Forwarded-For")).split(",")
        for hop in reversed(hops[-_MAX_HOPS:]):
            address = _hop(hop) if self._trusts(client) else None
            if address is None:
                break
            client = address
        return client

    def _trusts(self, text: str) -> bool:
        address = _parsed(text.partition("%")[0])
        return address is not None and any(address in network for network in self._networks)


def _hop(text: str) -> str | None:
    """The canonical address of one hop; None if it is malformed."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]  # some proxies append the port
    address = _parsed(text)
    return None if address is None else str(address)


# -- this server ---------------------------------------------------------------------------
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
    address = _parsed(text)
    return (address is not None and (address.version == 6) == bracketed
            and not address.is_unspecified and str(address) == text
            and getattr(address, "ipv4_mapped", None) is None)


class AcceptedHosts:
    """Contains localhost, all addresses, this machine's name, and the names in ``more``.

    Another site can make a browser send us requests for a name of its own, which it resolves to
    our address (DNS rebinding). Addresses and this machine's own names are safe from that.
    """

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


@dataclasses.dataclass(frozen=True)
class PublicAddress:
    """The parts of the option ``public_url``, the console's address for browsers.

    ``host`` is lower case without a port; ``authority`` has the port unless it is the default of
    the scheme; ``prefix`` is '' or a path such as ``/at/home``.
    """

    scheme: str
    host: str
    authority: str
    prefix: str

    @classmethod
    def of(cls, url: str) -> PublicAddress:
        """The parts of a checked ``public_url``."""
        parts = urllib.parse.urlsplit(url)
        name = (parts.hostname or "").lower()
        host = f"[{name}]" if ":" in name else name
        port = parts.port
        own = port is None or port == _DEFAULT_PORTS[parts.scheme]
        return cls(parts.scheme, host, host if own else f"{host}:{port}",
                   parts.path.rstrip("/"))

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    def is_origin(self, origin: str) -> bool:
        """Whether an Origin header means this address."""
        scheme, _, authority = origin.strip().lower().partition("://")
        return scheme == self.scheme and self.is_authority(authority)

    def is_authority(self, authority: str) -> bool:
        """Whether a Host header means this address, port included."""
        port = _DEFAULT_PORTS[self.scheme]
        return authority.strip().lower().removesuffix(f":{port}") == self.authority

    def strip(self, request: httputil.HTTPServerRequest) -> None:
        """Remove the prefix from the path, unless the proxy has removed it."""
        rest = request.path.removeprefix(self.prefix)
        if self.prefix and rest != request.path and rest[:1] in ("", "/"):
            request.path = rest or "/"

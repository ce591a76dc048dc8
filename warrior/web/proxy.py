"""A reverse proxy: the console's public address, and the addresses of clients behind the proxy."""

from __future__ import annotations

import dataclasses
import ipaddress
import urllib.parse
from collections.abc import Iterable

from tornado import httputil

_DEFAULT_PORTS = {"http": 80, "https": 443}

#: The trusted proxies if the operator names none: those on this machine.
LOOPBACK = ("127.0.0.0/8", "::1/128")

#: No honest chain of proxies has more hops.
_MAX_HOPS = 50


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


class Proxies:
    """The proxies whose X-Forwarded-For header is trusted: addresses or networks."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(text, strict=False) for text in networks]

    def client(self, peer: str, headers: httputil.HTTPHeaders) -> str:
        """The client's address: the peer's, or from the X-Forwarded-For header of a trusted peer.

        Each trusted proxy appends one address. So the last one that is not itself a trusted proxy
        counts; anybody may have written those to its left.
        """
        if not self._trusts(peer):
            return peer
        hops = ",".join(headers.get_list("X-Forwarded-For")).split(",")
        client = peer
        for hop in reversed(hops[-_MAX_HOPS:]):
            address = _address(hop)
            if address is None:
                break
            client = address
            if not self._trusts(address):
                break
        return client

    def _trusts(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _address(hop: str) -> str | None:
    """The canonical address of one hop; None if it is malformed."""
    text = hop.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]  # some proxies append the port
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None

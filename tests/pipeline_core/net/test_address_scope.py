"""How near addresses lie, and whom a redirect may lead to."""

from __future__ import annotations

import asyncio

import pytest
from tornado.netutil import OverrideResolver, Resolver

from pipeline_core.net.address_scope import (
    AddressScope,
    ScopedResolver,
    ScopeRefused,
    names_one_host,
    scope_of,
)


@pytest.mark.parametrize(("address", "near"), [
    ("127.0.0.1", AddressScope.HERE), ("127.255.0.9", AddressScope.HERE), ("0.0.0.0", AddressScope.HERE),
    ("::1", AddressScope.HERE), ("::", AddressScope.HERE), ("::ffff:127.0.0.1", AddressScope.HERE),
    ("::ffff:0.0.0.0", AddressScope.HERE), ("no address", AddressScope.HERE), ("", AddressScope.HERE),
    ("169.254.169.254", AddressScope.LINK), ("fe80::1", AddressScope.LINK), ("fe80::1%lo", AddressScope.LINK),
    ("::ffff:169.254.169.254", AddressScope.LINK),
    ("10.1.2.3", AddressScope.PRIVATE), ("192.168.0.1", AddressScope.PRIVATE),
    ("172.16.0.1", AddressScope.PRIVATE), ("100.64.0.1", AddressScope.PRIVATE),
    ("fd00:ec2::254", AddressScope.PRIVATE), ("0.1.2.3", AddressScope.PRIVATE),
    ("93.184.216.34", AddressScope.PUBLIC), ("2606:2800:220:1::1", AddressScope.PUBLIC),
])
def test_how_near(address: str, near: AddressScope) -> None:
    """Every form of an address is read as what it means."""
    assert scope_of(address) == near


def look_up(host: str, source: AddressScope, known: dict[str, str] | None = None) -> list[str]:
    async def ask() -> list[str]:
        names = OverrideResolver(resolver=Resolver(), mapping=known or {})
        found = await ScopedResolver(names, source).resolve(host, 80)
        return [str(address[0]) for _, address in found]

    return asyncio.run(ask())


def test_who_may_lead_where() -> None:
    """Nobody leads nearer than he lies, and to a link only who lies at it."""
    public, private, link, here = AddressScope
    addresses = {public: "93.184.216.34", private: "192.168.0.1", link: "169.254.169.254",
                 here: "127.0.0.1"}
    allowed = set()
    for source in AddressScope:
        for target in AddressScope:
            try:
                assert look_up(addresses[target], source) == [addresses[target]]
            except ScopeRefused:
                continue
            allowed.add((source, target))
    assert allowed == {(public, public), (private, private), (private, public), (link, link),
                       (link, private), (link, public), (here, here), (here, private),
                       (here, public)}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0.0.0.0",
                                  "::ffff:127.0.0.1", "::1", "localhost"])
def test_whatever_means_this_machine(host: str) -> None:
    """However it is written, and by name: refused, or for who is here too, taken."""
    with pytest.raises(ScopeRefused, match="this machine"):
        look_up(host, AddressScope.PUBLIC)
    assert look_up(host, AddressScope.HERE)


def test_names_are_looked_up_first() -> None:
    """What the DNS says counts, not how harmless a name looks."""
    known = {"evil.example": "127.0.0.1", "cloud.example": "169.254.169.254",
             "router.example": "192.168.0.1", "tracker.example": "93.184.216.34"}
    for host, words in (("evil.example", "this machine"), ("cloud.example", "link-local"),
                        ("router.example", "private network")):
        with pytest.raises(ScopeRefused, match=f"^{host}, which is .*{words}"):
            look_up(host, AddressScope.PUBLIC, known)
    assert look_up("tracker.example", AddressScope.PUBLIC, known) == ["93.184.216.34"]
    with pytest.raises(ScopeRefused, match="link-local"):
        look_up("cloud.example", AddressScope.HERE, known)


@pytest.mark.parametrize(("netloc", "one"), [
    ("h", True), ("h:80", True), ("h:", True), ("u:w@h:80", True), ("[::1]", True),
    ("u@[2001:db8::1]:8", True), ("[fe80::1%eth0]", True), ("127.0.0.1", True), ("b\u00fccher.example", True),
    ("127.0.0.[1-3]", False), ("[1-3]", False), ("{a,b}", False), ("[::1][1-3]", False),
    ("[::1]x", False), ("a@b@h", False), ("h:80:90", False), ("h\\@i", False), ("h%2e", False),
    ("", False), ("h i", False), ("u\\@h", False)])
def test_what_names_one_host(netloc: str, one: bool) -> None:
    """Whatever a program could take for several hosts, or for another one, does not."""
    assert names_one_host(netloc) == one

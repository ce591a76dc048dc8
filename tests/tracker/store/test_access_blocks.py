"""Blocked downloaders and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker.errors import AlreadyExists, BadValue, UnknownEntry
from tracker.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database with the projects ``p`` and ``q``."""
    store = Store(tmp_path / "t")
    store.add("p", [])
    store.add("q", [])
    yield store
    store.close()


def test_names(store: Store) -> None:
    """A name is blocked in upper and lower case, in one project or in all."""
    store.block("p", "Bad-One")
    assert store.blocked("p", "bad-one", "203.0.113.9") == "name"
    assert store.blocked("q", "Bad-One", "203.0.113.9") is None
    assert store.blocked("p", "Bad-One-2", "203.0.113.9") is None
    assert store.blocked("p", None, "203.0.113.9") is None
    store.block(None, "Bad-One")
    assert store.blocked("q", "BAD-ONE", "203.0.113.9") == "name"


@pytest.mark.parametrize(
    ("value", "inside", "outside"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.7/24", "192.0.2.255", "192.0.3.0"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("2001:DB8::1", "2001:db8:0:0::1", "2001:db8::2"),
        ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
        ("192.0.2.7", "::ffff:192.0.2.7", "::192.0.2.7"),
    ],
)
def test_addresses(store: Store, value: str, inside: str, outside: str) -> None:
    """An address or a whole network is blocked; IPv4 written as IPv6 is the same address."""
    store.block(None, value)
    assert store.blocked("p", "SOMEONE", inside) == "address"
    assert store.blocked("p", "SOMEONE", outside) is None
    assert store.blocked("p", "SOMEONE", "no address") is None


def test_listed_and_removed(store: Store) -> None:
    """The list has project and reason, a removed block has no effect, and no block is added
    twice."""
    store.block(None, "192.0.2.7/24", "too many")
    added = store.block("q", "Bad-One")
    assert [(b.project, b.kind, b.value, b.reason) for b in store.blocks()] == [
        (None, "address", "192.0.2.0/24", "too many"), ("q", "name", "Bad-One", ""),
    ]  # fmt: skip
    assert added in store.blocks()
    with pytest.raises(AlreadyExists):
        store.block("q", "BAD-ONE")
    with pytest.raises(UnknownEntry):
        store.unblock("p", "Bad-One")
    store.unblock("q", "bad-one")
    store.unblock(None, "192.0.2.0/24")
    assert store.blocks() == []
    assert store.blocked("q", "Bad-One", "192.0.2.7") is None


@pytest.mark.parametrize("value", ["", "ab", "a b", "192.0.2", "192.0.2.1/33", "x.example", "::g"])
def test_illegal_values(store: Store, value: str) -> None:
    """A value that is neither a nickname nor an address is refused."""
    with pytest.raises(BadValue):
        store.block(None, value)
    with pytest.raises(BadValue):
        store.block(None, "SOMEONE", "two\nlines")

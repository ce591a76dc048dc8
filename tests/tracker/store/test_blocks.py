"""Blocked downloaders and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker.errors import AlreadyExists, BadValue, UnknownEntry
from tracker.store.blocks import Blocks
from tracker.store.store import Store


@pytest.fixture
def blocks(tmp_path: Path) -> Iterator[Blocks]:
    """The blocks of a database with the projects ``p`` and ``q``."""
    store = Store.open(tmp_path / "t")
    store.add("p", [])
    store.add("q", [])
    yield Blocks(store)
    store.close()


def test_names(blocks: Blocks) -> None:
    """A name is blocked in upper and lower case, in one project or in all."""
    blocks.add("p", "Bad-One")
    assert blocks.find("p", "bad-one", "203.0.113.9") == "name"
    assert blocks.find("q", "Bad-One", "203.0.113.9") is None
    assert blocks.find("p", "Bad-One-2", "203.0.113.9") is None
    assert blocks.find("p", None, "203.0.113.9") is None
    blocks.add(None, "Bad-One")
    assert blocks.find("q", "BAD-ONE", "203.0.113.9") == "name"


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
def test_addresses(blocks: Blocks, value: str, inside: str, outside: str) -> None:
    """An address or a whole network is blocked; IPv4 written as IPv6 is the same address."""
    blocks.add(None, value)
    assert blocks.find("p", "SOMEONE", inside) == "address"
    assert blocks.find("p", "SOMEONE", outside) is None
    assert blocks.find("p", "SOMEONE", "no address") is None


def test_listed_and_removed(blocks: Blocks) -> None:
    """The list has project and reason, a removed block has no effect, and no block is added
    twice."""
    blocks.add(None, "192.0.2.7/24", "too many")
    added = blocks.add("q", "Bad-One")
    assert [(b.project, b.kind, b.value, b.reason) for b in blocks.list()] == [
        (None, "address", "192.0.2.0/24", "too many"), ("q", "name", "Bad-One", ""),
    ]  # fmt: skip
    assert added in blocks.list()
    with pytest.raises(AlreadyExists):
        blocks.add("q", "BAD-ONE")
    with pytest.raises(UnknownEntry):
        blocks.remove("p", "Bad-One")
    blocks.remove("q", "bad-one")
    blocks.remove(None, "192.0.2.0/24")
    assert blocks.list() == []
    assert blocks.find("q", "Bad-One", "192.0.2.7") is None


@pytest.mark.parametrize("value", ["", "ab", "a b", "192.0.2", "192.0.2.1/33", "x.example", "::g"])
def test_illegal_values(blocks: Blocks, value: str) -> None:
    """A value that is neither a nickname nor an address is refused."""
    with pytest.raises(BadValue):
        blocks.add(None, value)
    with pytest.raises(BadValue):
        blocks.add(None, "SOMEONE", "two\nlines")

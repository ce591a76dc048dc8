"""Keys for commands over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracker.errors import AlreadyExists, BadValue, UnknownEntry
from tracker.store.keys import Keys
from tracker.store.store import Store


def test_made_known_and_revoked(tmp_path: Path) -> None:
    """A key is valid until it is revoked, and is not in the files of the database."""
    store = Store.open(tmp_path / "t")
    keys = Keys(store)
    one, two = keys.make("one"), keys.make("two@site.example")
    assert len(one) >= 43 and one != two
    assert (keys.owner(one), keys.owner(two)) == ("one", "two@site.example")
    assert [keys.owner(wrong) for wrong in ("", one[:-1], one.lower(), "é\ud800")] == [None] * 4
    assert [key.name for key in keys.list()] == ["one", "two@site.example"]
    keys.revoke("one")
    assert (keys.owner(one), keys.owner(two)) == (None, "two@site.example")
    store.close()
    for file in tmp_path.iterdir():
        assert one.encode() not in file.read_bytes() and two.encode() not in file.read_bytes()


def test_names(tmp_path: Path) -> None:
    """A name is used once; illegal names and unknown keys are refused."""
    store = Store.open(tmp_path / "t")
    keys = Keys(store)
    keys.make("one")
    with pytest.raises(AlreadyExists):
        keys.make("one")
    for name in ("", "a b", "x" * 65, "a\n"):
        with pytest.raises(BadValue):
            keys.make(name)
    with pytest.raises(UnknownEntry):
        keys.revoke("two")
    store.close()

"""Keys for commands over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracker.errors import AlreadyExists, BadValue, UnknownEntry
from tracker.store.store import Store


def test_made_known_and_revoked(tmp_path: Path) -> None:
    """A key is valid until it is revoked, and is not in the files of the database."""
    store = Store(tmp_path / "t")
    one, two = store.make_key("one"), store.make_key("two@site.example")
    assert len(one) >= 43 and one != two
    assert (store.key_owner(one), store.key_owner(two)) == ("one", "two@site.example")
    assert [store.key_owner(wrong) for wrong in ("", one[:-1], one.lower(), "é\ud800")] == [None] * 4
    assert [key.name for key in store.key_list()] == ["one", "two@site.example"]
    store.revoke_key("one")
    assert (store.key_owner(one), store.key_owner(two)) == (None, "two@site.example")
    store.close()
    for file in tmp_path.iterdir():
        assert one.encode() not in file.read_bytes() and two.encode() not in file.read_bytes()


def test_names(tmp_path: Path) -> None:
    """A name is used once; illegal names and unknown keys are refused."""
    store = Store(tmp_path / "t")
    store.make_key("one")
    with pytest.raises(AlreadyExists):
        store.make_key("one")
    for name in ("", "a b", "x" * 65, "a\n"):
        with pytest.raises(BadValue):
            store.make_key(name)
    with pytest.raises(UnknownEntry):
        store.revoke_key("two")
    store.close()

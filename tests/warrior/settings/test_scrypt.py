"""The records of passwords."""

from __future__ import annotations

import hashlib

import pytest

from warrior.settings.scrypt import hash_password, is_record, matches


@pytest.mark.parametrize("password", ["secret", "", "a:b$c", "pässwörd \U0001f600", "\udcff"])
def test_record_tells_nothing_and_matches(password: str) -> None:
    """Two records of one password differ, and match only this password."""
    first, second = hash_password(password), hash_password(password)
    assert first != second and is_record(first)
    assert not password or password not in first
    assert matches(password, first)
    assert not matches(password + "x", first)


def test_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """n=2^15, r=8, p=3, with the salt as bytes: records stay good."""
    monkeypatch.undo()  # what makes the hashes of other tests quick
    _, salt, digest = hash_password("secret").split("$")
    assert hashlib.scrypt(b"secret", salt=bytes.fromhex(salt), n=2 ** 15, r=8, p=3,
                          maxmem=64 * 1024 * 1024).hex() == digest


@pytest.mark.parametrize("text", [
    "", "secret", "scrypt$", "scrypt$00$00", "scrypt$" + "0" * 32 + "$" + "g" * 128,
    "scrypt$" + "0" * 31 + "$" + "0" * 128, "scrypt$" + "0" * 32 + "$" + "0" * 128 + "\n"])
def test_what_is_no_record(text: str) -> None:
    """Such a text is a password, even if it looks like a record."""
    assert not is_record(text)

"""What holds for all tests of the warrior's modules."""

from __future__ import annotations

import pytest

from warrior.settings import scrypt


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password is hashed in a millisecond, not in a quarter of a second. How it is hashed for
    users is tested in settings/test_scrypt.py, and in tests/e2e."""
    monkeypatch.setattr(scrypt, "_N", 2 ** 4)

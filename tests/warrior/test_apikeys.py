"""What is kept of API keys."""

from __future__ import annotations

from typing import Any

import pytest

from warrior import apikeys


def test_each_key_is_another_and_only_its_digest_is_kept() -> None:
    """What is kept does not hold the key, and comes back from a file as it was."""
    (key, kept), (other, _) = apikeys.new_key(), apikeys.new_key()
    assert key != other
    assert key not in repr(kept)
    assert kept.digest not in repr(kept)
    assert kept.digest == apikeys.digest(key)
    data = apikeys.to_data({"script": kept})
    assert key not in str(data)
    assert apikeys.from_data(data) == {"script": kept}


@pytest.mark.parametrize("value", [
    [], "x", {"a b": {"sha256": "0" * 64}}, {"a": "0" * 64}, {"a": {}}, {"a": {"sha256": "0"}},
    {"a": {"sha256": "0" * 64, "made": 1}}, {"a": {"sha256": "G" * 64}}, {"": {"sha256": "0" * 64}}])
def test_what_are_no_keys(value: Any) -> None:
    """Nothing is guessed: a key of which nobody knows what it meant must not count."""
    with pytest.raises(ValueError, match=r"."):
        apikeys.from_data(value)

"""API keys in the form in which they are kept."""

from __future__ import annotations

from typing import Any

import pytest

from warrior.settings import api_keys


def test_each_key_is_another_and_only_its_digest_is_kept() -> None:
    """The kept form does not contain the key, and survives the file."""
    (key, kept), (other, _) = api_keys.new_key(), api_keys.new_key()
    assert key != other
    assert key not in repr(kept)
    assert kept.digest not in repr(kept)
    assert kept.digest == api_keys.digest(key)
    data = api_keys.to_data({"script": kept})
    assert key not in str(data)
    assert api_keys.from_data(data) == {"script": kept}


@pytest.mark.parametrize("value", [
    [], "x", {"a b": {"sha256": "0" * 64}}, {"a": "0" * 64}, {"a": {}}, {"a": {"sha256": "0"}},
    {"a": {"sha256": "0" * 64, "made": 1}}, {"a": {"sha256": "G" * 64}}, {"": {"sha256": "0" * 64}}])
def test_what_are_no_keys(value: Any) -> None:
    """A malformed entry is an error, not a key."""
    with pytest.raises(ValueError, match=r"."):
        api_keys.from_data(value)

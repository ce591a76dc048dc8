"""Which names are legal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.errors import BadValue
from tracker.names import (
    MAX_NAME_BYTES,
    check_downloader,
    check_item,
    check_project,
    shown,
    split_names,
)

LEGAL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@settings(deadline=None)
@given(st.lists(LEGAL, min_size=1, max_size=5))
def test_any_unicode_is_an_item_name(names: list[str]) -> None:
    """Any text without NUL and surrogates is legal, and joined names can be split again."""
    assert split_names("\0".join(names)) == names


@pytest.mark.parametrize(
    "name", ["http://a.example/b?c=d#e", "../../etc/passwd", "two\nlines", " ", "\x01", "é\u2028"]
)
def test_odd_item_names_are_legal(name: str) -> None:
    """Names are data: paths, addresses, newlines and control characters pass unchanged."""
    assert check_item(name) == name


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x\udfff", 7, None, ["a"]])
def test_illegal_item_names(name: object) -> None:
    """The empty name, NUL inside one name, lone surrogates and other types are refused."""
    with pytest.raises(BadValue):
        check_item(name)


def test_longest_item_name() -> None:
    """The limit counts bytes of UTF-8, and the longest name is still legal."""
    longest = "é" * (MAX_NAME_BYTES // 2)
    assert check_item(longest) == longest
    with pytest.raises(BadValue, match="over 65536 bytes"):
        check_item(longest + "a")


@pytest.mark.parametrize("joined", ["", "a\0", "\0a", "a\0\0b", 3, None, "a\0\ud800"])
def test_joined_names_have_no_empty_one(joined: object) -> None:
    """Joined names with an empty or illegal part are refused."""
    with pytest.raises(BadValue):
        split_names(joined)


@pytest.mark.parametrize("name", ["practice", "a", "A.b-c_9", "x" * 64])
def test_project_names(name: str) -> None:
    """A project's name has letters, digits, dots, hyphens and underscores."""
    assert check_project(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "-a", "a/b", "a b", "é", "x" * 65, "a\n", "practice-site"]
)
def test_illegal_project_names(name: str) -> None:
    """Paths, options and the address of the practice site are not legal names."""
    with pytest.raises(BadValue):
        check_project(name)


@pytest.mark.parametrize("name", ["ab", "x" * 31, "a b c", "abc\n", "", None, 123, "é" * 5])
def test_illegal_downloaders(name: object) -> None:
    """A downloader is a nickname that the pipeline programs accept."""
    with pytest.raises(BadValue):
        check_downloader(name)


@settings(deadline=None)
@given(st.text(st.characters()))
def test_shown_is_one_short_line(name: str) -> None:
    """In a message any name is one short line that can be encoded."""
    text = shown(name)
    assert text.isprintable() and len(text.encode("utf-8")) < 1300

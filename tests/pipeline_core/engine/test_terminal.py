"""Text of strangers, where a terminal shows it."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from pipeline_core.engine.terminal import shown, shown_name, shown_output


def test_every_character_that_commands() -> None:
    """Control characters of both kinds and what turns the direction around are escaped; all else
    stays."""
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        commands = (unicodedata.category(character) == "Cc" and character not in "\n\t") or (
            unicodedata.bidirectional(character) in {
                "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
        assert (shown(character) != character) == commands, hex(number)


@pytest.mark.parametrize(("text", "as_shown"), [
    ("a\x1b]0;x\x07\x9b2J\r\x7f\x00\u202eb\n\tc", "a\\x1b]0;x\\x07\\x9b2J\\x0d\\x7f\\x00\\u202eb\n\tc"),
    ("b\u00e4r \u4f60 \U0001f600", "b\u00e4r \u4f60 \U0001f600")])
def test_what_is_written_instead(text: str, as_shown: str) -> None:
    """Escapes as a programmer writes them, or one sign for all."""
    assert shown(text) == as_shown
    assert shown("a\x1bb", "?") == "a?b"


@pytest.mark.parametrize(("name", "as_shown"), [
    ("one\0two\0three", "one, two, three"), ("a\nb\tc", "a\\nb\\tc"), ("\x1b[2J", "\\x1b[2J"),
    ("https://example.org/?a=b", "https://example.org/?a=b"), ("", "")])
def test_names(name: str, as_shown: str) -> None:
    """On one line, and several names apart."""
    assert shown_name(name) == as_shown


@pytest.mark.parametrize(("text", "name", "as_shown"), [
    ("Starting Get for Item a\nb\n", "a\nb", "Starting Get for Item a\\nb\n"),
    ("Starting Get for Item \x1b[2J\n\x1b[31mred\r", "\x1b[2J", "Starting Get for Item \\x1b[2J\n\x1b[31mred\r"),
    ("by the project: a\0b\n", "a\0b", "by the project: a, b\n"),
    ("two\nlines, Item \n\n", "\n", "two\nlines, Item \\n\n"),
    ("\x1b[31mred\x1b[0m\r", "name", "\x1b[31mred\x1b[0m\r"), ("\x1b[31m", "", "\x1b[31m")])
def test_output(text: str, name: str, as_shown: str) -> None:
    """The name only shows; what programs print stays as it is."""
    assert shown_output(text, name) == as_shown

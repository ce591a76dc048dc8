"""Names, numbers and times as people read and write them."""

from __future__ import annotations

import pytest

from tracker.errors import BadValue
from tracker.text import (
    date_and_time,
    duration,
    number,
    plural,
    read_age,
    read_number,
    read_size,
    read_time,
    size,
    stamp,
    visible,
)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("http://a.example/b?c=1&d", "http://a.example/b?c=1&d"),
        ("a\0b", r"a\x00b"),
        ("\x1b[31mred\x07\x7f\x9b", r"\x1b[31mred\x07\x7f\x9b"),
        ("two\nlines\r\n", r"two\nlines\r\n"),
        ("rtl\u202egpj.exe", r"rtl\u202egpj.exe"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("line\u2028", r"line\u2028"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
        ("日本語 ä e\u0301 😀", "日本語 ä e\u0301 😀"),
        ("<b>&amp;", "<b>&amp;"),
    ],
)
def test_invisible_characters_are_escaped(name: str, shown: str) -> None:
    """Invisible characters are escaped; HTML is left to the templates."""
    assert visible(name) == shown


def test_long_names_are_cut() -> None:
    """A cut name ends with an ellipsis; a name of exactly the limit is complete."""
    assert visible("x" * 300) == "x" * 300
    assert visible("x" * 65536) == "x" * 300 + "…"
    assert visible("\0" * 10, 3) == r"\x00\x00\x00…"


def test_numbers() -> None:
    """Numbers have separators and the right noun."""
    assert number(1234567) == "1,234,567"
    assert plural(1, "item") == "1 item"
    assert plural(2000, "item") == "2,000 items"
    assert plural(2, "item waits", "items wait") == "2 items wait"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"), (-5, "0 B"), (999, "999 B"), (1023, "1,023 B"), (1024, "1.0 KiB"),
        (10_000, "9.8 KiB"), (10_240, "10 KiB"), (1024**2 - 1, "1.0 MiB"),
        (5 * 1024**4, "5.0 TiB"), (5000 * 1024**5, "5,000 PiB"),
    ],
)  # fmt: skip
def test_sizes(value: int, shown: str) -> None:
    """Sizes have steps of 1024 and two or three digits."""
    assert size(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "about 1 minute"), (150, "about 2 minutes"), (3600, "about 60 minutes"),
        (7200, "about 2 hours"), (86400 * 3, "about 3 days"), (86400 * 800, "about 2 years"),
    ],
)  # fmt: skip
def test_spans_of_time(seconds: float, shown: str) -> None:
    """A duration has the largest unit that fits."""
    assert duration(seconds) == shown


def test_moments() -> None:
    """Times are in UTC, and say so."""
    assert date_and_time(0) == "1970-01-01 00:00 UTC"
    assert stamp(1.9) == "1970-01-01T00:00:01Z"


def test_there_and_back() -> None:
    """A time is read as it is written, in UTC whatever the machine's time zone."""
    assert stamp(1790000000.9) == "2026-09-21T14:13:20Z"
    assert read_time("2026-09-21T14:13:20Z") == 1790000000
    assert read_time("2026-09-21T14:13:20") == 1790000000
    assert read_time("2026-09-21T16:13:20+02:00") == 1790000000
    assert read_time("2026-09-21") == 1790000000 // 86400 * 86400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1.5h", 5400), ("2d", 172800), ("1w", 604800), ("0s", 0)],
)
def test_ages(text: str, seconds: float) -> None:
    """An age is a number with a unit."""
    assert read_age(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "1 h", "1y", "999999999s", "٣h", "1h\n"])
def test_illegal_ages(text: str) -> None:
    """The error shows how to write an age."""
    with pytest.raises(BadValue, match="15m"):
        read_age(text)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "1790000000", "2026-09-21Q"])
def test_illegal_times(text: str) -> None:
    """The error shows how to write a time."""
    with pytest.raises(BadValue, match="2026-01-02"):
        read_time(text)


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("500M", 500 << 20), ("20g", 20 << 30), ("1T", 1 << 40)]
)
def test_sizes_are_read(text: str, number: int) -> None:
    """A size is a number of bytes, or a number with a unit."""
    assert read_size(text) == number


@pytest.mark.parametrize("text", ["", "0", "0K", "5X", "M", "-1", "1.5G", "٣", "9" * 5000, "1K\n"])
def test_illegal_sizes(text: str) -> None:
    """The error shows how to write a size."""
    with pytest.raises(BadValue, match="500M"):
        read_size(text)


@pytest.mark.parametrize("text", ["", "0", "10", "-1", "1.0", "٣", "9" * 5000, " 1"])
def test_illegal_numbers(text: str) -> None:
    """The error says which numbers are legal."""
    assert read_number("9", 1, 9) == 9
    with pytest.raises(BadValue, match="limit must be a number from 1 to 9"):
        read_number(text, 1, 9, "limit")

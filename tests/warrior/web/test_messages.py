"""Encoding: names, moments, deadlines."""

from __future__ import annotations

import datetime
import json

import pytest

from warrior.web.messages import Since, Until, deadline_text, display_name, encode, frame, until

UTC = datetime.timezone.utc


@pytest.mark.parametrize("name,shown", [
    ("a", "a"), ("", ""), ("a\0b", "a +1 more"), ("a\0b\0c\0", "a +2 more"),
    ("https://x/?<b>\n", "https://x/?<b>\n"), ("\0", ""), ("x" * 600, "x" * 500 + "…")])
def test_display_name(name: str, shown: str) -> None:
    """Of many names the first, and how many more; the page escapes markup."""
    assert display_name(name) == shown


def test_moments_become_seconds_when_they_are_sent() -> None:
    """Until never goes below 0; Since counts up. Before encoding, equal moments are equal."""
    message = {"next_in": Until(110.04), "late": Until(90.0), "age": Since(95.5), "none": until(None)}
    assert json.loads(encode(message, 100.0)) == {
        "next_in": 10.0, "late": 0.0, "age": 4.5, "none": None}
    assert message == {**message, "next_in": Until(110.04)}
    assert json.loads(json.loads(frame(message, 100.0)))["age"] == 4.5


def test_nothing_else_is_sent_by_mistake() -> None:
    """An unknown type is an error."""
    with pytest.raises(TypeError):
        encode({"a": object()}, 0.0)


@pytest.mark.parametrize("deadline,text", [
    (datetime.datetime(2030, 1, 2, 3, 4, 5, 600), "2030-01-02T03:04:05Z"),
    (datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), "2030-01-02T03:04:05Z"),
    (datetime.datetime(2030, 1, 2, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
     "2030-01-02T01:00:00Z"),
    (datetime.datetime.max.replace(tzinfo=datetime.timezone(-datetime.timedelta(hours=2))), None),
    (datetime.datetime.min, "0001-01-01T00:00:00Z"), (None, None), ("soon", None)])
def test_deadlines(deadline: object, text: str | None) -> None:
    """In UTC, also without a time zone; None for other values."""
    assert deadline_text(deadline) == text

"""Times and ages as people write them."""

from __future__ import annotations

import pytest

from tracker.errors import BadValue
from tracker.stamps import age, moment, stamp


def test_there_and_back() -> None:
    """A moment is read as it is written, in UTC whatever the machine's zone."""
    assert stamp(1790000000.9) == "2026-09-21T14:13:20Z"
    assert moment("2026-09-21T14:13:20Z") == 1790000000
    assert moment("2026-09-21T14:13:20") == 1790000000
    assert moment("2026-09-21T16:13:20+02:00") == 1790000000
    assert moment("2026-09-21") == 1790000000 // 86400 * 86400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1.5h", 5400), ("2d", 172800), ("1w", 604800), ("0s", 0)],
)
def test_ages(text: str, seconds: float) -> None:
    """A number with a unit."""
    assert age(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "1 h", "1y", "999999999s", "٣h", "1h\n"])
def test_what_is_no_age(text: str) -> None:
    """All else is refused with examples of what to give."""
    with pytest.raises(BadValue, match="15m"):
        age(text)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "1790000000", "2026-09-21Q"])
def test_what_is_no_moment(text: str) -> None:
    """All else is refused with examples of what to give."""
    with pytest.raises(BadValue, match="2026-01-02"):
        moment(text)

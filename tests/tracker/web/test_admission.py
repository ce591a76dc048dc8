"""Clients that are blocked, outdated, too fast, or admitted."""

from __future__ import annotations

import pytest

from tracker.errors import NotAdmitted
from tracker.web.admission import Rates, at_least


@pytest.mark.parametrize(
    ("version", "minimum", "enough"),
    [
        ("20260101.01", "20260101.01", True),
        ("20260101.10", "20260101.9", True),
        ("20260101.9", "20260101.10", False),
        ("20260102", "20260101.99", True),
        ("1.2", "1.2.0", False),
        ("2", "1.9.9", True),
        ("1.2b", "1.2a", True),
        ("", "1", False),
        (None, "1", False),
        (20270101, "20260101", False),
        ("9" * 5000, "1", True),
        ("٣", "1", False),
    ],
)
def test_versions(version: object, minimum: str, enough: bool) -> None:
    """Digits in versions compare as numbers; a version that is not text is older than any other."""
    assert at_least(version, minimum) is enough


def test_a_minute_has_room_for_so_many() -> None:
    """In any sixty seconds at most the limit of requests get items; the wait is until the oldest of
    them is a minute old."""
    now = [1000.0]
    rates = Rates(lambda: now[0])
    for at in (1000.0, 1010.0, 1050.0):
        now[0] = at
        rates.check("p", 3)
        rates.count("p", 3)
    with pytest.raises(NotAdmitted) as refused:
        rates.check("p", 3)
    assert (refused.value.status, refused.value.retry_after) == (429, 10)
    rates.check("q", 1)  # another project has a minute of its own
    now[0] = 1060.0
    rates.check("p", 3)
    rates.count("p", 3)
    with pytest.raises(NotAdmitted) as refused:
        rates.check("p", 3)
    assert refused.value.retry_after == 10


def test_a_limit_that_changes() -> None:
    """A lower limit applies at once, with a longer wait; without a limit all are admitted."""
    now = [0.0]
    rates = Rates(lambda: now[0])
    for at in range(10):
        now[0] = float(at)
        rates.count("p", 100)
    with pytest.raises(NotAdmitted) as refused:
        rates.check("p", 2)
    assert refused.value.retry_after == 8 + 60 - 9
    rates.check("p", None)
    rates.check("p", 11)


def test_a_raised_limit_still_limits() -> None:
    """After 5 requests in a minute, a limit of 10 admits 5 more."""
    now = [0.0]
    rates = Rates(lambda: now[0])

    def admitted(limit: int, requests: int) -> int:
        """How many of *requests* requests get items."""
        found = 0
        for _ in range(requests):
            now[0] += 0.001
            try:
                rates.check("p", limit)
            except NotAdmitted:
                continue
            rates.count("p", limit)
            found += 1
        return found

    assert admitted(5, 1000) == 5
    assert admitted(10, 1000) == 5
    now[0] = 61.5
    assert admitted(10, 1000) == 10

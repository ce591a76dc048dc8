"""Configured upload targets."""

from __future__ import annotations

import pytest

from tracker.errors import BadValue
from tracker.targets import UploadTargets


def test_round_robin_and_own_targets() -> None:
    """A project's own targets win over those for all, and each project goes round its own."""
    targets = UploadTargets(
        ["rsync://a.example/m/", "http://b.example/", "p=https://c.example/x=y/"]
    )
    assert [targets.next("q") for _ in range(3)] == [
        "rsync://a.example/m/",
        "http://b.example/",
        "rsync://a.example/m/",
    ]
    assert [targets.next("p") for _ in range(2)] == ["https://c.example/x=y/"] * 2
    assert UploadTargets().next("p") is None


@pytest.mark.parametrize(
    "option",
    [
        "", "ftp://a.example/", "rsync://a.example/m", "/srv/uploads/", "http:///x/", "p=",
        "p q=http://a.example/", "http://a.example/ b/", "rsync://-e.example/", "http://[::1/",
        "http://a.example/\n/",
    ],
)  # fmt: skip
def test_bad_targets(option: str) -> None:
    """A target that clients could not use is refused with a sentence."""
    with pytest.raises(BadValue):
        UploadTargets([option])

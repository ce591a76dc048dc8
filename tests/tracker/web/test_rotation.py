"""Upload targets: which are legal, and whose turn it is."""

from __future__ import annotations

from collections import Counter

import pytest

from tracker.errors import BadValue, NotAdmitted
from tracker.store.targets import Target
from tracker.web.rotation import Rotation


def test_round_robin_and_own_targets() -> None:
    """A project uses its own targets instead of those for all, each in turn."""
    targets = Rotation(
        ["rsync://a.example/m/", "http://b.example/", "p=https://c.example/x=y/"]
    )
    everyones, own = targets.of("q"), targets.of("p")
    assert [targets.next("q", everyones) for _ in range(3)] == [
        "rsync://a.example/m/",
        "http://b.example/",
        "rsync://a.example/m/",
    ]
    assert [targets.next("p", own) for _ in range(2)] == ["https://c.example/x=y/"] * 2
    assert Rotation().next("p", Rotation().of("p")) is None


def test_stored_targets_and_those_of_the_command_line() -> None:
    """Both kinds are used; a project's own targets of either kind are used alone."""
    targets = Rotation(["http://all.example/", "q=http://q.example/"])
    stored, own = Target("http://stored.example/"), Target("http://own.example/", project="p")
    assert [t.url for t in targets.of("p", [stored])] == [stored.url, "http://all.example/"]
    assert [t.url for t in targets.of("p", [stored, own])] == [own.url]
    assert [t.url for t in targets.of("q", [stored])] == ["http://q.example/"]


def test_weights() -> None:
    """Targets get uploads by weight, spread evenly; an inactive one gets none."""
    heavy, light = Target("http://a.example/", 3), Target("http://b.example/", 1)
    off = Target("http://c.example/", 100, active=False)
    targets = Rotation()
    given = [targets.next("p", [heavy, light, off]) for _ in range(40)]
    assert Counter(given) == {heavy.url: 30, light.url: 10}
    assert all(light.url in given[n : n + 4] for n in range(0, 40, 4))


def test_targets_that_change() -> None:
    """A target that is added or removed between turns is used or left out at once."""
    one, two = Target("http://a.example/"), Target("http://b.example/")
    targets = Rotation()
    assert {targets.next("p", [one]) for _ in range(5)} == {one.url}
    given = Counter(targets.next("p", [one, two]) for _ in range(10))
    assert given == {one.url: 5, two.url: 5}
    assert {targets.next("p", [two]) for _ in range(3)} == {two.url}


def test_all_inactive() -> None:
    """Clients have to try again later, so that they do not upload to the wrong place."""
    with pytest.raises(NotAdmitted) as refused:
        Rotation().next("p", [Target("http://a.example/", active=False)])
    assert refused.value.status == 503 and refused.value.retry_after


@pytest.mark.parametrize(
    "option",
    [
        "", "ftp://a.example/", "rsync://a.example/m", "/srv/uploads/", "http:///x/", "p=",
        "p q=http://a.example/", "http://a.example/ b/", "rsync://-e.example/", "http://[::1/",
        "http://a.example/\n/",
    ],
)  # fmt: skip
def test_bad_targets(option: str) -> None:
    """A target that clients could not use is refused."""
    with pytest.raises(BadValue):
        Rotation([option])

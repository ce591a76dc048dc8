"""Warrior HQ is down, busy or out of its mind: it is asked seldom, whatever people click."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.manners.answers import FAILURES, Kind, named
from tests.e2e.manners.bounds import assert_apart, assert_few, assert_nothing_else
from tests.e2e.manners.giving import moments
from tests.support.scripted_hq import REGISTER, UPDATE, ScriptedHQ
from tests.support.scripted_tracker import NOTHING
from tests.support.world import Warrior, World


def _all(world: World, kinds: Sequence[Kind]) -> list[tuple[Kind, ScriptedHQ, Warrior]]:
    """A warrior for each kind, which waits for Archive Team's choice."""
    found = []
    for kind in kinds:
        hq = world.hq()
        kind.install(hq, world.clock, REGISTER, UPDATE)
        found.append((kind, hq, world.warrior([], hq=hq.url, selected="auto")))
    return found


def _check(
    kind: Kind, hq: ScriptedHQ, warrior: Warrior, least_gap: float | None = None
) -> None:
    asked = warrior.connections(hq.port)
    assert_nothing_else(warrior, [hq.port])
    assert_few(asked, kind)
    assert_apart(asked, least_gap or kind.least_gap, kind)
    told = [one for one in list(warrior.told) if one.at >= asked[1]]
    assert told and all(re.match("Warrior HQ (cannot be reached|has not given a useful answer)", one.text)
                        and one.whose == "Warrior HQ" for one in told), (kind, told)
    assert any(one.next_in is not None for one in told), (kind, told)
    assert hq.violations == []


def test_the_first_minutes(tmp_path: Path) -> None:
    """Whatever is wrong with it, it is asked at most 12 times in 15 seconds and never twice in
    a second; the page says whose turn it is."""
    with World(tmp_path, 40) as world:
        found = _all(world, named("refused", "503, seconds", "null", "silent"))
        for _, hq, warrior in found:
            warrior.until(lambda hq=hq, warrior=warrior: len(
                warrior.connections(hq.port)) > 1, "a second try")
        world.clock.until(world.clock.now() + 10)
        for one in found:
            _check(*one)


@pytest.mark.long
def test_an_hour(tmp_path: Path) -> None:
    """At most 200 requests in an hour."""
    with World(tmp_path, 150) as world:
        found = _all(world, FAILURES)
        for _, hq, warrior in found:
            world.after(3600, warrior.connections, hq.port)
        for one in found:
            # An answer that takes half a second of the machine's comes too late on this clock.
            _check(*one, 1.0)


def test_clicks_do_not_count(tmp_path: Path) -> None:
    """A person changes the choice of projects twenty times while HQ refuses all updates: none
    follows another within a second, and one registration is all that is tried."""
    with World(tmp_path, 10) as world:
        tracker = world.tracker()
        hq = world.hq()
        hq.always(UPDATE, NOTHING)
        project = world.project("one", tracker)
        warrior = world.warrior([project], hq=hq.url)
        warrior.until(lambda: hq.requests(UPDATE), "the first update")
        for number in range(20):
            warrior.post("/api/projects/select", {"projects": ["one", "auto"][:1 + number % 2]})
        seen = len(hq.requests(UPDATE))
        warrior.until(lambda: len(hq.requests(UPDATE)) > seen, "another")
        asked = moments(world.clock, hq.requests(UPDATE))
        assert_few(asked, "updates")
        # The server may notice a request late, by some hundredths of a real second.
        assert_apart(asked, 0.5, "updates")
        assert len(hq.requests(REGISTER)) <= 2
        assert_few(warrior.connections(hq.port), "HQ")

"""A tracker that gives no items, for whatever reason, is asked seldom, by all slots as by one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.manners.answers import NO_ITEMS, Kind, named
from tests.e2e.manners.bounds import (
    assert_apart,
    assert_ended_with_nothing,
    assert_few,
    assert_nothing_else,
    assert_nothing_was_work,
    assert_told,
)
from tests.support.scripted_tracker import ScriptedTracker
from tests.support.world import Command, Moments, World


class Setting:
    """One command at work on projects of one tracker host, which answers in this way."""

    def __init__(self, world: World, kind: Kind, command: str, slots: int, projects: int) -> None:
        self.kind = kind
        self.what = f"{kind}, {command}, {slots} slots, {projects} projects"
        self.tracker = world.tracker()
        kind.install(self.tracker, world.clock, "request")
        made = [world.project(f"p{number}-{len(world.commands)}", self.tracker)
                for number in range(projects)]
        self.names = [one.name for one in made]
        self.command: Command = (world.warrior(made, slots) if command == "run-warrior"
                                 else world.pipeline(made[0], slots))
        self.world = world

    def check(self) -> None:
        """The whole conversation so far, and what the page said."""
        self.check_numbers(self.kind.least_gap)
        # Behind the second try the first failure is certainly known.
        assert_told(self.command, self.kind, self.command.connections(self.tracker.port)[1])

    def check_numbers(self, least_gap: float) -> None:
        """Whom it has asked, and how often; and that nothing of it counts as work."""
        asked = self.command.connections(self.tracker.port)
        # A host that does not answer is probed by one request for all that is on it.
        as_one = len(self.names) == 1 or self.kind.says.startswith("cannot be reached")
        assert_nothing_else(self.command, [self.tracker.port])
        if as_one:
            assert_few(asked, self.what)
            assert_apart(asked, least_gap, self.what)
        for name in self.names if self.kind.answers else []:
            arrived = Moments(self.world.clock.at(request.time)
                              for request in self.tracker.requests()
                              if request.path == f"/{name}/request")
            # A host that does not answer is not asked for each.
            if arrived or not as_one:
                assert_few(arrived, f"{self.what}: {name}")
        assert_only_requests(self.tracker)
        assert len(asked) > 1, f"{self.what}: it was given up: {asked}"
        assert_nothing_was_work(self.command)


def assert_only_requests(tracker: ScriptedTracker) -> None:
    """There was nothing to upload, report or give back."""
    assert set(Counter(request.command for request in tracker.requests())) <= {"request"}


def _try(world: World, settings: list[Setting], seconds: float = 30.0) -> None:
    """Check them all after so many seconds, and after the second try of each."""
    for one in settings:
        one.command.until(lambda one=one: len(one.command.connections(one.tracker.port)) > 1,
                          f"a second try: {one.what}")
    world.clock.until(world.clock.now() + seconds)
    for one in settings:
        one.check()


@pytest.mark.parametrize("names", [
    ("empty", "refused", "429, seconds", "html"), ("no item name", "reset", "500", "silent")],
    ids=" ".join)
def test_the_first_minutes(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Four slots ask an endpoint that gives nothing at most 12 times in 15 seconds, and as one;
    the page says why, and nothing of it is work."""
    with World(tmp_path, 40) as world:
        settings = [Setting(world, kind, command, 4, 1) for kind in named(*names)
                    for command in ("run-pipeline", "run-warrior")]
        _try(world, settings)
    for one in settings:
        assert_ended_with_nothing(one.command)


def test_twenty_slots_and_three_projects(tmp_path: Path) -> None:
    """Neither makes a difference to the one who is asked."""
    with World(tmp_path, 40) as world:
        settings = [Setting(world, kind, command, slots, projects)
                    for kind in named("empty", "reset") for command, slots, projects in (
                        ("run-pipeline", 20, 1), ("run-warrior", 20, 1), ("run-warrior", 4, 3))]
        _try(world, settings)
    for one in settings:
        assert_ended_with_nothing(one.command)


@pytest.mark.long
@pytest.mark.parametrize("kinds", [NO_ITEMS[place::4] for place in range(4)],
                         ids=lambda kinds: "; ".join(map(str, kinds)))
def test_an_hour(tmp_path: Path, kinds: list[Kind]) -> None:
    """Within an hour at most 200 requests reach an endpoint that gives nothing, whatever it
    answers."""
    _hour(tmp_path, kinds, [("run-pipeline", 20, 1), ("run-warrior", 4, 3)])


@pytest.mark.long
def test_an_hour_with_any_number(tmp_path: Path) -> None:
    """The same with one slot and twenty, one project and three, in both commands."""
    _hour(tmp_path, named("empty", "reset"), [
        ("run-pipeline", 1, 1), ("run-warrior", 1, 1), ("run-warrior", 20, 1),
        ("run-warrior", 20, 3)])


def _hour(tmp_path: Path, kinds: list[Kind], cases: list[tuple[str, int, int]]) -> None:
    with World(tmp_path, 150) as world:
        settings = [Setting(world, kind, *case) for kind in kinds for case in cases]
        for one in settings:
            world.after(3600, one.command.connections, one.tracker.port)
        for one in settings:
            # An answer that takes half a second of the machine's comes too late on this clock,
            # and what it asks for is not heard.
            one.check_numbers(1.0)
    for one in settings:
        assert_ended_with_nothing(one.command)

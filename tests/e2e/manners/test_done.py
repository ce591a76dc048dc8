"""Finished items that the tracker does not take: it hears of one at a time, and seldom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.manners.answers import FAILURES, Kind, named
from tests.e2e.manners.bounds import assert_apart, assert_few, settled
from tests.e2e.manners.giving import Stock
from tests.support.scripted_tracker import OK, ScriptedTracker
from tests.support.world import Command, World


class Unreported:
    """A command whose items are uploaded and cannot be reported, for this reason."""

    def __init__(self, world: World, kind: Kind, items: int, command: str) -> None:
        self.kind = kind
        self.clock = world.clock
        self.what = f"{kind}, {items} items, {command}"
        self.items = items
        tracker, target = world.tracker(), world.target()
        #: A host of its own, so that what it is asked can be told from all else.
        self.tracker: ScriptedTracker = world.tracker()
        kind.install(self.tracker, world.clock, "done")
        self.stock = Stock(tracker, world.clock, f"{target.url}/")
        self.stock.add(items)
        project = world.project(f"p{len(world.commands)}", tracker, done=self.tracker)
        self.command: Command = (world.warrior([project], 4) if command == "run-warrior"
                                 else world.pipeline(project, 4))

    def tried_again(self) -> bool:
        """Whether it has been tried since the first failure was known."""
        return bool(settled(self.clock, self.command.connections(self.tracker.port)))

    def check(self, least_gap: float | None = None) -> None:
        """It is tried seldom; the page says why, and nothing has ended."""
        asked = self.command.connections(self.tracker.port)
        assert_few(asked, self.what)
        assert_apart(settled(self.clock, asked), least_gap or self.kind.least_gap, self.what)
        # Those that wait for an item have a reason of their own, and one of both is shown.
        assert any(one.whose in self.kind.whose and one.next_in is not None
                   for one in self.command.told), self.command.told[-3:]
        assert not any(any(one.counts.values()) for one in self.command.told)
        assert self.stock.done() == 0 and len(self.stock.given) == self.items


def test_the_first_minutes(tmp_path: Path) -> None:
    """One item or six: as one, with what Retry-After asks for. When the tracker takes them all
    are reported once."""
    with World(tmp_path, 40) as world:
        found = [Unreported(world, kind, items, command)
                 for kind, items in zip(named("html", "503, seconds"), (6, 1))
                 for command in ("run-warrior", "run-pipeline")]
        for one in found:
            one.command.until(one.tried_again, f"another try: {one.what}")
        for one in found:
            one.check()
            one.tracker.always("done", OK)
        for one in found:
            one.command.until(lambda one=one: one.command.told[-1].counts["completed"] == one.items,
                              "all reported")
            assert one.command.told[-1].counts["failed"] == 0


@pytest.mark.long
def test_an_hour(tmp_path: Path) -> None:
    """At most 200 reports an hour reach a tracker that takes none."""
    with World(tmp_path, 120) as world:
        found = [Unreported(world, kind, 6, "run-warrior" if number % 2 else "run-pipeline")
                 for number, kind in enumerate(FAILURES)]
        for one in found:
            world.after(3600, one.command.connections, one.tracker.port)
        for one in found:
            # An answer that takes half a second of the machine's comes too late on this clock.
            one.check(1.0)

"""A tracker that has nothing, or does not answer, and then has work again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.manners.bounds import (
    assert_apart,
    assert_few,
    assert_not_working,
    assert_nothing_else,
)
from tests.e2e.manners.giving import Stock
from tests.support.scripted_tracker import Answer
from tests.support.world import Command, World


def test_all_slots_fill_when_there_are_items_again(tmp_path: Path) -> None:
    """Twenty slots ask a dry tracker as one. Then it has forty items: whoever gets one lets the
    next ask at once, so that all twenty work before any of them would have come back by itself;
    and nobody asks beyond the twenty."""
    with World(tmp_path, 20) as world:
        found = [_Twenty(world, kind) for kind in ("run-warrior", "run-pipeline")]
        for one in found:
            world.after(20, one.command.connections, one.tracker.port)
        for one in found:
            dry = one.command.connections(one.tracker.port)
            assert_few(dry, "dry")
            assert_apart(dry, 1.0, "dry")
            one.stock.add(40)
        for one in found:
            one.check_all_work()
            one.check_all_are_done()


class _Twenty:
    """A command with twenty slots at a tracker without items."""

    def __init__(self, world: World, kind: str) -> None:
        self.tracker, target = world.tracker(), world.target()
        self.stock = Stock(self.tracker, world.clock, f"{target.url}/")
        self.project = world.project(kind, self.tracker)
        self.project.hold()
        self.command: Command = (world.warrior([self.project], 20) if kind == "run-warrior"
                                 else world.pipeline(self.project, 20))

    def check_all_work(self) -> None:
        command, stock = self.command, self.stock
        command.until(lambda: len(stock.given) >= 20, "all slots at work")
        filled = stock.given_at
        # Less than the first delay of any tracker request, jitter left out.
        assert filled[19] - filled[0] < 60, filled
        command.until(lambda: command.told[-1].text == "Working on 20 items.", "the page says so")
        assert len(stock.given) == 20

    def check_all_are_done(self) -> None:
        self.project.go_on()
        self.command.until(lambda: self.stock.done() == 40, "all forty reported")
        assert_nothing_else(self.command, [self.tracker.port])


@pytest.mark.parametrize("failure", ["down", pytest.param("503", marks=pytest.mark.long)])
def test_flapping(tmp_path: Path, failure: str) -> None:
    """It works, fails, works and fails again: each time it fails it is asked as seldom as the
    first time, and each time it works items flow."""
    with World(tmp_path, 40) as world:
        tracker, target = world.tracker(), world.target()
        stock = Stock(tracker, world.clock, f"{target.url}/")
        stock.otherwise = Answer(503)
        command = world.warrior([world.project("one", tracker)], 4)
        for number in (12, 24):
            stock.add(12)
            command.until(lambda number=number: stock.done() == number, "they are reported")
            if failure == "down":
                tracker.down()
            failing = world.clock.now()
            # Of those that asked side by side each may notice by itself that it fails.
            settled = failing + 10
            command.until(lambda settled=settled: command.connections(
                tracker.port).between(settled), "a try")
            world.clock.until(world.clock.now() + 5)
            asked = command.connections(tracker.port).between(failing)
            assert_few(asked, failure)
            assert_apart(asked.between(settled), 1.0, failure)
            assert_not_working(command, settled)
            if failure == "down":
                tracker.up()
        assert command.told[-1].counts["completed"] == 24
        assert command.told[-1].counts["failed"] == command.told[-1].counts["canceled"] == 0


def test_done_and_request_of_a_host_that_is_gone_are_one_probe(tmp_path: Path) -> None:
    """Four items are to be uploaded and reported, and others asked for, by two projects, at a
    host that no longer answers: one request at a time asks whether it is there."""
    with World(tmp_path, 60) as world:
        tracker, target = world.tracker(), world.target()
        stock = Stock(tracker, world.clock, f"{target.url}/")
        stock.add(4)
        projects = [world.project(name, tracker) for name in ("one", "two")]
        for project in projects:
            project.hold()
        command = world.warrior(projects, 4)
        command.until(lambda: len(stock.given) == 4, "four items")
        tracker.down()
        gone = world.clock.now()
        for project in projects:
            project.go_on()
        command.until(lambda: len(command.connections(tracker.port).between(gone)) > 3, "tries")
        asked = command.connections(tracker.port).between(gone)
        assert_few(asked, "a host that is gone")
        # Each endpoint may notice by itself that it fails, when they are asked side by side.
        assert_apart(asked.between(asked[0] + 5), 1.0, "a host that is gone")
        command.until(lambda: any("cannot be reached" in one.text
                                  for one in command.sentences(gone)), "the reason")
        tracker.up()
        command.until(lambda: stock.done() == 4, "all four reported")


def test_one_project_has_work_while_the_other_has_none(tmp_path: Path) -> None:
    """The dry one is asked as seldom as if it were alone, and the other gets all slots."""
    with World(tmp_path, 40) as world:
        dry, tracker, target = world.tracker(), world.tracker(), world.target()
        stock = Stock(tracker, world.clock, f"{target.url}/")
        projects = [world.project("dry", dry), world.project("busy", tracker)]
        projects[1].hold()
        stock.add(8)
        command = world.warrior(projects, 4)
        command.until(lambda: len(stock.given) == 4, "four items")
        command.until(lambda: len(command.connections(dry.port)) > 1, "a second try")
        projects[1].go_on()
        command.until(lambda: stock.done() == 8, "all reported")
        assert_few(command.connections(dry.port), "dry")
        assert_apart(command.connections(dry.port), 1.0, "dry")
        counts = command.told[-1].counts
        assert counts["canceled"] == counts["failed"] == 0, counts

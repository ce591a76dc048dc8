"""What a person, or the project, changes meanwhile: nothing of it makes anybody be asked more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.manners.bounds import (
    assert_apart,
    assert_few,
    assert_not_working,
    assert_nothing_was_work,
)
from tests.e2e.manners.giving import Stock
from tests.support.git_remote import Repository
from tests.support.scripted_tracker import Answer, Request, item_answer
from tests.support.world import Command, Moments, World


def test_settings_change_at_a_dry_tracker(tmp_path: Path) -> None:
    """Concurrent items go from 4 to 20 and to 1, and the nickname changes, ten times over: the
    tracker, which has no items, hears as little of it as of four slots that wait."""
    with World(tmp_path, 20) as world:
        tracker = world.tracker()
        command = world.warrior([world.project("one", tracker)], 4)
        first = world.after(3, command.connections, tracker.port)
        for number in range(10):
            for values in ({"concurrent_items": "20"}, {"downloader": f"nickname-{number}"},
                           {"shared:rsync_threads": str(number + 1)}, {"concurrent_items": "1"}):
                command.post("/api/settings", {"values": values})
                world.clock.until(world.clock.now() + 0.5)
        command.until(lambda: len(command.connections(tracker.port)) > 1, "a second try")
        world.clock.until(max(world.clock.now(), first + 60))
        asked = command.connections(tracker.port)
        assert_few(asked, "settings that change")
        assert_apart(asked, 1.0, "settings that change")
        assert_not_working(command, first + 3)
        assert_nothing_was_work(command)


def test_stop_and_keep_running(tmp_path: Path) -> None:
    """One item works and three slots wait for a dry tracker. Stop and Keep running, ten times
    over: the tracker is asked no more often, and those that only waited count for nothing. The
    same with both commands."""
    with World(tmp_path, 40) as world:
        found = [_Stopped(world, kind) for kind in ("run-warrior", "run-pipeline")]
        for one in found:
            one.command.until(lambda one=one: len(one.asked()) > 1, "one item, and no second")
        for _ in range(10):
            for path in ("/api/stop", "/api/keep-running"):
                for one in found:
                    one.command.post(path)
                world.clock.until(world.clock.now() + 1)
        for one in found:
            one.check_goes_on()
        for one in found:
            one.check_end()


class _Stopped:
    """A command with four slots, one of which has got an item, and is at work on it."""

    def __init__(self, world: World, kind: str) -> None:
        self.kind = kind
        self.tracker, target = world.tracker(), world.target()
        self.stock = Stock(self.tracker, world.clock, f"{target.url}/")
        self.stock.add(1)
        self.project = world.project(kind, self.tracker)
        self.project.hold()
        self.command: Command = (world.warrior([self.project], 4) if kind == "run-warrior"
                                 else world.pipeline(self.project, 4))

    def asked(self) -> Moments:
        return self.command.connections(self.tracker.port)

    def check_goes_on(self) -> None:
        seen = len(self.asked())
        self.command.until(lambda: len(self.asked()) > seen, "it goes on asking")
        # The first had an item, so the second came at once.
        asked = Moments(list(self.asked())[1:])
        assert_few(asked, self.kind)
        assert_apart(asked, 1.0, self.kind)
        assert not any(any(one.counts.values()) for one in self.command.told)

    def check_end(self) -> None:
        """The end asks for nothing but what the item needs: where to, and that it is done."""
        self.command.post("/api/stop")
        last = len(self.tracker.requests("request"))
        self.project.go_on()
        if self.kind == "run-pipeline":
            self.command.process.wait(60)
            assert "Done: 1 completed, 0 failed" in self.command.said()
            assert not re.search(r"[1-9]\d* cancelled", self.command.said())
        else:
            self.command.until(lambda: self.command.told[-1].tone == "stopped", "the stop")
        assert self.stock.done() == 1
        assert len(self.tracker.requests("request")) == last


@pytest.mark.long
def test_an_outdated_project_is_updated_at_once(tmp_path: Path) -> None:
    """The tracker calls version 1 too old when version 2 has just been published: it is looked
    for at once, and the new code gets an item at once; nobody is asked over and over."""
    with World(tmp_path, 90) as world:
        tracker, git = world.tracker(), world.git()
        project = world.project("one", tracker, git=git)

        def answer(request: Request) -> Answer:
            return Answer(455) if request.json["version"] == "1" else item_answer("an-item")

        command = world.warrior([project], 4)
        world.after(0, command.connections, tracker.port)
        # The last look has to be ten minutes old.
        before = command.runs("git", "--symref")
        world.clock.until(before[-1] + 605)
        assert command.runs("git", "--symref") == before
        Repository(project.folder).commit({"pipeline.py": project.code("2")})
        project.hold()
        tracker.always("request", answer)
        command.until(lambda: any(request.json["version"] == "2"
                                  for request in tracker.requests("request")), "the new version")
        looks = command.runs("git", "--symref")
        assert len(looks) == len(before) + 1, looks
        old = Moments(world.clock.at(request.time) for request in tracker.requests("request")
                      if request.json["version"] == "1")
        assert_few(old, "the old version")
        assert not any(one.counts["failed"] or one.counts["canceled"] for one in command.told)


@pytest.mark.long
def test_an_outdated_project_without_an_update(tmp_path: Path) -> None:
    """For an hour the tracker calls the newest version too old: the repository is looked at
    every ten minutes at most, by both commands."""
    with World(tmp_path, 120) as world:
        tracker, git = world.tracker(), world.git()
        tracker.always("request", Answer(455))
        other = world.tracker()
        other.always("request", Answer(455))
        warrior = world.warrior([world.project("one", tracker, git=git)], 4)
        project = world.project("two", other, git=git)
        Repository(project.folder).git("clone", "--quiet", project.repository,
                                       str(tmp_path / "clone"))
        project.folder = tmp_path / "clone"
        pipeline = world.pipeline(project, 4, "--auto-update")
        for command, port in ((warrior, tracker.port), (pipeline, other.port)):
            world.after(3600, command.connections, port)
        for command, port, word in ((warrior, tracker.port, "--symref"),
                                    (pipeline, other.port, "fetch")):
            looks = command.runs("git", word)
            assert 2 <= len(looks) <= 8, looks
            # What git does before it asks takes its real time.
            assert looks.smallest_gap >= 600 - world.clock.factor / 2, looks
            asked = command.connections(port)
            assert_few(asked, "an outdated project")
            assert_apart(asked, 1.0, "an outdated project")

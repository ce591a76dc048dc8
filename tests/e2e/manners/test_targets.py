"""Upload targets that take nothing, handed out by the tracker again and again."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tests.e2e.manners.answers import Kind, named
from tests.e2e.manners.bounds import assert_apart, assert_few, settled
from tests.e2e.manners.giving import Stock, moments
from tests.support.rsync_daemon import free_port
from tests.support.scripted_tracker import ScriptedTracker
from tests.support.world import Command, Moments, World


@dataclasses.dataclass
class Target:
    """A target that takes nothing, and a command with items for it."""

    name: str
    items: int
    kind: Kind | None
    command: Command
    stock: Stock
    server: ScriptedTracker | None

    def tries(self) -> Moments:
        """When a program was started to upload something."""
        return Moments([*self.command.runs("rsync"), *self.command.runs("curl")])


def _target(world: World, name: str, items: int, command: str) -> Target:
    tracker = world.tracker()
    kind, server = None, None
    if name == "rsync refused":
        url = f"rsync://127.0.0.1:{free_port()}/uploads/"
    elif name == "rsync refusing":
        url = world.rsync()[0].replace("/uploads/", "/no-such-module/")
    else:
        kind, = named(name)
        server = world.target()
        kind.install(server, world.clock, "PUT")
        url = f"{server.url}/"
    stock = Stock(tracker, world.clock, url)
    stock.add(items)
    project = world.project(f"p{len(world.commands)}", tracker)
    made: Command = (world.warrior([project], min(items, 4)) if command == "run-warrior"
                     else world.pipeline(project, min(items, 4)))
    return Target(name, items, kind, made, stock, server)


def _check(world: World, target: Target, least_gap: float | None = None) -> None:
    what = f"{target.name}, {target.items} items"
    tries = target.tries()
    assert_few(tries, what)
    later = settled(world.clock, tries)
    assert_apart(later, least_gap or (target.kind.least_gap if target.kind else 1.0), what)
    tracker = target.stock.tracker
    assert_few(moments(world.clock, tracker.requests("upload")), f"{what}: upload")
    assert not tracker.requests("done") and not tracker.requests("release")
    asked = moments(world.clock, tracker.requests("request"))
    assert_few(asked, f"{what}: request")
    told = [one for one in list(target.command.told) if one.at >= later[0]]
    assert any("upload to" in one.text and one.whose == "the upload target" for one in told), told
    assert not any(one.counts["failed"] or one.counts["canceled"] for one in told)
    assert target.items == len(target.stock.given)


def test_the_first_minutes(tmp_path: Path) -> None:
    """One item or six that wait for a target that takes nothing: it is tried by one at a time,
    never twice in a second, and not while it asked for silence."""
    with World(tmp_path, 40) as world:
        targets = [_target(world, "rsync refused", 6, "run-warrior"),
                   _target(world, "503, seconds", 6, "run-pipeline"),
                   _target(world, "500", 1, "run-warrior")]
        for target in targets:
            target.command.until(lambda target=target: len(settled(
                world.clock, target.tries())) > 1, "another try")
        for target in targets:
            _check(world, target)


@pytest.mark.long
def test_an_hour(tmp_path: Path) -> None:
    """At most 200 tries in an hour, and as many requests for a target."""
    with World(tmp_path, 120) as world:
        targets = [_target(world, name, items, command) for name, items, command in (
            ("rsync refused", 1, "run-warrior"), ("rsync refused", 6, "run-pipeline"),
            ("rsync refusing", 6, "run-warrior"), ("rsync refusing", 1, "run-pipeline"),
            ("refused", 6, "run-warrior"), ("reset", 6, "run-pipeline"),
            ("500", 6, "run-warrior"), ("429, a date", 6, "run-pipeline"))]
        for target in targets:
            world.after(3600, target.tries)
        for target in targets:
            # curl itself takes its real time.
            _check(world, target, 1.0)


def test_a_target_that_is_back(tmp_path: Path) -> None:
    """When the one that tries gets through, the others follow: six items arrive, each once, and
    are reported once."""
    with World(tmp_path, 40) as world:
        target = _target(world, "refused", 6, "run-warrior")
        target.command.until(lambda: settled(world.clock, target.tries()), "another try")
        for one in target.command.sentences(settled(world.clock, target.tries())[0]):
            # The one that tries is at work while it does.
            assert not re.match(r"Working on (?!1 item\. (?:1 is|\d+ are) waiting: )", one.text), one
        assert target.server is not None
        target.server.up()
        target.command.until(lambda: target.stock.done() == 6, "all reported")
        assert len(target.stock.tracker.requests("done")) == 6
        assert len(target.server.uploads) == 6

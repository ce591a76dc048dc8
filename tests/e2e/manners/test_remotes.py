"""A git remote is down, broken, busy or silent: it is looked at seldom, whoever wants its code."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.e2e.manners.bounds import assert_apart, assert_few, settled
from tests.support.git_remote import GitServer, Repository
from tests.support.rsync_daemon import free_port
from tests.support.world import Command, Moments, Project, World

#: What is wrong, and how the server is told.
TROUBLES = ["refused", "500", "html", "silent"]
#: More looks than this at a repository that gives nothing are not needed in an hour. A run-pipeline
#: that is told to look every minute may do so where git finds nothing wrong: it takes HTML for an
#: empty repository.
MOST_LOOKS, MOST_EVERY_MINUTE = 30, 65


@dataclasses.dataclass
class Remote:
    """A git host in trouble, and a command that wants code from it."""

    trouble: str
    server: GitServer
    port: int
    command: Command
    #: How many looks it may take in an hour.
    most: int

    def looks(self) -> Moments:
        """When we asked it where it is, before git is started, or git asked it for news."""
        return Moments([*self.command.connections(self.port),
                        *self.command.runs("git", "fetch")])


def _break(server: GitServer, trouble: str) -> None:
    server.silent = trouble == "silent"
    server.status = {"500": 500, "html": 200}.get(trouble, 0)
    server.body = b"<html>Please sign in</html>"


def _warrior(world: World, trouble: str, number: int = 1) -> Remote:
    """A run-warrior with so many projects, all of one host."""
    server, tracker = world.git(f"git-{trouble}"), world.tracker()
    projects = [world.project(f"p{place}", tracker, git=server) for place in range(number)]
    _break(server, trouble)
    port = server.server_address[1]
    if trouble == "refused":
        port = free_port()
        for project in projects:
            project.repository = f"http://127.0.0.1:{port}/{project.name}"
    return Remote(trouble, server, int(port), world.warrior(projects, 4),
                  MOST_LOOKS * number)


def _pipeline(world: World, trouble: str) -> Remote:
    """A run-pipeline that keeps its checkout up to date, and looks every minute."""
    server, tracker = world.git(f"git-{trouble}-pipeline"), world.tracker()
    project = world.project("p", tracker, git=server)
    folder = world.folder / f"clone-{trouble}"
    Repository(project.folder).git("clone", "--quiet", project.repository, str(folder))
    port = int(server.server_address[1])
    _break(server, trouble)
    server.requests.clear()
    if trouble == "refused":
        port = free_port()
        Repository(folder).git("remote", "set-url", "origin", f"http://127.0.0.1:{port}/p")
    clone = Project(folder, "p", project.tracker_url)
    return Remote(trouble, server, port, world.pipeline(
        clone, 1, "--auto-update", "--update-interval", "60"), MOST_EVERY_MINUTE)


def _check(remote: Remote) -> None:
    looks = remote.looks()
    assert_few(looks, remote.trouble)
    if remote.trouble in ("refused", "silent"):
        # A host that does not answer is probed by one for all; one that does has several endpoints.
        assert_apart(settled(remote.command.clock, looks), 1.0, remote.trouble)
    if remote.trouble != "refused":
        # git fetch asks in the older way as well, where nonsense comes back.
        assert len(remote.server.requests) <= 2 * len(looks), remote.server.requests


def test_the_first_minutes(tmp_path: Path) -> None:
    """Three projects of one host that gives nothing make it be looked at no more than one; Try
    again, clicked over and over, does not either. The page says whose turn it is."""
    with World(tmp_path, 40) as world:
        remotes = [_warrior(world, "refused", 3), _warrior(world, "500"), _warrior(world, "html")]
        for remote in remotes:
            world.after(30, remote.looks)
        clicked = world.clock.now()
        for _ in range(20):
            for remote in remotes:
                remote.command.post("/api/projects/p0/retry")
        for remote in remotes:
            remote.command.until(lambda remote=remote: len(
                remote.looks().between(clicked)) > 1, "two more looks")
            _check(remote)
            told = [one for one in list(remote.command.told) if one.at > clicked and one.whose]
            assert told and all(one.whose == "the project's repository"
                                and "cannot run" in one.text for one in told), told[-3:]


@pytest.mark.long
def test_an_hour(tmp_path: Path) -> None:
    """At most thirty looks an hour at each repository, whatever is wrong; a run-pipeline that
    looks every minute does not do so more often."""
    with World(tmp_path, 150) as world:
        remotes = [_warrior(world, trouble, 3) for trouble in TROUBLES]
        remotes += [_pipeline(world, trouble) for trouble in TROUBLES]
        for remote in remotes:
            world.after(3600, remote.looks)
        for remote in remotes:
            _check(remote)
            assert remote.looks().most_within(3600) <= remote.most, remote.looks()

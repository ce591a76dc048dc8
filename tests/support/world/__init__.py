"""A world that counts: our real commands against servers that record who asked what, when.

    with World(tmp_path, factor=60) as world:
        tracker = world.tracker()                   # it has no items
        project = world.project("one", tracker)     # a folder with a project like real ones
        warrior = world.warrior([project], slots=4)
        world.after(600, warrior.connections, tracker.port)
        asked = warrior.connections(tracker.port)
        assert len(asked.first(15)) <= 12

Time goes ``factor`` times faster for the commands (:mod:`tests.support.world.fast`), so that
an hour takes a minute, or less; all moments that the world tells are seconds of that clock
(:class:`~tests.support.world.clock.Clock`). Programs that a command starts, and the servers,
stay in real time: a request that takes 5 ms takes 0.3 s of the world at factor 60, and the
60 seconds that a tracker gets to answer are one real second. A scenario chooses its factor
by that.

Who was asked is told by both sides:

- what the command itself opened and started, with the exact moment, also where nobody
  listens: ``command.connections(port)``, ``command.runs("rsync")``. Bounds on gaps are
  checked against these: they hold on a machine that is busy as well, while a server may be
  late in noticing a request.
- what the servers got: ``tracker.requests("done")`` and so on
  (:mod:`tests.support.scripted_tracker`, ``scripted_hq``, ``git_remote``, ``rsync_daemon``).

``command.told`` is what the page said, about ten times a real second, and
``command.sentences()`` the sequence of its first sentences.

Tests assert upper bounds on numbers and lower bounds on gaps, and never that something
was quick; they wait for conditions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.git_remote import GitServer, Repository, git_server
from tests.support.rsync_daemon import free_port, rsync_daemon
from tests.support.scripted_hq import ScriptedHQ
from tests.support.scripted_tracker import ScriptedTracker
from tests.support.waiting import until
from tests.support.world.clock import Clock
from tests.support.world.commands import Command, Pipeline, Told, Warrior, port_of
from tests.support.world.conversation import Moments
from tests.support.world.projects import Project

__all__ = ["Clock", "Command", "Moments", "Pipeline", "Project", "Told", "Warrior", "World",
           "port_of"]


class World:
    """A context manager; what was made in it ends with it. ``folder`` must be empty."""

    def __init__(self, folder: Path, factor: float) -> None:
        self.folder = folder
        self.clock = Clock(factor)
        self.commands: list[Command] = []
        self._projects: list[Project] = []
        self._servers = contextlib.ExitStack()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *error: object) -> None:
        # All at once: each takes a while.
        for project in self._projects:
            project.go_on()
        for command in self.commands:
            command.ask_to_end()
        for command in self.commands:
            command.close()
        self._servers.close()

    # -- servers ---------------------------------------------------------------------
    def tracker(self) -> ScriptedTracker:
        """A host for the trackers of any number of projects; it has no items."""
        return self._servers.enter_context(ScriptedTracker())

    #: An upload target that takes PUT: the same server, of which only that is asked.
    target = tracker

    def hq(self, *projects: dict[str, Any], **answer: Any) -> ScriptedHQ:
        return self._servers.enter_context(  # type: ignore[return-value]  (it is one)
            ScriptedHQ(projects, **answer))

    def git(self, name: str = "git") -> GitServer:
        """A host of repositories, which lie in its ``folder``."""
        return self._servers.enter_context(git_server(self.folder / name))

    def rsync(self, more: str = "") -> tuple[str, Path]:
        """A real rsync daemon: its URL, and where it writes. ``more`` is configuration."""
        return self._servers.enter_context(
            rsync_daemon(self.folder / f"rsync-{free_port()}", more))

    # -- projects ----------------------------------------------------------------------
    def project(
        self, name: str, tracker: ScriptedTracker, *, done: ScriptedTracker | None = None,
        git: GitServer | None = None,
    ) -> Project:
        """A project of this name, which asks ``tracker`` (and reports to ``done``); its code
        lies in a folder, or is had from ``git``."""
        url, done_url = (f"http://127.0.0.1:{one.port}/{name}"
                         for one in (tracker, done or tracker))
        folder = (self.folder / "projects" if git is None else git.folder) / name
        project = Project(folder, name, url, done_url)
        self._projects.append(project)
        if git is not None:
            Repository(folder).git("init", "--quiet", "--initial-branch=main")
            Repository(folder).commit()
            project.repository = git.url(name)
        return project

    # -- commands ----------------------------------------------------------------------
    def warrior(self, projects: Sequence[Project], slots: int = 1, **options: Any) -> Warrior:
        """A run-warrior that has all of these chosen; see :class:`Warrior`."""
        warrior = Warrior(self.clock, self._place(), projects, slots, **options)
        self.commands.append(warrior)
        return warrior

    def pipeline(self, project: Project, slots: int = 1, *options: str) -> Pipeline:
        """A run-pipeline of this project; see :class:`Pipeline`."""
        pipeline = Pipeline(self.clock, self._place(), project, slots, *options)
        self.commands.append(pipeline)
        return pipeline

    def _place(self) -> Path:
        return self.folder / f"command-{len(self.commands)}"

    # -- time --------------------------------------------------------------------------
    def after(self, seconds: float, moments: Callable[..., Moments], *arguments: Any) -> float:
        """Wait until so many seconds have passed since the first of these; when that was."""
        first = until(lambda: moments(*arguments), "the first request", 60)[0]
        self.clock.until(first + seconds)
        return first

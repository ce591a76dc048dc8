"""Decides which projects run, and with how many slots.

The volunteer names projects in order of preference. That order, the catalogue and the state of the
daemon determine what should run; :meth:`Supervisor.reconcile` starts and stops projects to match.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline_core.engine.waiting import Waiting
from pipeline_core.event import Event
from warrior.daemon.lifecycle import Lifecycle
from warrior.projects.entry import AUTO
from warrior.projects.project_run import ProjectRun, ProjectServices
from warrior.projects.slots import allot

if TYPE_CHECKING:
    from pipeline_core.pipeline import Pipeline
    from warrior.projects.catalogue import Catalogue
    from warrior.projects.recovery import WarriorRecovery
    from warrior.settings.settings import Settings

logger = logging.getLogger(__name__)


class Supervisor:
    """``on_change(section)`` names projects, pipelines or status; ``on_runner(name, runner)`` comes
    before a new runner starts an item, ``on_idle()`` when nothing runs any more."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, lifecycle: Lifecycle,
        services: ProjectServices,
    ) -> None:
        self.runs: dict[str, ProjectRun] = {}
        #: Why no project may start items, by source (``disk``, ``recovery``, ``queue``).
        self.holds: dict[str, Waiting] = {}
        #: Resumes the items that earlier runs have sealed.
        self.recovery: WarriorRecovery | None = None
        self.on_change = Event()
        self.on_runner = Event()
        self.on_idle = Event()
        self._settings = settings
        self._catalogue = catalogue
        self._lifecycle = lifecycle
        self._services = services
        self._distributing = self._once_more = False
        self._later: asyncio.TimerHandle | None = None

    # -- what is wanted --------------------------------------------------------------
    def order(self) -> list[str]:
        """Return the chosen projects in order, with Archive Team's choice resolved."""
        names = [self._catalogue.choice if name == AUTO else name
                 for name in self._settings.selected]
        return list(dict.fromkeys(filter(None, names)))

    def may_run(self) -> bool:
        """Return whether projects may run at all: a nickname must be set."""
        return self._lifecycle.takes_items and bool(self._settings.downloader.value)

    def reconcile(self) -> None:
        """Start, drain and resume projects as needed. May be called at any time."""
        entries = self._catalogue.entries
        wanted = [name for name in self.order() if name in entries] if self.may_run() else []
        for name in wanted:
            run = self.runs.get(name)
            if run is None:
                self._begin(name)
            else:
                run.update_entry(entries[name])
                run.resume()
        for name, run in list(self.runs.items()):
            if name not in wanted and not run.draining:
                logger.info("%s: starting no new items; %d are still running.", name,
                            len(run.runner.active_items))
                run.drain()
        self.distribute()
        self.on_change("projects")
        if not self.runs and not (self.recovery is not None and self.recovery.at_work):
            self.on_idle()

    def _begin(self, name: str) -> None:
        logger.info("%s: chosen.", name)
        run = ProjectRun(self._catalogue.entries[name], self._services, self)
        self.runs[name] = run
        self.on_runner(name, run.runner)
        run.code.start()

    def run_ended(self, run: ProjectRun) -> None:
        """Forget a run that has ended."""
        del self.runs[run.name]
        logger.info("%s: ended (%d completed, %d failed).", run.name,
                    run.runner.counts["completed"], run.runner.counts["failed"])
        # The project may have been chosen again meanwhile.
        asyncio.get_running_loop().call_soon(self.reconcile)

    def run_changed(self) -> None:
        """Report that what is shown of a run has changed."""
        self.on_change("projects")
        self.on_change("pipelines")

    # -- slots -----------------------------------------------------------------------
    def in_order(self) -> list[ProjectRun]:
        """Return the runs in the volunteer's order, then those that only finish their items."""
        order = {name: place for place, name in enumerate(self.order())}
        return sorted(self.runs.values(), key=lambda run: order.get(run.name, len(order)))

    def distribute(self) -> None:
        """Distribute the slots again, without delay, so that the next item starts at once."""
        self._once_more = True
        if self._distributing:
            return
        self._distributing = True
        try:
            while self._once_more:
                self._once_more = False
                self._distribute_once()
        finally:
            self._distributing = False
        self.on_change("status")

    def _distribute_once(self) -> None:
        runs = self.in_order()
        slots = 0 if self.held is not None else int(self._settings.concurrent_items.value)
        for run, allotment in zip(runs, allot(slots, [run.demand() for run in runs])):
            run.grant(allotment)
        if self._later is not None:
            self._later.cancel()
            self._later = None
        ends = [run.dry_until for run in runs if run.dry_until is not None]
        if ends:
            delay = max(0.0, min(ends) - time.monotonic()) + 0.05
            self._later = asyncio.get_running_loop().call_later(delay, self.distribute)

    @property
    def held(self) -> Waiting | None:
        """The reason why no project may start items now; None if they may."""
        return next(iter(self.holds.values()), None)

    def hold(self, why: Waiting | None, source: str = "disk") -> None:
        """Stop claiming items while ``source`` gives a reason; the items at work continue."""
        if why != self.holds.get(source):
            self.holds.pop(source, None)
            if why is not None:
                self.holds[source] = why
            self.distribute()

    # -- stopping --------------------------------------------------------------------
    def stop_now(self, kill_after: float) -> None:
        """End all items now, with ``kill_after`` seconds between TERM and KILL."""
        for run in list(self.runs.values()):
            run.stop_now(kill_after)
        if self.recovery is not None:
            self.recovery.stop_now(kill_after)

    # -- state -----------------------------------------------------------------------
    def active(self) -> int:
        """Return the number of items that are at work or wait."""
        resumed = 0 if self.recovery is None else self.recovery.at_work
        return resumed + sum(len(run.runner.active_items) for run in self.runs.values())

    def waiting(self) -> list[Waiting]:
        """Return the reasons why items of all projects wait."""
        resumed = [] if self.recovery is None else self.recovery.waiting()
        return resumed + [why for run in self.runs.values() for why in run.runner.not_working()]

    def pipelines(self) -> Iterator[tuple[str, str, Pipeline]]:
        """Yield ``(project, version, pipeline)`` of all loaded pipelines."""
        for name, run in self.runs.items():
            for one in run.versions.values():
                yield name, one.version.short, one.loaded.pipeline
        if self.recovery is not None:
            yield from self.recovery.pipelines()

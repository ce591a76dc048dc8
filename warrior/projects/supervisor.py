"""Which projects run, with which slots.

The volunteer names projects in order of preference. What is wanted follows from that
order, from what is on offer, and from the state of the daemon; :meth:`Supervisor.reconcile`
brings what runs in line with it, and may be called at any time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
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
    """``on_change(section)``: projects, pipelines or status; ``on_runner(name, runner)``
    comes before a new runner starts an item; ``on_idle()`` when nothing runs any more."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, lifecycle: Lifecycle,
        services: ProjectServices,
    ) -> None:
        self.runs: dict[str, ProjectRun] = {}
        #: Why no project may start items at all, by what says so (``disk``, ``recovery``).
        self.holds: dict[str, Waiting] = {}
        #: What earlier runs have sealed and this one brings to its end.
        self.recovery: WarriorRecovery | None = None
        #: How items ended, of runs that are over.
        self.past_counts = {"completed": 0, "failed": 0, "canceled": 0}
        self.on_change = Event()
        self.on_runner = Event()
        self.on_idle = Event()
        self._settings = settings
        self._catalogue = catalogue
        self._lifecycle = lifecycle
        self._services = services
        self._dealing = False
        self._deal_again = False
        self._later: asyncio.TimerHandle | None = None

    # -- what is wanted --------------------------------------------------------------
    def order(self) -> list[str]:
        """The projects that the volunteer wants, Archive Team's choice put in its place."""
        names = [self._catalogue.choice if name == AUTO else name
                 for name in self._settings.selected]
        return list(dict.fromkeys(filter(None, names)))

    def may_run(self) -> bool:
        """Whether projects may run at all: somebody has to be named as their downloader."""
        return self._lifecycle.takes_items and bool(self._settings.downloader.value)

    def reconcile(self) -> None:
        """Start, drain and resume projects until what runs is what is wanted."""
        entries = self._catalogue.entries
        wanted = [name for name in self.order() if name in entries] if self.may_run() else []
        for name in wanted:
            run = self.runs.get(name)
            if run is None:
                self._begin(name)
            else:
                run.moved(entries[name])
                run.resume()
        for name, run in list(self.runs.items()):
            if name not in wanted and not run.draining:
                logger.info("%s: no new items; %d are still at work.", name,
                            len(run.runner.active_items))
                run.drain()
        self.deal()
        self._changed("projects")
        if not self.runs and not (self.recovery is not None and self.recovery.at_work):
            self.on_idle()

    def _begin(self, name: str) -> None:
        logger.info("%s: chosen.", name)
        run = ProjectRun(
            self._catalogue.entries[name], self._services, on_change=self._run_changed,
            on_demand=self.deal, on_end=self._run_ended)
        self.runs[name] = run
        self.on_runner(name, run.runner)
        run.start()

    def _run_ended(self, run: ProjectRun) -> None:
        del self.runs[run.name]
        for state, number in run.runner.counts.items():
            self.past_counts[state] += number
        logger.info("%s: ended (%d completed, %d failed).", run.name,
                    run.runner.counts["completed"], run.runner.counts["failed"])
        # It may have been chosen again meanwhile.
        asyncio.get_running_loop().call_soon(self.reconcile)

    def _run_changed(self) -> None:
        self._changed("projects")
        self._changed("pipelines")

    def _changed(self, section: str) -> None:
        self.on_change(section)

    # -- slots -----------------------------------------------------------------------
    def in_order(self) -> list[ProjectRun]:
        """What runs, the preferred first; then what only finishes its items."""
        order = {name: place for place, name in enumerate(self.order())}
        return sorted(self.runs.values(), key=lambda run: order.get(run.name, len(order)))

    def deal(self) -> None:
        """Give the slots anew: at once, as what has changed may start the next item at once."""
        if self._dealing:
            self._deal_again = True
            return
        self._dealing = True
        try:
            self._deal_again = True
            while self._deal_again:
                self._deal_again = False
                self._deal_once()
        finally:
            self._dealing = False
        self._changed("status")

    def _deal_once(self) -> None:
        runs = self.in_order()
        slots = 0 if self.held is not None else int(self._settings.concurrent_items.value)
        for run, allotment in zip(runs, allot(slots, [run.demand() for run in runs])):
            run.grant(allotment)
        self._wake_when_dry_ends(runs)

    def _wake_when_dry_ends(self, runs: Sequence[ProjectRun]) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        ends = [run.dry_until for run in runs if run.dry_until is not None]
        if ends:
            delay = max(0.0, min(ends) - time.monotonic()) + 0.05
            self._later = asyncio.get_running_loop().call_later(delay, self.deal)

    @property
    def held(self) -> Waiting | None:
        """Why no project may start items now; None when all is well."""
        return next(iter(self.holds.values()), None)

    def hold(self, why: Waiting | None, source: str = "disk") -> None:
        """Claim nothing while there is a reason not to; those at work go on."""
        if why != self.holds.get(source):
            self.holds.pop(source, None)
            if why is not None:
                self.holds[source] = why
            self.deal()

    # -- stopping --------------------------------------------------------------------
    def stop_now(self, kill_after: float) -> None:
        """End every item now; children get so many seconds between TERM and KILL."""
        for run in list(self.runs.values()):
            run.stop_now(kill_after)
        if self.recovery is not None:
            self.recovery.stop_now(kill_after)

    # -- what it tells ---------------------------------------------------------------
    def counts(self) -> dict[str, int]:
        """How items ended since the start, over all projects."""
        counts = dict(self.past_counts)
        for run in self.runs.values():
            for state, number in run.runner.counts.items():
                counts[state] += number
        return counts

    def active(self) -> int:
        """How many items are at work or wait."""
        resumed = 0 if self.recovery is None else self.recovery.at_work
        return resumed + sum(len(run.runner.active_items) for run in self.runs.values())

    def waiting(self) -> list[Waiting]:
        """Why items wait, over all projects."""
        resumed = [] if self.recovery is None else self.recovery.waiting()
        return resumed + [why for run in self.runs.values() for why in run.waiting()]

    def pipelines(self) -> Iterator[tuple[str, str, Pipeline]]:
        """``(project, version, pipeline)`` of all that are loaded."""
        for name, run in self.runs.items():
            for one in run.versions():
                yield name, one.version.short, one.loaded.pipeline
        if self.recovery is not None:
            yield from self.recovery.pipelines()

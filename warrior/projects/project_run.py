"""One project that is chosen, or that still finishes its items: its runner and its versions.

    fetching ─► loading ─► running ─► draining ─► ended
        ▲──────────┘          └► (a new version: old items finish on the old code)
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline_core.engine.concurrency_limiter import ConcurrencyLimiter
from pipeline_core.engine.loader import LoadedPipeline
from pipeline_core.engine.waiting import Waiting
from pipeline_core.recovery.sealer import Sealer
from pipeline_core.runner import Runner
from warrior.daemon.view_models import Problem
from warrior.projects.project_code import Load, LoadedVersion, ProjectCode
from warrior.projects.slots import Allotment, Demand

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.net.governor import Governor
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.recovery.keeper import Keeper
    from pipeline_core.task import Task
    from warrior.checkout.checkout import Checkouts, Version
    from warrior.process.background import BackgroundTasks
    from warrior.projects.entry import Entry
    from warrior.projects.supervisor import Supervisor
    from warrior.settings.settings import Settings

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ProjectServices:
    """What all projects share."""

    settings: Settings
    checkouts: Checkouts
    load: Load
    background: BackgroundTasks
    keep_data: bool
    governor: Governor
    #: Returns a new prefix for the ids of a runner's items.
    item_prefix: Callable[[], str]
    #: Seals items; None: they are abandoned when the process ends.
    keeper: Keeper | None = None
    #: One for each ``shared:`` limit, so that it holds across projects.
    limiters: dict[str, ConcurrencyLimiter] = dataclasses.field(default_factory=dict)

    def share_limits(self, loaded: LoadedPipeline) -> None:
        """Give the ``shared:`` settings of a pipeline the limiters that all projects use."""
        for value in loaded.config_values:
            if value.name.startswith("shared:"):
                value.limiter = self.limiters.setdefault(value.name, ConcurrencyLimiter())


class ProjectRun:
    """Tells the supervisor when what is shown changes, when its demand for slots changes, and
    when it has ended."""

    def __init__(self, entry: Entry, services: ProjectServices, supervisor: Supervisor) -> None:
        self.name = entry.name
        self.draining = False
        self.runner = Runner(concurrent_items=0, keep_data=services.keep_data,
                             item_prefix=services.item_prefix(), governor=services.governor)
        self.code = ProjectCode(entry, services.checkouts, services.load, self._loaded,
                                supervisor.run_changed)
        self.slots = 0
        #: All versions that are loaded: the current one, and old ones whose items finish.
        self.versions: dict[Pipeline, LoadedVersion] = {}
        self._services = services
        self._supervisor = supervisor
        self._asking: set[Item] = set()
        self._dry_until = 0.0
        self.runner.on_create_item += self._item_created
        self.runner.on_pipeline_finish_item += self._item_finished
        self.runner.on_seal_item += lambda runner, item: supervisor.distribute()
        self.runner.on_status += lambda runner, status: supervisor.run_changed()
        self.runner.on_finish += lambda runner: self._ended()
        self._services.settings.on_change += self._settings_changed

    # -- state ---------------------------------------------------------------------
    @property
    def entry(self) -> Entry:
        return self.code.entry

    @property
    def current(self) -> LoadedVersion | None:
        """The version that new items get."""
        pipeline = self.runner.current_pipeline
        return None if pipeline is None else self.versions[pipeline]

    @property
    def state(self) -> str:
        """fetching, loading, running, draining or broken."""
        if self.draining:
            return "draining"
        if self.current is not None and self.missing() is None:
            return "running"
        return self.code.state or ("broken" if self.problem else "fetching")

    @property
    def problem(self) -> Problem | None:
        return self.missing() or self.code.problem

    def missing(self) -> Problem | None:
        """Return a problem that names the settings without a value, if there are any."""
        if self.code.current is None:
            return None
        names = [value.title or value.name for value in self.code.current.loaded.config_values
                 if not value.is_valid()]
        if not names:
            return None
        return Problem(f"Settings have no value yet: {', '.join(names)}.",
                       "Set them on the Settings page.", code="settings")

    def demand(self) -> Demand:
        """Return this project's demand for slots."""
        asking = len(self._asking)
        return Demand(
            can_start=not self.draining and self.runner.current_pipeline is not None,
            working=self.runner.working - asking, asking=asking,
            dry=bool(asking) or time.monotonic() < self._dry_until)

    @property
    def dry_until(self) -> float | None:
        """The time of the next request after an empty answer (monotonic); None if it is over."""
        return self._dry_until if self._dry_until > time.monotonic() else None

    # -- commands ------------------------------------------------------------------
    def grant(self, allotment: Allotment) -> None:
        """Run as many items as allotted, and cancel surplus items that ask for work."""
        if self.slots != allotment.cap:
            self.slots = allotment.cap
            self.runner.concurrent_items = allotment.cap
        surplus = sorted(self._asking, key=_next_try)[allotment.asking:]
        for item in surplus:
            if allotment.asking == 0:
                self._dry_until = max(self._dry_until, _next_try(item))
            item.log_output("Cancelled: another project has work for this slot, and this item "
                            "was only waiting.")
            # It ends a moment later, and the next distribution must not count it.
            self._asking.discard(item)
            item.cancel()

    def update_entry(self, entry: Entry) -> None:
        """Use the changed entry of the catalogue; another repository has other code."""
        before, self.code.entry = self.code.entry, entry
        if before.repository != entry.repository:
            self.code.look()

    def drain(self) -> None:
        """Start no new items, finish the others, then end."""
        if self.draining:
            return
        self.draining = True
        self.code.close()
        if self.runner.status == "idle":
            self._ended()
        else:
            self.runner.stop_gracefully()
        self._supervisor.run_changed()

    def resume(self) -> None:
        """Undo :meth:`drain`."""
        if self.draining and self.runner.status != "stopped":
            self.draining = False
            self.runner.keep_running()
            self.code.start()
            self._supervisor.run_changed()

    def stop_now(self, kill_after: float) -> None:
        """End its items now."""
        self.drain()
        if self.runner.status != "idle":
            self.runner.stop_now(kill_after)

    # -- versions ------------------------------------------------------------------
    def _loaded(self, new: LoadedVersion) -> None:
        self._services.share_limits(new.loaded)
        self.versions[new.loaded.pipeline] = new
        if self._services.keeper is not None:
            new.loaded.pipeline.sealer = Sealer(
                self._services.keeper, self.name, new.version.commit,
                lambda: str(self._services.settings.downloader.value or ""))
        # This may report changed settings, and so already start the new version.
        self._services.settings.attach(self.name, new.loaded.config_values, new.loaded.worker)
        self._run_newest()
        self._supervisor.run_changed()

    def _settings_changed(self, names: frozenset[str]) -> None:
        if self.code.current is not None and not self.draining:
            self._run_newest()

    def _run_newest(self) -> None:
        """Give new items the newest code once all its settings have values. Idempotent."""
        new = self.code.current
        assert new is not None
        if new is self.current or self.missing() is not None:
            return
        old = self.runner.current_pipeline
        self.runner.set_current_pipeline(new.loaded.pipeline)
        if self.runner.status == "idle":
            self.runner.start()
        if old is not None:
            logger.info("%s: new items use version %s; %d items finish on the old one.", self.name,
                        new.version.short, len(old.items_in_pipeline))
            old.request_stop()
        self._let_old_ones_go()
        self._supervisor.distribute()

    def _let_old_ones_go(self) -> None:
        for pipeline, version in list(self.versions.items()):
            newest = self.code.current is version or pipeline is self.runner.current_pipeline
            if not newest and not any(item.pipeline is pipeline
                                      for item in self.runner.active_items):
                del self.versions[pipeline]
                self._services.background.start(
                    self._remove(pipeline, version), f"Ending version {version.version.short}")

    async def _remove(self, pipeline: Pipeline, old: LoadedVersion) -> None:
        await pipeline.clean_up()
        self._services.settings.detach(self.name, old.loaded.config_values)
        old.loaded.close()
        needed = [one.version for one in self.versions.values()]
        if old.version not in needed and not self._is_journaled(old.version):
            self._services.background.start(
                self._services.checkouts.remove(old.version), f"Removing {old.version.path}")

    def _is_journaled(self, version: Version) -> bool:
        """Return whether a sealed item may need this code at the next start."""
        keeper = self._services.keeper
        return keeper is not None and any(
            (sealed.project, sealed.version) == (self.name, version.commit)
            for sealed in keeper.journal.records.values())

    def _ended(self) -> None:
        self.code.close()
        self._services.settings.on_change -= self._settings_changed
        self._services.settings.detach(self.name)
        for version in self.versions.values():
            version.loaded.close()
        self.versions.clear()
        self.runner.set_current_pipeline(None)
        self._supervisor.run_ended(self)

    # -- items ---------------------------------------------------------------------
    def _item_created(self, runner: Runner, item: Item) -> None:
        item.on_waiting += self._waiting_changed
        item.on_task_status += self._task_changed

    def _waiting_changed(self, item: Item, waiting: Waiting | None) -> None:
        if waiting is None:
            return
        if waiting.code == "outdated" and item.pipeline is self.runner.current_pipeline:
            self.code.outdated()
        if item.may_be_canceled and waiting.code != "queue" and item not in self._asking:
            self._asking.add(item)
            self._supervisor.distribute()

    def _task_changed(self, item: Item, task: Task, new: str, old: str | None) -> None:
        if new != "running" and item in self._asking:
            self._asking.discard(item)
            if new == "completed":
                self._dry_until = 0.0
            self._supervisor.distribute()

    def _item_finished(self, runner: Runner, pipeline: Pipeline, item: Item) -> None:
        self._asking.discard(item)
        if pipeline is not runner.current_pipeline:
            self._let_old_ones_go()
        self._supervisor.distribute()


def _next_try(item: Item) -> float:
    waiting = item.waiting
    return time.monotonic() if waiting is None or waiting.next_try is None else waiting.next_try


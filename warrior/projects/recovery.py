"""Resumes the items that earlier runs have sealed, before any new item is claimed.

Each project has a separate runner for these items. The project need not be chosen or on offer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline_core.engine.loader import LoadedPipeline, LoadError
from pipeline_core.recovery.recovery import FIRST, Recovery
from pipeline_core.runner import Runner
from warrior.daemon.view_models import Notice

if TYPE_CHECKING:
    from pipeline_core.engine.waiting import Waiting
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.recovery.sealed_item import Sealed
    from warrior.projects.loading import Loader
    from warrior.projects.project_run import ProjectServices
    from warrior.projects.supervisor import Supervisor

logger = logging.getLogger(__name__)


class WarriorRecovery:
    """Works on the loop. :meth:`resume` may be called at any time."""

    def __init__(
        self, services: ProjectServices, data_dir: str, supervisor: Supervisor, loader: Loader
    ) -> None:
        assert services.keeper is not None
        self._keeper = keeper = services.keeper
        self._services = services
        self._supervisor = supervisor
        self._loader = loader
        supervisor.recovery = self
        self._holding = 0
        self._stopped = False
        self._runners: dict[str, Runner] = {}
        self._codes: dict[Pipeline, str] = {}
        self._recovery = Recovery(
            keeper, data_dir, keep_data=services.keep_data, runner_for=self._runner_for,
            load=self._load, unload=self._unload, limiters=services.limiters)
        keeper.queue.on_full += lambda why: supervisor.hold(why, "queue")
        keeper.on_kept += lambda: supervisor.on_change("notices")

    # -- state -------------------------------------------------------------------------
    @property
    def at_work(self) -> int:
        """The number of items that are being resumed."""
        return len(self._recovery.items)

    def waiting(self) -> list[Waiting]:
        """Return the reasons why items wait."""
        return self._recovery.waiting()

    def pipelines(self) -> Iterator[tuple[str, str, Pipeline]]:
        """Yield ``(project, version, pipeline)`` of the pipelines in use."""
        for pipeline, project in self._recovery.pipelines().items():
            version = self._codes.get(pipeline, "")
            yield project, f"{version} resumed".strip(), pipeline

    def notices(self) -> list[Notice]:
        """Return notices about kept items that cannot continue, and about errors of the journal."""
        journal = self._keeper.journal
        found = {"journal": journal.trouble} if journal.trouble else {}
        for folder in journal.unreadable:
            found[f"kept-{folder.rpartition('/')[2]}"] = (
                f"The finished files in {folder} are kept, but the record of how to upload them "
                "can no longer be read.")
        for item_id, kept in self._keeper.kept.items():
            found[f"kept-{item_id}"] = (
                f"The finished item {kept.sealed.describe()} of {kept.sealed.project} is kept in "
                f"{kept.sealed.folder}. {kept.why} It is tried again at the next start.")
        return [Notice(notice_id, "kept", text, tone="trouble", new=False)
                for notice_id, text in found.items()]

    # -- commands ------------------------------------------------------------------------
    def resume(self) -> None:
        """Resume all sealed items that are not at work, and claim nothing meanwhile."""
        self._stopped = False
        at_work = {item.item_id for run in self._supervisor.runs.values()
                   for item in run.runner.active_items}
        records = [sealed for item_id, sealed in self._keeper.journal.records.items()
                   if item_id not in at_work]
        if not records:
            return
        self._holding += 1
        self._supervisor.hold(FIRST, "recovery")
        self._services.background.start(self._resume(records), "Resuming finished items")

    async def _resume(self, records: list[Sealed]) -> None:
        try:
            await self._recovery.go_first(records)
        finally:
            self._holding -= 1
            if not self._holding:
                self._supervisor.hold(None, "recovery")

    async def sweep(self) -> None:
        """Remove old versions of projects' code, except those that sealed items may need."""
        records = self._keeper.journal.records.values()
        keep = await self._services.checkouts.ready_versions(
            {(sealed.project, sealed.version) for sealed in records})
        await self._services.checkouts.sweep(keep)

    def stop_now(self, kill_after: float) -> None:
        """End the items now; the next start resumes them."""
        self._stopped = True
        for runner in list(self._runners.values()):
            runner.stop_now(kill_after)

    def close(self) -> None:
        """End what is left running."""
        self._recovery.close()

    # -- runners and code ----------------------------------------------------------------
    def _runner_for(self, project: str) -> Runner:
        if self._stopped:
            return Runner(concurrent_items=0)  # it accepts no items
        runner = self._runners.get(project)
        if runner is None or not runner.may_resume:
            runner = self._runners[project] = Runner(
                concurrent_items=0, max_items=0, governor=self._services.governor)
            runner.on_finish += lambda runner: self._runner_ended(project, runner)
            self._supervisor.on_runner(project, runner)
            runner.start()
        return runner

    def _runner_ended(self, project: str, runner: Runner) -> None:
        if self._runners.get(project) is runner:
            del self._runners[project]
        asyncio.get_running_loop().call_soon(self._supervisor.reconcile)

    async def _load(self, sealed: Sealed) -> LoadedPipeline:
        versions = await self._services.checkouts.ready_versions([(sealed.project, sealed.version)])
        if not versions:
            raise LoadError(f"its version {sealed.version[:7]} is no longer on this machine.")
        loaded = await self._loader.load(versions[0], lambda text: None, sealed.downloader)
        self._services.share_limits(loaded)
        self._codes[loaded.pipeline] = versions[0].short
        return loaded

    def _unload(self, loaded: LoadedPipeline) -> None:
        self._codes.pop(loaded.pipeline, None)
        loaded.close()

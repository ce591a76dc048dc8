"""What the page, the control socket and the signals use to watch and control the warrior."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.item_scope import ITEM_KILL_DELAY
from pipeline_core.event import Event
from warrior.daemon.lifecycle import Ending, Lifecycle, State
from warrior.daemon.view_models import Notice, ProjectCard, Status, UnknownProject
from warrior.projects.entry import AUTO

if TYPE_CHECKING:
    from pipeline_core.engine.project_worker import Busy
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.runner import Runner
    from warrior.daemon.overview import Overview
    from warrior.projects.catalogue import Catalogue
    from warrior.projects.hq import HQ
    from warrior.projects.project_run import ProjectRun
    from warrior.projects.supervisor import Supervisor
    from warrior.settings.settings import Settings

logger = logging.getLogger(__name__)

#: What the log says after the reason of a stop. After ENDED, the daemon reports its own end.
_FOLLOWS = {State.DRAINING: "Starting no new items.", State.ENDING: "Shutting down.",
            State.PAUSED: "No items are running any more."}


class WarriorFacade:
    """Used on the loop.

    ``on_change(section)`` names what has changed: status, runner, projects, pipelines, settings or
    notices. ``on_runner(name, runner)`` comes before the runner starts an item.
    """

    def __init__(
        self, settings: Settings, catalogue: Catalogue, hq: HQ, lifecycle: Lifecycle,
        supervisor: Supervisor, overview: Overview, *, facts: Mapping[str, Any],
        read_log: Callable[[], bytes],
    ) -> None:
        self.settings = settings
        self.on_change = Event()
        self.on_runner = Event()
        #: Called when somebody undoes a stop: then the next signal counts as the first.
        self.on_keep_running = Event()
        self._catalogue = catalogue
        self._hq = hq
        self._lifecycle = lifecycle
        self._supervisor = supervisor
        self._overview = overview
        self._facts = dict(facts)
        self._read_log = read_log
        lifecycle.on_change += self._lifecycle_changed
        catalogue.on_change += lambda catalogue: self._offer_changed()
        hq.on_change += lambda hq: self._changed("status", "notices", "projects")
        settings.on_change += self._settings_changed
        supervisor.on_change += self.on_change
        supervisor.on_runner += self.on_runner
        supervisor.on_idle += lifecycle.all_done
        self._export_concurrent_items()

    # -- what has changed ------------------------------------------------------------
    def _changed(self, *sections: str) -> None:
        for section in sections:
            self.on_change(section)

    def _lifecycle_changed(self, lifecycle: Lifecycle) -> None:
        if lifecycle.reason and lifecycle.state in _FOLLOWS:
            logger.info("%s %s", lifecycle.reason, _FOLLOWS[lifecycle.state])
        self._changed("runner", "status", "projects")

    def _offer_changed(self) -> None:
        self._supervisor.reconcile()
        self._changed("projects", "notices", "status")

    def _settings_changed(self, names: frozenset[str]) -> None:
        self._export_concurrent_items()
        if names & {"selected", "downloader"}:
            self._supervisor.reconcile()
            self._hq.wake()
        elif "concurrent_items" in names:
            self._supervisor.distribute()
        self._changed("settings", "runner", "status", "projects", "notices")

    def _export_concurrent_items(self) -> None:
        """Set the environment variable in which project files look for the number."""
        os.environ["CONCURRENT_ITEMS"] = str(self.settings.concurrent_items.value)

    # -- state -----------------------------------------------------------------------
    @property
    def state(self) -> str:
        """starting, running, draining, paused, ending or ended."""
        return self._lifecycle.state.value

    @property
    def ending(self) -> str:
        """What follows when the items are done: shut-down, restart or ''."""
        return self._lifecycle.ending.value

    def facts(self) -> Mapping[str, Any]:
        """Return ``WarriorOptions.facts``, for the about page."""
        return self._facts

    def runners(self) -> Mapping[str, Runner]:
        return {name: run.runner for name, run in self._supervisor.runs.items()}

    def pipelines(self) -> Iterator[tuple[str, str, Pipeline]]:
        """Yield ``(project, version, pipeline)`` of all loaded pipelines, also draining ones."""
        return self._supervisor.pipelines()

    def status(self) -> Status:
        return self._overview.status()

    def cards(self) -> Sequence[ProjectCard]:
        """Return the cards in the order of the catalogue."""
        return self._overview.cards()

    def choice(self) -> str:
        """Return the project that is Archive Team's choice; '' for none."""
        return self._catalogue.choice

    def notices(self) -> Sequence[Notice]:
        return self._overview.notices()

    def busy(self) -> Iterator[tuple[str, Busy]]:
        """Yield ``(project, what its code does)`` for each busy worker."""
        for name, run in self._supervisor.runs.items():
            for version in run.versions.values():
                if version.loaded.worker.busy is not None:
                    yield name, version.loaded.worker.busy

    def active(self) -> int:
        """Return the number of items that are at work or wait."""
        return self._supervisor.active()

    def project_log(self, name: str) -> str:
        """Return what fetching, installing and loading printed. Raises UnknownProject."""
        return self._run(name).code.log()

    async def daemon_log(self) -> bytes:
        """Return the end of the daemon's own log."""
        return await asyncio.to_thread(self._read_log)

    # -- commands --------------------------------------------------------------------
    async def select(self, names: Sequence[str]) -> None:
        """Choose projects, in order. Raises UnknownProject, SettingsError."""
        known = {AUTO, *self._catalogue.entries, *self.settings.selected}
        for name in names:
            if name not in known:
                raise _not_on_offer(name, [AUTO, *self._catalogue.entries])
        await self.settings.select(names)

    async def save_settings(self, values: Mapping[str, Any]) -> None:
        """Save all values or none. Raises SettingsError."""
        await self.settings.save(values)

    async def read_notice(self, notice_id: str) -> None:
        kind, _, number = notice_id.partition("-")
        if kind == "announcement":
            await self.settings.set_announcement_read(number)
            self._changed("notices")

    def update(self, name: str) -> None:
        """Check for new code now, and retry whatever failed. Raises UnknownProject."""
        self._run(name).code.look()

    def install_anyway(self, name: str) -> None:
        """Run the project even if its installer failed. Raises UnknownProject."""
        self._run(name).code.look(installer_may_fail=True)

    def _run(self, name: str) -> ProjectRun:
        run = self._supervisor.runs.get(name)
        if run is not None:
            return run
        if name not in self._catalogue.entries:
            raise _not_on_offer(name, self._catalogue.entries)
        raise UnknownProject(f"The project {name!r} is not running: choose it first.")

    # -- stopping --------------------------------------------------------------------
    def stop(self) -> None:
        """Start no new items; the daemon stays."""
        if self._lifecycle.may(State.DRAINING):
            self._drain(State.DRAINING, "Asked to stop.")

    def stop_now(self) -> None:
        self.stop()
        self._supervisor.stop_now(ITEM_KILL_DELAY)

    def keep_running(self) -> None:
        if self._lifecycle.may(State.RUNNING) and self._lifecycle.state is not State.STARTING:
            self.on_keep_running()
            logger.info("Resuming, as asked.")
            self._lifecycle.move(State.RUNNING)
            self._supervisor.reconcile()

    def shut_down(self, now: bool = False) -> None:
        self.end("Asked to shut down.", Ending.SHUT_DOWN, now=now)

    def restart(self, now: bool = False) -> None:
        self.end("Asked to restart.", Ending.RESTART, now=now)

    def end(
        self, reason: str, ending: Ending, *, now: bool = False, kill_after: float = ITEM_KILL_DELAY
    ) -> None:
        """Finish the items, or end them with ``now``, then end the process."""
        if self._lifecycle.may(State.ENDING):
            self._drain(State.ENDING, reason, ending)
        else:
            self._lifecycle.change_ending(reason, ending)
        if now:
            self._supervisor.stop_now(kill_after)

    def _drain(self, state: State, reason: str, ending: Ending = Ending.NONE) -> None:
        self._lifecycle.move(state, reason, ending)
        self._supervisor.reconcile()


def _not_on_offer(name: str, offered: Iterable[str]) -> UnknownProject:
    return UnknownProject(
        f"There is no project {name!r} on offer. On offer are: {', '.join(offered)}.")

"""A warrior without projects to fetch: real settings, real runners, and cards as a test wants."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_core.engine.project_worker import Busy
from pipeline_core.event import Event
from pipeline_core.pipeline import Pipeline
from pipeline_core.project import Project
from pipeline_core.runner import Runner
from pipeline_core.task import Task
from warrior.daemon import sentence
from warrior.daemon.view_models import Notice, ProjectCard, Status, UnknownProject
from warrior.projects.entry import AUTO
from warrior.settings.settings import Settings


class SmallWarrior:
    """Implements :class:`warrior.daemon.facade.WarriorFacade`. ``called`` records the commands."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.on_change = Event()
        self.on_runner = Event()
        self.called: list[tuple[Any, ...]] = []
        self.state = "running"
        self.ending = ""
        self.chosen_by_hq = ""
        self.all_cards: dict[str, ProjectCard] = {}
        self.all_notices: list[Notice] = []
        self.loaded: list[tuple[str, str, Pipeline]] = []
        self.all_runners: dict[str, Runner] = {}
        #: Raised by what is called, if it is set.
        self.trouble: Exception | None = None
        settings.on_change += lambda names: self.on_change("settings")

    # -- what a test does ---------------------------------------------------------------
    def add_card(self, name: str, **facts: Any) -> None:
        self.all_cards[name] = ProjectCard(name, facts.pop("title", name.title()), **facts)
        self.on_change("projects")

    def add_runner(self, name: str, tasks: Sequence[Task], version: str = "1234567",
                   **options: Any) -> Runner:
        """Add a runner that has not started."""
        runner = Runner(**options)
        self.all_runners[name] = runner
        self.on_runner(name, runner)
        self.load(name, tasks, version)
        return runner

    def load(self, name: str, tasks: Sequence[Task], version: str) -> Pipeline:
        """Load a version from which its runner makes new items."""
        pipeline = Pipeline(*tasks)
        pipeline.data_dir = str(self.folder / name)
        pipeline.project = Project(f"The {name}", f"<h2>{name}</h2>")
        self.loaded.append((name, version, pipeline))
        self.all_runners[name].set_current_pipeline(pipeline)
        self.on_change("pipelines")
        return pipeline

    # -- the facade ---------------------------------------------------------------------
    def facts(self) -> Mapping[str, Any]:
        return {"build": "a build", "max_concurrent": 6, "real_shutdown": False}

    def runners(self) -> Mapping[str, Runner]:
        return self.all_runners

    def pipelines(self) -> Iterable[tuple[str, str, Pipeline]]:
        return list(self.loaded)

    def status(self) -> Status:
        items = [item for runner in self.all_runners.values() for item in runner.active_items]
        if self.state == "draining":
            return sentence.stopping(len(items), [])
        if not items:
            return Status("Nothing to do.", "you", time.monotonic() + 60, "waiting")
        return sentence.working(len(items), [i.waiting for i in items if i.waiting])

    def cards(self) -> Sequence[ProjectCard]:
        return list(self.all_cards.values())

    def choice(self) -> str:
        return self.chosen_by_hq

    def notices(self) -> Sequence[Notice]:
        return self.all_notices

    def busy(self) -> Iterable[tuple[str, Busy]]:
        for name, _, pipeline in self.loaded:
            if pipeline.worker is not None and pipeline.worker.busy is not None:
                yield name, pipeline.worker.busy

    def project_log(self, name: str) -> str:
        self._known(name)
        return f"Cloning {name} … done\n"

    async def daemon_log(self) -> bytes:
        self._call("daemon_log")
        return b"started \xff\n"

    async def select(self, names: Sequence[str]) -> None:
        for name in names:
            self._known(name)
        self._call("select", list(names))
        await self.settings.select(names)

    async def save_settings(self, values: Mapping[str, Any]) -> None:
        self._call("save_settings", dict(values))
        await self.settings.save(values)

    async def read_notice(self, notice_id: str) -> None:
        self._call("read_notice", notice_id)

    def retry(self, name: str) -> None:
        self._known(name)
        self._call("retry", name)

    def update(self, name: str) -> None:
        self._known(name)
        self._call("update", name)

    def install_anyway(self, name: str) -> None:
        self._known(name)
        self._call("install_anyway", name)

    def stop(self) -> None:
        self._call("stop")
        self._move("draining")

    def stop_now(self) -> None:
        self._call("stop_now")
        self._move("draining")

    def keep_running(self) -> None:
        self._call("keep_running")
        self._move("running")

    def shut_down(self, now: bool = False) -> None:
        self._call("shut_down", now)
        self.ending = "shut-down"
        self._move("ending")

    def restart(self, now: bool = False) -> None:
        self._call("restart", now)
        self.ending = "restart"
        self._move("ending")

    def _move(self, state: str) -> None:
        self.state = state
        self.on_change("runner")

    def _call(self, *what: Any) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.called.append(what)

    def _known(self, name: str) -> None:
        if name != AUTO and name not in self.all_cards:
            raise UnknownProject(f"There is no project {name!r}; 100% sure.")


class SmallMachine:
    """Counts its watchers, and samples when a test says so."""

    def __init__(self) -> None:
        self.on_sample = Event()
        self.samples: list[Any] = []
        self.watchers = 0

    def watch(self) -> None:
        self.watchers += 1

    def unwatch(self) -> None:
        self.watchers -= 1

    def sample(self, sample: Any) -> None:
        self.samples.append(sample)
        self.on_sample(sample)

"""The parts of a warrior put together as the daemon does, without page and signals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline_core.engine.child import Children
from pipeline_core.net.governor import Governor
from pipeline_core.runner import Runner
from warrior.checkout.checkout import Checkouts
from warrior.config.config import OperatorProject
from warrior.daemon.facade import WarriorFacade
from warrior.daemon.lifecycle import Lifecycle, State
from warrior.daemon.overview import Overview
from warrior.daemon.view_models import ProjectCard
from warrior.process.background import BackgroundTasks
from warrior.projects.catalogue import Catalogue
from warrior.projects.hq import HQ
from warrior.projects.loading import Loader
from warrior.projects.project_run import ProjectServices
from warrior.projects.supervisor import Supervisor
from warrior.settings.settings import Settings

#: A project whose items work until their file says so. Each item waits for `go` in the
#: project's data folder, or for `go-<number>`.
WORKS = """
import os, time
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import SimpleTask
from seesaw.externalprocess import ExternalProcess
project = Project(title={title!r})
class Name(SimpleTask):
    def process(self, item):
        item['item_name'] = 'item %d' % item.item_number
pipeline = Pipeline(Name('Name'), ExternalProcess('Wait', ['sh', '-c', '''
    n=${{0##*-}}; while [ ! -e "$1/go" ] && [ ! -e "$1/go-$n" ]; do sleep 0.02; done
''', __import__('pipeline_core.item', fromlist=['x']).ItemInterpolation('%(data_dir)s'),
    os.path.realpath('data')], env={{'PATH': os.environ['PATH']}}))
"""

#: A project that asks a tracker for its items.
ASKS = """
import os
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.tracker import GetItemFromTracker
from seesaw.externalprocess import ExternalProcess
project = Project(title={title!r})
class Get(GetItemFromTracker):
    DEFAULT_RETRY_DELAY = {delay}
    RETRY_DELAY_INCREMENT = 0
pipeline = Pipeline(Get({url!r}, downloader, 'v{version}'), ExternalProcess('Wait', ['sh', '-c', '''
    while [ ! -e "$0/go" ]; do sleep 0.02; done''', os.path.realpath('data')],
    env={{'PATH': os.environ['PATH']}}))
"""


class Parts(SimpleNamespace):
    """A warrior in a folder. Made with :func:`make_parts`, on a running loop."""

    def card(self, name: str) -> ProjectCard:
        return next(card for card in self.overview.cards() if card.name == name)

    def runner(self, name: str) -> Runner:
        runner: Runner = self.supervisor.runs[name].runner
        return runner

    def active(self, name: str) -> int:
        run = self.supervisor.runs.get(name)
        return 0 if run is None else len(run.runner.active_items)

    def named(self, name: str) -> int:
        """Items of a project that are on their way (others have only just been made)."""
        return sum("item_name" in item for item in self.runner(name).active_items)

    def go(self, name: str, what: str = "go") -> None:
        """Let items of a project end."""
        folder = Path(self.data_dir, name)
        folder.mkdir(exist_ok=True)
        (folder / what).touch()

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait for a condition, looking often."""
        ends = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends, (
                f"not within {seconds} s: {self.overview.status()}; {self.overview.cards()}; "
                + "".join(run.code.log() for run in self.supervisor.runs.values()))
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        if self.lifecycle.may(State.ENDING):
            self.warrior.shut_down(now=True)
        self.supervisor.stop_now(0.2)
        await self.until(lambda: not self.supervisor.runs)
        await self.background.close(2.0)
        self.children.close()
        self.settings.close()


async def make_parts(
    folder: Path, projects: dict[str, str], *, nickname: str = "somebody", hq_url: str = "",
    selected: list[str] | None = None, concurrent: int = 2, **more: Any,
) -> Parts:
    """A warrior on offer of ``projects`` (name -> text of pipeline.py, or a repository)."""
    entries = []
    for name, text in projects.items():
        repository = text
        if "\n" in text:
            source = folder / "sources" / name
            source.mkdir(parents=True, exist_ok=True)
            (source / "pipeline.py").write_text(text)
            repository = str(source)
        entries.append(OperatorProject(name, repository, name.title(), ""))
    state, data = folder / "state", folder / "state" / "data"
    data.mkdir(parents=True, exist_ok=True)
    settings = await Settings.open(str(state / "settings.json"), max_concurrent_items=6, seeds={})
    catalogue = Catalogue(str(state / "catalogue.json"), operator=entries, hq_url=hq_url)
    await catalogue.load()
    governor = Governor()
    hq = HQ(hq_url, settings, catalogue, governor=governor)
    lifecycle, background = Lifecycle(), BackgroundTasks()
    children = Children(asyncio.get_running_loop())
    checkouts = Checkouts(str(state), str(data), children=children, governor=governor, **more)
    numbers = iter(range(1000))
    services = ProjectServices(
        settings=settings, checkouts=checkouts, load=Loader(settings).load, background=background,
        keep_data=False, governor=governor, item_prefix=lambda: f"test-{next(numbers)}")
    supervisor = Supervisor(settings, catalogue, lifecycle, services)
    overview = Overview(settings, catalogue, hq, lifecycle, supervisor)
    warrior = WarriorFacade(settings, catalogue, hq, lifecycle, supervisor, overview, facts={},
                      read_log=lambda: b"")
    if nickname:
        await settings.save({"downloader": nickname, "concurrent_items": str(concurrent)})
    if selected is not None:
        await warrior.select(selected)
    lifecycle.move(State.RUNNING)
    supervisor.reconcile()
    return Parts(
        settings=settings, catalogue=catalogue, hq=hq, lifecycle=lifecycle, supervisor=supervisor,
        overview=overview, warrior=warrior, background=background, children=children,
        data_dir=str(data), folder=folder, services=services)

"""Consoles of run-pipeline and of the warrior that really listen, and requests to them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.pipeline import Pipeline
from pipeline_core.project import Project
from pipeline_core.runner import Runner
from pipeline_core.task import Task
from tests.warrior.web.smallwarrior import SmallMachine, SmallWarrior
from tests.warrior.web.talking import Asking, Page
from warrior.settings.settings import Settings
from warrior.web.app import Console, ConsoleOptions, make_console, make_warrior_console


class RunningConsole(Asking):
    """A console on its own loop in a thread; the test connects to it over TCP."""

    console: Console
    called: list[Any]

    def __init__(self, folder: Path, options: ConsoleOptions) -> None:
        self.folder = folder
        self.options = options
        self.pages: list[Page] = []
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def build(self) -> None:
        """Make the console and listen."""
        async def build() -> None:
            await self.make()
            self.urls = self.console.listen()
            self.port = self.console.port

        asyncio.run_coroutine_threadsafe(build(), self.loop).result(10)

    async def make(self) -> None:
        raise NotImplementedError

    def runners(self) -> list[Runner]:
        raise NotImplementedError

    def on_loop(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function on the console's loop and wait for what it returns."""
        async def call() -> Any:
            found = function(*args)
            return await found if asyncio.iscoroutine(found) else found
        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    def open_page(self, cookie: str = "", receive_buffer: int | None = None) -> Page:
        """A page's socket, with a new session unless a cookie is given."""
        page = Page(self.port, cookie or self.session()["Cookie"], receive_buffer)
        self.pages.append(page)
        return page

    def close(self) -> None:
        for page in self.pages:
            page.close()
        self.on_loop(self.console.close)
        for runner in self.runners():
            self._stop(runner)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def _stop(self, runner: Runner) -> None:
        finished = threading.Event()

        def stop() -> None:
            if not runner._running:
                finished.set()
            else:
                runner.on_finish += lambda runner: finished.set()
                runner.stop_now(0.1)

        self.on_loop(stop)
        assert finished.wait(20)
        worker = runner.current_pipeline and runner.current_pipeline.worker
        if worker:
            self.on_loop(worker.children.close)


class PipelineRunning(RunningConsole):
    """The console of run-pipeline."""

    def __init__(self, folder: Path, tasks: list[Task], options: ConsoleOptions,
                 concurrent: int) -> None:
        super().__init__(folder, options)
        self.called = []
        self._make = (tasks, concurrent)
        self.build()

    async def make(self) -> None:
        tasks, concurrent = self._make
        pipeline = Pipeline(*tasks)
        pipeline.data_dir = str(self.folder / "data")
        self.runner = Runner(concurrent_items=concurrent)
        self.runner.set_current_pipeline(pipeline)

        def command(name: str, function: Callable[[], object]) -> Callable[[], object]:
            def call() -> object:
                self.called.append(name)
                return function()
            return call

        self.console = make_console(
            self.runner, Project("A project", "<h2>Hello</h2>"), downloader="someone",
            stop=command("stop", self.runner.stop_gracefully),
            stop_now=command("stop-now", self.runner.stop_now),
            keep_running=command("keep-running", self.runner.keep_running), options=self.options)

    def runners(self) -> list[Runner]:
        return [self.runner]

    def start(self) -> None:
        self.on_loop(self.runner.start)


class WarriorRunning(RunningConsole):
    """The console of a warrior with its own settings and a fake machine."""

    def __init__(self, folder: Path, options: ConsoleOptions) -> None:
        super().__init__(folder, options)
        self.machine = SmallMachine()
        self.build()
        self.called = self.warrior.called

    async def make(self) -> None:
        self.settings = await Settings.open(
            str(self.folder / "settings.json"), max_concurrent_items=6,
            seeds={"downloader": "someone"})
        self.warrior = SmallWarrior(self.settings, self.folder)
        self.console = make_warrior_console(self.warrior, self.machine, self.options)

    def runners(self) -> list[Runner]:
        return list(self.warrior.all_runners.values())

    def close(self) -> None:
        self.on_loop(self.settings.close)
        super().close()


MakeConsole = Callable[..., PipelineRunning]
MakeWarrior = Callable[..., WarriorRunning]


@pytest.fixture
def make_running(tmp_path: Path) -> Iterator[MakeConsole]:
    """Makes running consoles of run-pipeline and closes them."""
    made: list[PipelineRunning] = []

    def make(tasks: list[Task] | None = None, *, concurrent: int = 1,
             **options: Any) -> PipelineRunning:
        made.append(PipelineRunning(tmp_path, tasks or [], ConsoleOptions(port=0, **options),
                                    concurrent))
        return made[-1]

    yield make
    for console in made:
        console.close()


@pytest.fixture
def make_warrior(tmp_path: Path) -> Iterator[MakeWarrior]:
    """Makes running consoles of the warrior and closes them."""
    made: list[WarriorRunning] = []

    def make(**options: Any) -> WarriorRunning:
        made.append(WarriorRunning(tmp_path, ConsoleOptions(port=0, **options)))
        return made[-1]

    yield make
    for console in made:
        console.close()


@pytest.fixture(params=["pipeline", "warrior"])
def make_any(
    request: pytest.FixtureRequest, make_running: MakeConsole, make_warrior: MakeWarrior
) -> Callable[..., RunningConsole]:
    """Makes consoles of both kinds, one after the other."""
    return make_running if request.param == "pipeline" else make_warrior


@pytest.fixture
def console(make_running: MakeConsole) -> PipelineRunning:
    """A console without a password, whose runner has not started."""
    return make_running()


@pytest.fixture
def warrior(make_warrior: MakeWarrior) -> WarriorRunning:
    """The console of a warrior with a nickname, without a password and without projects."""
    return make_warrior()

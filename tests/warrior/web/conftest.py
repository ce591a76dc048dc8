"""A console that really listens, around a real runner, and ways to speak with it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.pipeline import Pipeline
from pipeline_core.project import Project
from pipeline_core.runner import Runner
from pipeline_core.task import Task
from tests.warrior.web.talking import Answer, Page, exchange
from warrior.web.app import Console, ConsoleOptions, make_console


class RunningConsole:
    """A console on a loop of its own in a thread; the test speaks to it over TCP."""

    def __init__(self, folder: Path, tasks: list[Task], options: ConsoleOptions,
                 concurrent: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.called: list[str] = []
        self.started = False
        self.pages: list[Page] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._make = (folder, tasks, options, concurrent)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._begin)
        self.loop.run_forever()

    def _begin(self) -> None:
        folder, tasks, options, concurrent = self._make
        pipeline = Pipeline(*tasks)
        pipeline.data_dir = str(folder / "data")
        self.runner = Runner(concurrent_items=concurrent)
        self.runner.set_current_pipeline(pipeline)

        def command(name: str, function: Callable[[], object]) -> Callable[[], object]:
            def call() -> object:
                self.called.append(name)
                return function()
            return call

        self.console: Console = make_console(
            self.runner, Project("A project", "<h2>Hello</h2>"), downloader="someone",
            stop=command("stop", self.runner.stop_gracefully),
            stop_now=command("stop-now", self.runner.stop_now),
            keep_running=command("keep-running", self.runner.keep_running), options=options)
        self.urls = self.console.listen()
        self.port = self.console.port
        self._ready.set()

    def on_loop(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function on the console's loop and wait for what it returns."""
        async def call() -> Any:
            return function(*args)
        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    def start(self) -> None:
        self.started = True
        self.on_loop(self.runner.start)

    def open_page(self, cookie: str = "", receive_buffer: int | None = None) -> Page:
        """A page's socket, with a session of its own unless a cookie is given."""
        page = Page(self.port, cookie or self.session()["Cookie"], receive_buffer)
        self.pages.append(page)
        return page

    def close(self) -> None:
        for page in self.pages:
            page.close()
        self.on_loop(self.console.close)
        finished = threading.Event()

        def stop() -> None:
            if not self.started or self.runner.status == "stopped":
                finished.set()
            else:
                self.runner.on_finish += lambda runner: finished.set()
                self.runner.stop_now(0.1)

        self.on_loop(stop)
        assert finished.wait(20)
        worker = self.runner.current_pipeline.worker  # type: ignore[union-attr]
        if worker is not None:
            self.on_loop(worker.children.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    # -- speaking with it ----------------------------------------------------------
    def ask(self, method: str, path: str, headers: dict[str, str] | None = None,
            body: bytes | None = None) -> Answer:
        """One request with a proper Host, unless ``headers`` say otherwise."""
        lines = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **(headers or {})}
        if body is not None:
            lines.setdefault("Content-Length", str(len(body)))
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in lines.items())
        return exchange(self.port, head.encode() + b"\r\n" + (body or b""), method)

    def session(self, headers: dict[str, str] | None = None) -> dict[str, str]:
        """Cookie and token as a browser gets them from the page."""
        page = self.ask("GET", "/", headers)
        assert page.status == 200
        cookie = page.headers["set-cookie"].partition(";")[0]
        token = re.search(r'name="csrf-token" content="(\w+)"', page.text)
        assert token is not None
        return {"Cookie": cookie, "X-CSRF-Token": token.group(1)}

    def post(self, path: str, session: dict[str, str], body: bytes = b"{}") -> Answer:
        return self.ask("POST", path, {**session, "Content-Type": "application/json"}, body)


MakeConsole = Callable[..., RunningConsole]


@pytest.fixture
def make_running(tmp_path: Path) -> Iterator[MakeConsole]:
    """Makes running consoles and closes them."""
    made: list[RunningConsole] = []

    def make(tasks: list[Task] | None = None, *, concurrent: int = 1,
             **options: Any) -> RunningConsole:
        made.append(RunningConsole(tmp_path, tasks or [], ConsoleOptions(port=0, **options),
                                   concurrent))
        return made[-1]

    yield make
    for console in made:
        console.close()


@pytest.fixture
def console(make_running: MakeConsole) -> RunningConsole:
    """One without a password whose runner has not been started."""
    return make_running()

"""Runs pipeline files for the tests: in this process, or by the real command.

``play`` loads a file and sends items through it on an event loop of its own, and
keeps all that an observer can see. ``Command`` starts ``run-pipeline`` and watches
what it prints.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import re
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from pipeline_core.engine.loader import LoadedPipeline, load_pipeline
from pipeline_core.engine.waiting import Waiting
from pipeline_core.item import Item
from pipeline_core.net.governor import Governor
from pipeline_core.runner import Runner
from tests.support.processes import runs

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = ROOT / "tests" / "e2e" / "contract" / "pipelines"

#: What most small pipeline files begin with.
HEAD = textwrap.dedent(f"""\
    import os, sys, time, datetime, functools, threading, json, subprocess
    import seesaw
    from seesaw.config import *
    from seesaw.externalprocess import *
    from seesaw.item import *
    from seesaw.pipeline import Pipeline
    from seesaw.project import Project
    from seesaw.task import *
    from seesaw.tracker import *
    from tornado.ioloop import IOLoop
    PYTHON = {sys.executable!r}
    project = Project(title='Test', project_html='<h2>Test</h2>')
    """)


def write_pipeline(folder: Path, source: str, head: str = HEAD) -> Path:
    """Write ``pipeline.py`` into ``folder`` (made if need be); return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pipeline.py"
    path.write_text(head + textwrap.dedent(source), encoding="utf-8")
    return path


@dataclasses.dataclass
class Seen:
    """All that was seen of one item; times are of ``time.monotonic()``."""

    item: Item
    output: list[tuple[float, str]] = dataclasses.field(default_factory=list)
    errors: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    states: list[str] = dataclasses.field(default_factory=list)
    statuses: list[tuple[str, Any, Any]] = dataclasses.field(default_factory=list)
    waits: list[Waiting | None] = dataclasses.field(default_factory=list)
    finished_at: float | None = None

    @property
    def log(self) -> str:
        """The item's log so far."""
        return "".join(text for _, text in self.output)

    @property
    def outcome(self) -> str:
        """``completed``, ``failed``, ``canceled``, or ``running``."""
        for name in ("completed", "failed", "canceled"):
            if getattr(self.item, name):
                return name
        return "running"


class Played:
    """A pipeline at work or done: the loaded file, its runner, and what was seen."""

    def __init__(self, loaded: LoadedPipeline, runner: Runner, load_output: list[str]) -> None:
        self.loaded = loaded
        self.runner = runner
        self._load_output = load_output
        self.items: list[Seen] = []
        self.statuses: list[str] = []
        self.finished = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        # At once, so that nothing the item says is missed.
        runner.on_create_item += self.watch
        self._hook(runner.on_status, lambda runner, status: self.statuses.append(status))
        self._hook(runner.on_finish, lambda runner: self.finished.set())

    def _hook(self, event: Any, handler: Callable[..., Any]) -> None:
        # Not the handler itself: it is no code of the toolkit, and so would be called
        # in the project's worker and wait for it. A method of asyncio's is no project's.
        event += functools.partial(self._loop.call_soon_threadsafe, handler)

    def watch(self, runner: Runner, item: Item) -> None:
        """Attach to one item at once, before it says anything."""
        seen = Seen(item)
        self.items.append(seen)
        now = time.monotonic
        self._hook(item.on_output, lambda i, data: seen.output.append((now(), data)))
        self._hook(item.on_error, lambda i, *rest: seen.errors.append(rest))
        self._hook(item.on_item_state, lambda i, state: seen.states.append(state))
        self._hook(item.on_task_status,
                   lambda i, task, new, old: seen.statuses.append((str(task), new, old)))
        self._hook(item.on_waiting, lambda i, waiting: seen.waits.append(waiting))
        self._hook(item.on_finish, lambda i: setattr(seen, "finished_at", now()))

    @property
    def load_output(self) -> str:
        """What the file printed while it was loaded."""
        return "".join(self._load_output)

    @property
    def only(self) -> Seen:
        """The one item there was."""
        assert len(self.items) == 1, f"{len(self.items)} items"
        return self.items[0]

    @property
    def log(self) -> str:
        """The logs of all items, one after another."""
        return "".join(seen.log for seen in self.items)

    @property
    def outcomes(self) -> list[str]:
        """The outcome of each item, in the order in which they were created."""
        return [seen.outcome for seen in self.items]

    async def until(self, condition: Callable[[], Any], timeout: float = 15.0,
                    what: str = "the condition") -> Any:
        """Wait until ``condition()`` is true; return its value."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come about in {timeout} s; log:\n{self.log}")
            await asyncio.sleep(0.01)

    async def until_log(self, text: str, timeout: float = 15.0) -> None:
        """Wait until the text stands in the log of some item."""
        await self.until(lambda: text in self.log, timeout, f"{text!r} in a log")


Script = Callable[[Played], Awaitable[None]]


async def _play(path: Path, script: Script | None, *, downloader: Any, items: int | None,
                concurrent: int, timeout: float, keep_data: bool, stop_file: str | None,
                context_values: Mapping[str, str], remembered: Mapping[str, str],
                prepare: Callable[[Played], None] | None) -> Played:
    load_output: list[str] = []
    loaded = await load_pipeline(str(path), downloader, context_values=context_values,
                                 remembered=remembered, on_output=load_output.append)
    # Delays are as a file says; what the governor adds has its own tests.
    governor = Governor(shortest_delay=0.0, target_delay=0.02)
    runner = Runner(stop_file=stop_file, concurrent_items=concurrent, max_items=items,
                    keep_data=keep_data, governor=governor)
    runner.set_current_pipeline(loaded.pipeline)
    played = Played(loaded, runner, load_output)
    if prepare is not None:
        prepare(played)
    scripted = None
    try:
        runner.start()
        if script is not None:
            scripted = asyncio.ensure_future(script(played))
            await asyncio.wait_for(scripted, timeout)
        try:
            await asyncio.wait_for(played.finished.wait(), timeout)
        except asyncio.TimeoutError:
            raise AssertionError(
                f"not finished in {timeout} s: {played.outcomes}; log:\n{played.log}") from None
        await asyncio.sleep(0)
    finally:
        if runner.is_active():
            runner.stop_now(kill_after=0.2)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(played.finished.wait(), 5)
        loaded.worker.close()
    return played


def play(path: Path, script: Script | None = None, *, downloader: Any = "tester",
         items: int | None = 1, concurrent: int = 1, timeout: float = 30.0,
         keep_data: bool = False, stop_file: str | None = None,
         context_values: Mapping[str, str] | None = None,
         remembered: Mapping[str, str] | None = None,
         prepare: Callable[[Played], None] | None = None) -> Played:
    """Load the file and run ``items`` items through it; return what was seen.

    ``script(played)`` runs beside the items on the same loop; ``prepare(played)`` is
    called after the load and before the first item.
    """
    return asyncio.run(_play(
        path, script, downloader=downloader, items=items, concurrent=concurrent,
        timeout=timeout, keep_data=keep_data, stop_file=stop_file,
        context_values=context_values or {}, remembered=remembered or {}, prepare=prepare))


def load(path: Path, downloader: Any = "tester", *, timeout: float = 30.0,
         on_output: Callable[[str], None] | None = None, **more: Any) -> LoadedPipeline:
    """Load the file on a loop of its own, and close its worker."""

    async def main() -> LoadedPipeline:
        loaded = await asyncio.wait_for(
            load_pipeline(str(path), downloader, on_output=on_output, **more), timeout)
        loaded.worker.close()
        return loaded

    return asyncio.run(main())


class Command:
    """A command that was started, and all that it printed; a context manager."""

    def __init__(self, argv: list[str], cwd: Path, env: Mapping[str, str] | None = None,
                 stdout: Any = subprocess.PIPE, stdin: Any = subprocess.DEVNULL) -> None:
        self.argv = argv
        self._changed = threading.Condition()
        self._text: list[str] = []
        self.process = subprocess.Popen(
            argv, cwd=cwd, env=None if env is None else dict(env), stdin=stdin,
            stdout=stdout, stderr=subprocess.PIPE, start_new_session=True)
        pipes = [p for p in (self.process.stdout, self.process.stderr) if p is not None]
        self._readers = [threading.Thread(target=self._read, args=(p,), daemon=True)
                         for p in pipes]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: Any) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 65536):
                with self._changed:
                    self._text.append(data.decode("utf-8", "replace"))
                    self._changed.notify_all()

    def __enter__(self) -> Command:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(5)

    @property
    def pid(self) -> int:
        """The process id of the command."""
        return self.process.pid

    @property
    def output(self) -> str:
        """What it printed so far, standard output and error together."""
        with self._changed:
            return "".join(self._text)

    def wait_output(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """Wait until the regular expression matches the output."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                text = "".join(self._text)
                if match := re.search(pattern, text):
                    return match
                left = deadline - time.monotonic()
                if left <= 0 or not any(reader.is_alive() for reader in self._readers):
                    raise AssertionError(f"no {pattern!r} in the output:\n{text}")
                self._changed.wait(min(left, 0.5))

    def send(self, number: int) -> None:
        """Send the command a signal (it alone, not its children)."""
        self.process.send_signal(number)

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.send(signal.SIGINT)

    def wait(self, timeout: float = 40.0) -> int:
        """Wait for its end; return the exit status."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.output}") from None
        for reader in self._readers:
            reader.join(5)
        return status


def run_pipeline_argv(pipeline: Path | str, *options: str, nick: str = "tester") -> list[str]:
    """The command line of ``run-pipeline`` without its page."""
    return [sys.executable, str(ROOT / "run-pipeline"), "--disable-web-server",
            *options, str(pipeline), nick]


def start_pipeline(pipeline: Path, *options: str, nick: str = "tester",
                   env: Mapping[str, str] | None = None, cwd: Path | None = None,
                   stdout: Any = subprocess.PIPE) -> Command:
    """Start ``run-pipeline`` on the file; its working directory is the file's folder."""
    return Command(run_pipeline_argv(pipeline, *options, nick=nick), cwd or pipeline.parent,
                   {**os.environ, **env} if env is not None else None, stdout)


@dataclasses.dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    output: str


def run_pipeline(pipeline: Path, *options: str, timeout: float = 60.0, **more: Any) -> Ended:
    """Run ``run-pipeline`` on the file to its end (one item, unless options say more)."""
    if "--max-items" not in options:
        options = ("--max-items", "1", *options)
    with start_pipeline(pipeline, *options, **more) as command:
        status = command.wait(timeout)
        return Ended(status, command.output)


def wait_for(condition: Callable[[], Any], timeout: float = 15.0, what: str = "condition") -> Any:
    """Block until ``condition()`` is true; return its value. For tests without a loop."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come about in {timeout} s"
        time.sleep(0.01)


def long_time() -> str:
    """Longer than any test waits, in seconds as text, that serves as a mark: no other has it."""
    return f"30{secrets.randbelow(10)}.{secrets.randbelow(10**12):012d}"


def marked_processes(mark: str) -> list[psutil.Process]:
    """Processes with this text in their command line (not zombies)."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (process.pid != os.getpid() and runs(process)
                    and any(mark in part for part in process.cmdline())):
                found.append(process)
    return found


@contextlib.contextmanager
def no_process_left(mark: str, timeout: float = 15.0) -> Iterator[None]:
    """Check at the end that no process with the mark lives; end those that do."""
    try:
        yield
        wait_for(lambda: not marked_processes(mark), timeout, f"the end of all {mark}")
    finally:
        for process in marked_processes(mark):
            with contextlib.suppress(psutil.Error):
                process.kill()

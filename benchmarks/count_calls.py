"""Counts the Python calls that one item of the practice project costs the toolkit.

    python benchmarks/count_calls.py [--command run-warrior] [--items N] [--top N] [--json]

Starts the practice tracker and a command on loopback, with the journal on and no page open,
and profiles every thread of the command. A call counts when its code lies in ``pipeline_core``
or ``warrior``, and when it happens between the moment at which ``GetItemFromTracker.record_start``
is called for the item and the moment at which ``on_pipeline_finish_item`` tells of it. A
coroutine or generator counts each time that it is entered. Comprehensions do not count, because
they are no calls from Python 3.12 on. See README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pipeline_core", "warrior")
COMMANDS = ("run-pipeline", "run-warrior")

#: The first item also pays for imports and lazy set-up, so it is never reported.
FIRST_REPORTED = 2
#: What Python before 3.12 calls as functions, and later versions do not.
COMPREHENSIONS = {"<listcomp>", "<dictcomp>", "<setcomp>"}
#: Seconds that all items together may take.
LONGEST = 180


class Function(NamedTuple):
    """One function of ours, and how often it was called."""

    path: str
    name: str
    line: int
    calls: int

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]


# -- in the command's process ------------------------------------------------------------
class Profile:
    """Counts the calls of all threads, for one item after another.

    Each thread has a counter of its own, because two threads could lose an increment of a
    shared one.
    """

    def __init__(self, items: int, result: Path) -> None:
        self._items, self._result = items, result
        self._counters: list[Counter[CodeType]] = []
        self._own = threading.local()
        self._claim: CodeType | None = None
        self._open = False
        self._found: list[list[Function]] = []

    def install(self) -> None:
        """Profile this thread, and every thread that is started from now on."""
        from pipeline_core.runner import Runner
        from pipeline_core.tracker import GetItemFromTracker

        self._claim = GetItemFromTracker.record_start.__code__
        initialise = Runner.__init__

        def initialise_and_watch(runner: Any, *args: Any, **kwargs: Any) -> None:
            initialise(runner, *args, **kwargs)
            runner.on_create_item += self._created
            runner.on_pipeline_finish_item += self._finished

        setattr(Runner, "__init__", initialise_and_watch)  # noqa: B010  (mypy allows no method)
        threading.setprofile(self._look)
        sys.setprofile(self._look)

    def _created(self, runner: Any, item: Any) -> None:
        # The next item would begin as soon as this one is sealed; it has to wait for the end.
        runner.max_items = runner.item_count

    def _finished(self, runner: Any, pipeline: Any, item: Any) -> None:
        self._open = False
        if item.item_state != "completed":
            raise RuntimeError(f"The item has not been completed, but {item.item_state}")
        self._found.append(ours(sum(self._counters, Counter())))
        if len(self._found) < self._items:
            runner.max_items += 1
            return
        complete = self._result.with_suffix(".part")
        complete.write_text(json.dumps(self._found))
        complete.rename(self._result)

    def _look(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call":
            return
        if not self._open:
            if not self._is_claim(frame):
                return
            for counter in self._counters:
                counter.clear()
            self._open = True
        try:
            self._own.counter[frame.f_code] += 1
        except AttributeError:
            self._own.counter = Counter([frame.f_code])
            self._counters.append(self._own.counter)

    def _is_claim(self, frame: FrameType) -> bool:
        """Whether GetItemFromTracker is entered; other tasks may have inherited the same code."""
        from pipeline_core.tracker import GetItemFromTracker

        return frame.f_code is self._claim and any(
            isinstance(value, GetItemFromTracker) for value in frame.f_locals.values())


def ours(calls: Counter[CodeType]) -> list[Function]:
    """The functions of our packages, the most called first."""
    found = []
    for code, count in calls.items():
        path = os.path.relpath(os.path.realpath(code.co_filename), ROOT)
        inside = path.startswith(tuple(package + os.sep for package in PACKAGES))
        if inside and code.co_name not in COMPREHENSIONS:
            name = getattr(code, "co_qualname", code.co_name)  # Python 3.10 has no co_qualname
            found.append(Function(path, name, code.co_firstlineno, count))
    return sorted(found, key=lambda function: (-function.calls, function))


def become(items: int, result: str, program: str) -> None:
    """Profile the command that the remaining arguments name."""
    sys.path[0] = str(ROOT)
    Profile(items, Path(result)).install()
    runpy.run_path(program, run_name="__main__")


# -- around it -----------------------------------------------------------------------------
@contextlib.contextmanager
def ended_after(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Terminate the process at the end of the block, and wait for it."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@contextlib.contextmanager
def practice_tracker(folder: Path, items: int) -> Iterator[str]:
    """A practice tracker with enough items; the address of its project."""
    with ended_after(subprocess.Popen(
            [sys.executable, str(ROOT / "run-tracker"), "--data-dir", str(folder / "tracker"),
             "--port", "0", "--practice", "--practice-items", str(items)],
            stdout=subprocess.PIPE, text=True)) as tracker:
        assert tracker.stdout is not None
        for line in tracker.stdout:
            address = line.split()[-1]
            if address.startswith("http") and address.endswith("/practice"):
                yield address
                return
        raise SystemExit("The practice tracker has not started; it says why above.")


def words(command: str, folder: Path, address: str) -> list[str]:
    """The command with its arguments."""
    if command == "run-pipeline":
        shutil.copytree(ROOT / "projects" / "practice", folder / "practice",
                        ignore=shutil.ignore_patterns("data", "__pycache__"))
        return [str(ROOT / command), "--disable-web-server",
                "--context-value", f"tracker_url={address}",
                str(folder / "practice" / "pipeline.py"), "volunteer"]
    return [str(ROOT / command), "--state-dir", str(folder / "state"), "--warrior-hq", "",
            "--address", "127.0.0.1", "--port", "0"]


def count(command: str, items: int) -> list[list[Function]]:
    """What each item called, the first one too; exits when the command fails."""
    with tempfile.TemporaryDirectory(prefix="count-calls-") as name:
        folder = Path(name)
        result, log = folder / "result", folder / "log"
        with practice_tracker(folder, items) as address, log.open("w") as output:
            environment = {**os.environ, "PRACTICE_TRACKER_URL": address, "DOWNLOADER": "volunteer",
                           "SELECTED_PROJECT": "practice", "CONCURRENT_ITEMS": "1"}
            process = subprocess.Popen(
                [sys.executable, __file__, "--inside", str(items), str(result),
                 *words(command, folder, address)],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, text=True)
            with ended_after(process):
                wait_for(result, process)
        if not result.exists():
            raise SystemExit(f"{log.read_text()}\n{command} has not finished {items} items; what "
                             "it said stands above.")
        return [[Function(*function) for function in item]
                for item in json.loads(result.read_text())]


def wait_for(result: Path, process: subprocess.Popen[str]) -> None:
    """Until there is a result, or none can come any more."""
    end = time.monotonic() + LONGEST
    while not result.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)


# -- what is said ----------------------------------------------------------------------------
def total(functions: list[Function], package: str = "") -> int:
    """The calls into a package, or into both."""
    return sum(function.calls for function in functions if package in ("", function.package))


def summary(functions: list[Function], others: list[int]) -> dict[str, Any]:
    """The figures of one item; ``others`` are the totals of all reported items."""
    return {
        "calls": total(functions),
        **{package: total(functions, package) for package in PACKAGES},
        "functions": len(functions),
        "modules": len({function.path for function in functions}),
        "all_items": others,
    }


def text(figures: dict[str, Any], functions: list[Function], top: int) -> str:
    """The figures and the table of the most called functions, for people."""
    parts = ", ".join(f"{figures[package]} in {package}" for package in PACKAGES)
    lines = [f"{figures['calls']} calls ({parts}) of {figures['functions']} functions in "
             f"{figures['modules']} modules",
             "all items: " + ", ".join(map(str, figures["all_items"])), ""]
    lines += [f"{function.calls:6}  {function.path}:{function.line}  {function.name}"
              for function in functions[:top]]
    return "\n".join(lines).rstrip()


def main() -> None:
    """Print the figures of the item that made the fewest calls."""
    parser = argparse.ArgumentParser(
        description="Count the Python calls into pipeline_core and warrior for one item.")
    parser.add_argument("--command", choices=COMMANDS, default=COMMANDS[0],
                        help="what runs the practice project (default: %(default)s)")
    parser.add_argument("--items", type=int, default=5, metavar="N",
                        help="run N items (at least 2; default: %(default)s); the first is never "
                             "reported, and of the others the one with the fewest calls is")
    parser.add_argument("--top", type=int, default=30, metavar="N",
                        help="list the N most called functions (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON, with every function")
    options = parser.parse_args()
    if options.items < FIRST_REPORTED:
        parser.error(f"--items: at least {FIRST_REPORTED}")
    items = count(options.command, options.items)[FIRST_REPORTED - 1:]
    least = min(items, key=total)
    figures = summary(least, [total(item) for item in items])
    if options.json:
        table = [function._asdict() for function in least]
        print(json.dumps({"command": options.command, **figures, "table": table}, indent=1))
    else:
        print(text(figures, least, options.top))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        number, place = sys.argv[2:4]
        sys.argv = sys.argv[4:]
        become(int(number), place, sys.argv[0])
    else:
        main()

"""The real run-pipeline, as a volunteer starts it: how it ends, and what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import lives

ROOT = Path(__file__).resolve().parents[3]
DEADLINE = 30.0

HEAD = """\
from seesaw.project import *
from seesaw.pipeline import *
from seesaw.task import *
from seesaw.externalprocess import *
from tornado.ioloop import IOLoop
project = Project(title='Test', project_html='')
"""

STUBBORN = HEAD + """
pipeline = Pipeline(ExternalProcess('Stubborn', ['/bin/bash', '-c',
    "trap '' TERM INT; echo pid $$; while true; do sleep 1; done"]))
"""


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)


class Run:
    """One started command; its outputs go to files."""

    def __init__(self, folder: Path, source: str, *options: str) -> None:
        self.folder = folder
        (folder / "pipeline.py").write_text(source)
        self.out, self.err = folder / "out", folder / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "run-pipeline"), "--disable-web-server",
                 str(folder / "pipeline.py"), "volunteer", *options],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def stdout(self) -> str:
        return self.out.read_text(errors="replace")

    def stderr(self) -> str:
        return self.err.read_text(errors="replace")

    def wait(self) -> int:
        return self.process.wait(DEADLINE)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(source: str, *options: str) -> Run:
        runs.append(Run(tmp_path, source, *options))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def child_pid(run: Run) -> int:
    wait_for(lambda: "pid " in run.stdout(), "the child's pid")
    return int(run.stdout().partition("pid ")[2].split()[0])


def test_two_interrupts_end_a_child_that_ignores_term(start: Callable[..., Run]) -> None:
    """The first interrupt waits for the item, the second stops at once; nothing is left."""
    run = start(STUBBORN)
    child = child_pid(run)
    run.process.send_signal(signal.SIGINT)
    wait_for(lambda: "Stopping when" in run.stderr(), "the sentence about the first")
    assert run.process.poll() is None
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 0
    assert not lives(child)
    assert "1 cancelled" in run.stderr()


def test_kill_9_leaves_no_child(start: Callable[..., Run]) -> None:
    """Children end with the command, however it ends."""
    run = start(STUBBORN)
    child = child_pid(run)
    run.process.kill()
    run.process.wait()
    wait_for(lambda: not lives(child), "the child's end")


def test_stop_file_that_is_touched_stops(start: Callable[..., Run], tmp_path: Path) -> None:
    """A STOP file from before stops nothing; touching it lets the item finish."""
    (tmp_path / "STOP").write_text("")
    os.utime(tmp_path / "STOP", (1, 1))
    run = start(HEAD + "pipeline = Pipeline(ExternalProcess('Work', ['/bin/sh', '-c', "
                "'echo begun; while [ ! -e ../go ] && [ ! -e go ]; do sleep 0.05; done']))\n")
    wait_for(lambda: "begun" in run.stdout(), "the item")
    (tmp_path / "STOP").touch()
    wait_for(lambda: "touched" in run.stderr(), "the sentence")
    (tmp_path / "go").touch()
    assert run.wait() == 0
    assert "1 completed, 0 failed" in run.stderr()


@pytest.mark.parametrize(("source", "sentence"), [
    ("print 'hello'\n", "Python 2"),
    ("try:\n    x = 1\nexcept Exception, e:\n    pass\n", "Python 2"),
    ("import urllib2\n", "Python 2"),
    ("import sys\nsys.exit(4)\n", "sys.exit(4)"),
    ("import no_such_module_here\n", "no_such_module_here is missing"),
    ("def broken(:\n", "not valid Python"),
    ("raise RuntimeError('no wget-at')\n", "no wget-at"),
    ("project = None\n", "does not define `pipeline`"),
])
def test_what_cannot_be_loaded_says_why(
    start: Callable[..., Run], source: str, sentence: str
) -> None:
    """Exit status 1 and the reason in a sentence."""
    run = start(source)
    assert run.wait() == 1
    assert sentence in run.stderr()


@pytest.mark.parametrize(("body", "sentence"), [
    ("IOLoop.instance().add_timeout(datetime.timedelta(seconds=0.05), lambda: 1 / 0)",
     "ZeroDivisionError"),
    ("IOLoop.instance().add_callback(lambda: 1 / 0)", "ZeroDivisionError"),
    ("raise ValueError('broken on purpose')", "broken on purpose"),
    ("import sys; sys.exit(3)", "SystemExit: 3"),
])
def test_errors_of_project_code_fail_the_item(
    start: Callable[..., Run], body: str, sentence: str
) -> None:
    """Wherever the code was called, the item fails with the traceback in its log."""
    run = start(HEAD + "class Bad(Task):\n    def enqueue(self, item):\n"
                "        self.start_item(item)\n        " + body + "\n"
                "pipeline = Pipeline(Bad('Bad'))\n", "--max-items", "1")
    assert run.wait() == 0
    assert sentence in run.stdout()
    assert "0 completed, 1 failed" in run.stderr()


def test_missing_program_fails_the_item(start: Callable[..., Run]) -> None:
    """A program that is not there is named, with where it was looked for."""
    run = start(HEAD + "pipeline = Pipeline(ExternalProcess('Tool', ['no-such-tool']))\n",
                "--max-items", "1")
    assert run.wait() == 0
    assert "no-such-tool cannot be run: there is no such program on /bin:/usr/bin" in run.stdout()
    assert "1 failed" in run.stderr()


def test_closed_stdout_fails_no_item(tmp_path: Path) -> None:
    """Who closes our standard output loses the output, not the items."""
    (tmp_path / "pipeline.py").write_text(HEAD + (
        "class Talk(SimpleTask):\n    def process(self, item):\n        print('x' * 5000)\n"
        "pipeline = Pipeline(Talk('Talk'))\n"))
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run-pipeline"), "--disable-web-server", "--max-items", "40",
         str(tmp_path / "pipeline.py"), "volunteer"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(DEADLINE) == 0
    assert "Standard output is closed" in said
    assert "40 completed" in said


@pytest.mark.parametrize("arguments", [
    [], ["pipeline.py"], ["pipeline.py", "x"], ["pipeline.py", "volunteer", "--bogus"],
    ["pipeline.py", "volunteer", "--concurrent", "0"],
    ["pipeline.py", "volunteer", "--context-value", "no"],
])
def test_wrong_usage(arguments: list[str]) -> None:
    """Exit status 64 and a line that says what is wrong."""
    done = subprocess.run([sys.executable, str(ROOT / "run-pipeline"), *arguments],
                          capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 64
    assert done.stderr.startswith("usage: ")


def test_other_address_without_password_is_refused() -> None:
    """Exit status 78, and how to do it right."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "run-pipeline"), "--address", "0.0.0.0",
         str(ROOT / "projects/example/pipeline.py"), "volunteer"],
        capture_output=True, text=True, timeout=DEADLINE, check=False,
        env={k: v for k, v in os.environ.items() if k != "HTTP_PASSWORD"})
    assert done.returncode == 78
    assert "--insecure-no-password" in done.stderr


def test_no_descriptors_left_means_later(start: Callable[..., Run]) -> None:
    """A program that cannot be started for want of descriptors is started when there are some."""
    run = start(HEAD + """
import resource
class Hog(SimpleTask):
    def process(self, item):
        resource.setrlimit(resource.RLIMIT_NOFILE, (80, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        files = []
        try:
            while True:
                files.append(open('/dev/null'))
        except OSError:
            pass
        def let_go():
            for file in files:
                file.close()
        IOLoop.instance().add_timeout(datetime.timedelta(seconds=1), let_go)
pipeline = Pipeline(Hog('Hog'), ExternalProcess('Echo', ['/bin/echo', 'at last']))
""", "--max-items", "1")
    assert run.wait() == 0
    assert "cannot be started now" in run.stdout()
    assert "at last" in run.stdout()
    assert "1 completed, 0 failed" in run.stderr()


def test_slow_reader_of_a_flood_holds_it_up(start: Callable[..., Run]) -> None:
    """Project code that is slower than a program's output slows it down; nothing piles up."""
    run = start(HEAD + """
import resource
class Slow(ExternalProcess):
    seen = 0
    def on_subprocess_stdout(self, pipe, item, data):
        time.sleep(0.001)
        Slow.seen += len(data)
class Tell(SimpleTask):
    def process(self, item):
        print('seen %d, peak %d MB' % (
            Slow.seen, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))
pipeline = Pipeline(Slow('Flood', ['/usr/bin/head', '-c', '200000000', '/dev/zero']), Tell('Tell'))
""", "--max-items", "1")
    assert run.wait() == 0
    line = next(line for line in run.stdout().splitlines() if line.startswith("seen"))
    assert line.startswith("seen 200000000,")
    assert int(line.split()[-2]) < 150

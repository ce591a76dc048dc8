"""The commands as PID 1, as in every container, and below a PID 1 that does not reap.

Each runs in a PID namespace of its own, made by unshare.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.kit import (
    ROOT,
    Command,
    run_pipeline_argv,
    wait_for,
    write_pipeline,
)

UNSHARE = ["unshare", "-pf", "--mount-proc", "--kill-child"]


def _refused() -> str:
    try:
        done = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no unshare"
    return "" if done.returncode == 0 else f"unshare: {done.stderr.strip()}"


pytestmark = pytest.mark.skipif(bool(_refused()), reason=_refused() or "unshare works")

#: A PID 1 that starts the command and takes no notice of anybody else.
NEGLIGENT = [sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"]

ORPHANS = """\
    code = '(sleep 0.05 &) ; (setsid sleep 0.05 &) ; exit 0'
    def zombies():
        found = []
        for name in filter(str.isdigit, os.listdir('/proc')):
            try:
                words = open('/proc/%s/stat' % name).read().rpartition(')')[2].split()
            except OSError:
                continue
            if words[0] == 'Z':
                found.append((name, words[1], words[2]))
        return found
    class Status(SimpleTask):
        def process(self, item):
            # What the project itself waits for is left to it.
            for number in range(20):
                assert subprocess.run(['sh', '-c', 'exit %d' % number]).returncode == number
            popen = subprocess.Popen(['sh', '-c', 'exit 9'])
            os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
            subprocess.run(['sh', '-c', '(true &)'])
            assert popen.wait() == 9
            item.log_output('statuses are right')
    class Reaped(SimpleTask):
        def process(self, item):
            while zombies():
                time.sleep(0.01)
            item.log_output('nothing is left')
    class Unreaped(SimpleTask):
        def process(self, item):
            while not zombies():
                time.sleep(0.01)
"""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start a command in a PID namespace; what is left of it is killed at the end."""
    started: list[Command] = []

    def start(*argv: str, before: tuple[str, ...] | list[str] = (), **more: Any) -> Command:
        started.append(Command([*before, *UNSHARE, *argv], tmp_path, **more))
        return started[-1]

    yield start
    for one in started:
        with one:
            for process in psutil.Process(one.pid).children() if one.process.poll() is None else []:
                process.kill()


def first_process(of: Command) -> psutil.Process:
    """PID 1 of the namespace, as seen from outside."""
    def children() -> list[psutil.Process]:
        if of.process.poll() is not None:
            return []
        return [one for one in psutil.Process(of.pid).children(recursive=True)
                if _inner_pid(one) == "1"]

    process = wait_for(children, what="PID 1")[0]
    assert isinstance(process, psutil.Process)
    return process


def _inner_pid(process: psutil.Process) -> str:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return ""
    line = next(line for line in status.splitlines() if line.startswith("NSpid:"))
    return line.split()[-1]


def test_run_pipeline_reaps(tmp_path: Path, command: Callable[..., Command]) -> None:
    """A task ends although a process that it left behind has ended as an orphan; no zombie stays,
    and no exit status is taken from who waits for it."""
    path = write_pipeline(tmp_path, ORPHANS + """\
    pipeline = Pipeline(ExternalProcess('bg', ['sh', '-c', code]), Status('Status'),
                        Reaped('Reaped'))
    """)
    one = command(*run_pipeline_argv(path, "--max-items", "2"))
    assert one.wait(60) == 0
    assert "2 completed, 0 failed" in one.output
    assert one.output.count("nothing is left") == one.output.count("statuses are right") == 2


def test_below_a_first_process_that_does_not_reap(
    tmp_path: Path, command: Callable[..., Command]
) -> None:
    """A group of zombies that stay is no reason to wait."""
    path = write_pipeline(tmp_path, ORPHANS + """\
    pipeline = Pipeline(ExternalProcess('bg', ['sh', '-c', code]), Unreaped('Unreaped'))
    """)
    one = command(*NEGLIGENT, *run_pipeline_argv(path, "--max-items", "2"))
    assert one.wait(60) == 0
    assert "2 completed, 0 failed" in one.output


def test_a_plain_script_as_first_process(
    tmp_path: Path, command: Callable[..., Command]
) -> None:
    """SimpleRunner, too, ends: orphans of its programs are no reason to wait."""
    path = write_pipeline(tmp_path, ORPHANS + """\
    class Ended(SimpleTask):
        def process(self, item):
            while not os.path.exists('ended'):
                time.sleep(0.01)
    pipeline = Pipeline(
        ExternalProcess('bg', ['/bin/sh', '-c', '(sleep 0.05; touch ended) & exit 0']), Ended('Ended'))
    from seesaw.runner import SimpleRunner
    assert os.getpid() == 1
    SimpleRunner(pipeline, max_items=1).start()
    while zombies():
        time.sleep(0.01)
    print('DONE')
    """)
    one = command(sys.executable, str(path), env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert one.wait(60) == 0 and one.output.endswith("DONE\n")


GATED = """\
    pipeline = Pipeline(ExternalProcess('Gate', ['sh', '-c',
        'echo RUN""NING; while [ ! -e go ]; do sleep 0.02; done']))
    """


@pytest.mark.parametrize(("number", "said"), [
    (signal.SIGINT, "Interrupted."), (signal.SIGTERM, "Asked to terminate.")])
def test_signals_reach_run_pipeline(
    tmp_path: Path, command: Callable[..., Command], number: int, said: str
) -> None:
    """What `docker stop` sends to PID 1 stops it gently, once; its exit status is handed on."""
    one = command(*run_pipeline_argv(write_pipeline(tmp_path, GATED)))
    one.wait_output("RUNNING")
    first_process(one).send_signal(number)
    one.wait_output(f"{said} Stopping when the current item is done")
    (tmp_path / "go").touch()
    assert one.wait(60) == 0
    assert one.output.count(" Stopping ") == 1 and "1 completed" in one.output


def test_a_key_of_the_terminal_counts_once(
    tmp_path: Path, command: Callable[..., Command]
) -> None:
    """Ctrl-C on the terminal of `docker run -it` is one interrupt, not two."""
    terminal = [sys.executable, "-c",
                "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:], "
                "lambda fd: os.read(fd, 1024), lambda fd: os.read(fd, 1) or b'')))"]
    read_end, write_end = os.pipe()
    try:
        one = command(*run_pipeline_argv(write_pipeline(tmp_path, GATED)), before=terminal,
                      stdin=read_end)
        one.wait_output("RUNNING")
        os.write(write_end, b"\x03")
        one.wait_output("Interrupted. Stopping when the current item is done")
        (tmp_path / "go").touch()
        assert one.wait(60) == 0
        assert "at once." not in one.output.replace("to stop at once.", "")
    finally:
        os.close(read_end)
        os.close(write_end)


@pytest.mark.parametrize("arguments", [["--help"], ["--no-such-option"]])
def test_exit_statuses(
    tmp_path: Path, command: Callable[..., Command], arguments: list[str]
) -> None:
    """PID 1 ends with the status of the command."""
    one = command(sys.executable, str(ROOT / "run-pipeline"), *arguments)
    assert one.wait(60) == (0 if arguments == ["--help"] else 64)


def _leave_orphan(of: psutil.Process) -> None:
    """Do as `docker exec` does with a program that leaves another one behind."""
    subprocess.run(["nsenter", "-t", str(of.pid), "-p", "-m", "sh", "-c", "(sleep 0.05 &)"],
                   check=True)


def _zombies(of: psutil.Process) -> list[psutil.Process]:
    return [one for one in of.children() if one.status() == psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("name", ["run-warrior", "run-tracker"])
def test_the_servers_reap(
    tmp_path: Path, command: Callable[..., Command], name: str
) -> None:
    """A day's orphans leave no zombies behind, and SIGTERM ends the server with status 0."""
    arguments = {
        "run-warrior": ["--state-dir", str(tmp_path / "state"), "--warrior-hq", "", "--address",
                        "127.0.0.1", "--port", "0"],
        "run-tracker": ["--data-dir", str(tmp_path / "tracker"), "--port", "0"]}[name]
    one = command(sys.executable, str(ROOT / name), *arguments)
    one.wait_output(r"http://127\.0\.0\.1:\d+")
    first = first_process(one)
    own = len(first.children())
    for _ in range(3):
        _leave_orphan(first)
    wait_for(lambda: len(first.children()) == own and not _zombies(first), what="no zombie")
    first.send_signal(signal.SIGTERM)
    assert one.wait(60) == 0, one.output

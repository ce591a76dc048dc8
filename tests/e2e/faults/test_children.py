"""Faults of children: whatever a child does, its item ends and nothing of it is left.

Covered: ignoring TERM; double forks; background grandchildren holding the pipe; stopping
itself; 100 MB of output; binary, NULs, no newline, half characters, CR; never reading or
closing stdin; children left when the command is killed with -9, interrupted twice, told
TERM; the group of an item that fails; a Ctrl-C of the terminal.
"""

from __future__ import annotations

import os
import pty
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.support.kit import (
    Played,
    long_time,
    marked_processes,
    no_process_left,
    play,
    run_pipeline,
    run_pipeline_argv,
    start_pipeline,
    wait_for,
    write_pipeline,
)

IGNORES = ("import os, signal, sys, time\n"
           "signal.signal(signal.SIGTERM, lambda *seen: os.write(1, b'HEARD TERM\\n'))\n"
           "signal.signal(signal.SIGINT, signal.SIG_IGN); print('READY', flush=True)\n"
           "time.sleep(float(sys.argv[1]))")


def child_pipeline(folder: Path, code: str, *arguments: str) -> Path:
    """A pipeline whose one task runs Python code with these arguments."""
    return write_pipeline(folder, f"""\
        pipeline = Pipeline(ExternalProcess('Child', [PYTHON, '-c', {code!r}, *{arguments!r}]))
        """)


def test_child_that_ignores_term(tmp_path: Path) -> None:
    """stop_now: TERM, and after the given time KILL."""
    mark = long_time()
    path = child_pipeline(tmp_path, IGNORES, mark)

    async def script(played: Played) -> None:
        await played.until_log("READY")
        played.runner.stop_now(kill_after=0.5)
        await played.until_log("HEARD TERM")

    with no_process_left(mark):
        play(path, script)


@pytest.mark.long
def test_child_that_ignores_term_by_the_command(tmp_path: Path) -> None:
    """Two interrupts: the command ends, and so has the child."""
    mark = long_time()
    path = child_pipeline(tmp_path, IGNORES, mark)
    with no_process_left(mark), start_pipeline(path) as command:
        command.wait_output("READY")
        command.interrupt()
        command.wait_output("(?i)stop|interrupt")
        command.interrupt()
        assert command.wait() == 0


def test_double_forking_child(tmp_path: Path) -> None:
    """What a child left in its group ends with its item."""
    mark = long_time()
    code = ("import os, sys, time\n"
            "if os.fork() == 0:\n"
            "    if os.fork() == 0:\n"
            "        os.close(0); os.close(1); os.close(2); time.sleep(float(sys.argv[1]))\n"
            "    os._exit(0)\n"
            "print('DONE')")
    with no_process_left(mark):
        seen = play(child_pipeline(tmp_path, code, mark)).only
        assert seen.outcome == "completed" and "DONE" in seen.log


def test_grandchild_that_holds_the_pipe(tmp_path: Path) -> None:
    """A background process that keeps the output open does not keep the item."""
    mark = long_time()
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(ExternalProcess('Hold', ['sh', '-c', 'sleep {mark} & echo LAST']))
        """)
    with no_process_left(mark):
        seen = play(path).only
        assert seen.outcome == "completed" and "LAST" in seen.log


def test_output_of_a_grandchild_still_counts(tmp_path: Path) -> None:
    """What comes shortly after the child's exit is in the log before the next task."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Late', ['sh', '-c', '(sleep 0.3; echo LATE) & echo FIRST']),
                            PrintItem())
        """)
    log = play(path).only.log
    assert log.index("FIRST") < log.index("LATE") < log.index("Finished Late")


def test_child_that_stops_itself(tmp_path: Path) -> None:
    """A stopped child can be ended all the same."""
    mark = long_time()
    path = child_pipeline(tmp_path, "import os, signal, sys\nprint('READY', flush=True)\n"
                                    "os.kill(os.getpid(), signal.SIGSTOP)", mark)

    async def script(played: Played) -> None:
        await played.until_log("READY")
        await played.until(lambda: [p for p in marked_processes(mark)
                                    if p.status() == psutil.STATUS_STOPPED])
        played.runner.stop_now(kill_after=0.5)

    with no_process_left(mark):
        play(path, script)


def test_failed_items_group_ends(tmp_path: Path) -> None:
    """A child that fails and left others behind: they end with the item."""
    mark = long_time()
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(ExternalProcess('Fail', ['sh', '-c',
            'sleep {mark} >/dev/null 2>&1 & exit 3']))
        """)
    with no_process_left(mark):
        assert play(path).only.outcome == "failed"


STREAMS = {
    "nul bytes": (b"a\0b\0\0c\n", "a\0b\0\0c\n"),
    "undecodable": (b"x\xff\xfe\x80y\n", "x\ufffd\ufffd\ufffdy\n"),
    "carriage returns": (b"10%\r20%\r100%\r\n", "10%\r20%\r100%\r\n"),
    "escapes": (b"\x1b[31mred\x1b[0m\x1b]0;title\x07\n", "\x1b[31mred\x1b[0m\x1b]0;title\x07\n"),
    "half a character at the end": (b"end \xe2\x82", "end \ufffd"),
}


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_odd_output(tmp_path: Path, name: str) -> None:
    """Any bytes reach the log, undecodable ones as U+FFFD; nothing else is changed or lost."""
    raw, text = STREAMS[name]
    path = child_pipeline(tmp_path, f"import os; os.write(1, {raw!r})")
    assert text in play(path).only.log


def test_characters_split_over_writes(tmp_path: Path) -> None:
    """A character whose bytes come one at a time is still that character."""
    text = "\u00e9\u20ac\U0001f600" * 5
    code = ("import os, sys, time\n"
            f"for b in {text.encode()!r}:\n    os.write(1, bytes([b])); time.sleep(.002)")
    assert text in play(child_pipeline(tmp_path, code)).only.log


@pytest.mark.parametrize("line", [100, 0])
def test_hundred_megabytes(tmp_path: Path, line: int) -> None:
    """100 MB come through whole, with newlines or without any, in bounded memory."""
    size = 100 * 1000 * 1000
    chunk = "b'x' * 99 + b'\\n'" if line else "b'x' * 100"
    code = (f"import os\nblock = ({chunk}) * 1000\n"
            f"for i in range({size} // len(block)):\n"
            "    view = block\n    while view: view = view[os.write(1, view):]")
    path = child_pipeline(tmp_path, code)
    command = run_pipeline_argv(path, "--max-items", "1")
    read, write = os.pipe()
    pid = os.posix_spawn(command[0], command, dict(os.environ), file_actions=[
        (os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2),
        (os.POSIX_SPAWN_CLOSE, read)])
    os.close(write)
    process, count, most = psutil.Process(pid), 0, 0
    with open(read, "rb", buffering=0) as pipe:
        while data := pipe.read(1 << 20):
            count += data.count(b"x")
            most = max(most, _resident(process))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert size * 98 // 100 <= count <= size + 1000
    assert most < 200 << 20


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def test_child_that_never_reads_its_input(tmp_path: Path) -> None:
    """A megabyte that nobody reads blocks nothing; it fails the item when the child ends."""
    path = write_pipeline(tmp_path, """\
        class Feed(ExternalProcess):
            def stdin_data(self, item):
                return b'x' * (1 << 20)
        pipeline = Pipeline(Feed('Feed', [
            'sh', '-c', 'echo BEGIN; while [ ! -e go ]; do sleep 0.02; done; echo END']))
        """)

    async def script(played: Played) -> None:
        await played.until_log("BEGIN")
        (tmp_path / "go").touch()  # reached only by a loop that goes on

    seen = play(path, script).only
    assert seen.outcome == "failed" and "END" in seen.log


def test_child_that_closes_its_input(tmp_path: Path) -> None:
    """A child that closes stdin early gets no signal's death from us; it fails the item, whatever
    its status."""
    path = write_pipeline(tmp_path, """\
        class Feed(ExternalProcess):
            def stdin_data(self, item):
                return b'x' * (1 << 20)
        pipeline = Pipeline(Feed('Feed', ['sh', '-c', 'exec <&-; sleep 0.1; exit %d']))
        """)
    for code in (0, 3):
        path.write_text(path.read_text().replace("%d", str(code)).replace("exit 0", f"exit {code}"))
        seen = play(path).only
        assert seen.outcome == "failed"
        assert f"Feed returned exit code {code}, but did not read all of its input" in seen.log


@pytest.mark.usefixtures("heeds_hang_up")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, "interrupts"])
def test_no_child_is_left_when_the_command_ends(tmp_path: Path, how: object) -> None:
    """However run-pipeline ends, even by kill -9, its children end with it."""
    mark = long_time()
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(ExternalProcess('Sleep', ['sh', '-c',
            'sleep {mark} & echo RUNNING; sleep {mark}']))
        """)
    with no_process_left(mark), start_pipeline(path, "--concurrent", "3") as command:
        wait_for(lambda: command.output.count("RUNNING") == 3)
        if how == "interrupts":
            command.interrupt()
            command.wait_output("(?i)stop|interrupt")
            command.interrupt()
            assert command.wait(20) == 0
        else:
            command.send(how)  # type: ignore[arg-type]
            if how is signal.SIGTERM:
                command.wait_output("(?i)stop|interrupt")
                command.send(how)
            command.wait(20)
            if how is signal.SIGTERM:
                assert command.process.returncode == 0


def test_kill_9_ends_children_that_ignore_term(tmp_path: Path) -> None:
    """Also those that ignore TERM."""
    mark = long_time()
    path = child_pipeline(tmp_path, IGNORES, mark)
    with no_process_left(mark), start_pipeline(path) as command:
        command.wait_output("READY")
        command.send(signal.SIGKILL)
        command.wait(10)


def test_ctrl_c_of_a_terminal_does_not_reach_children(tmp_path: Path) -> None:
    """On a real terminal Ctrl-C goes to the foreground group: the child must not be in it."""
    path = write_pipeline(tmp_path, """\
        code = 'import os, time\\nprint("RUNNING", flush=True)\\nwhile not os.path.exists("go"): time.sleep(.01)\\nprint("SURVIVED")'
        pipeline = Pipeline(ExternalProcess('Child', [PYTHON, '-c', code]))
        """)
    argv = run_pipeline_argv(path)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(argv[0], argv)
    output = b""

    def read_until(text: bytes) -> None:
        nonlocal output
        deadline = time.monotonic() + 20
        while text not in output:
            assert time.monotonic() < deadline, output
            try:
                output += os.read(terminal, 65536)
            except OSError:  # the terminal's other side has closed
                break
        assert text in output, output

    try:
        read_until(b"RUNNING")
        os.write(terminal, b"\x03")
        read_until(b"top")
        (tmp_path / "go").write_text("")
        read_until(b"SURVIVED")
        read_until(b"Finished Child")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        pid = 0
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)


def test_missing_program_by_the_command(tmp_path: Path) -> None:
    """A program that is not there: the item fails with a sentence, the command ends with 0."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Wget', ['./wget-at', '-V']))
        """)
    ended = run_pipeline(path)
    assert ended.status == 0
    assert "./wget-at" in ended.output and "Failed Wget for Item" in ended.output
    assert "Traceback" not in ended.output


@pytest.mark.parametrize("kind", ["directory", "not executable", "no interpreter", "empty"])
def test_program_that_cannot_be_run(tmp_path: Path, kind: str) -> None:
    """A folder, a plain file, a script without its interpreter, an empty file: a sentence."""
    tool = tmp_path / "tool"
    if kind == "directory":
        tool.mkdir()
    else:
        tool.write_text({"no interpreter": "#!/no/such/interpreter\n", "empty": ""}.get(kind, "x"))
        tool.chmod(0o644 if kind == "not executable" else 0o755)
    seen = play(write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Tool', ['./tool']))
        """)).only
    assert seen.outcome == "failed"
    assert "tool" in seen.log and "Traceback" not in seen.log

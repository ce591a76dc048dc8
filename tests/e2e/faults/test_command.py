"""Faults and stops as the user of the command line sees them.

Covered: two interrupts, one interrupt, SIGTERM; closed stdout (pipe, /dev/full, fd closed);
STOP file (there before, touched); bad usage; Python 2 files; missing files, folders,
unreadable files; a read-only folder; a deleted data folder; many items; exit statuses.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.kit import (
    ROOT,
    Command,
    long_time,
    no_process_left,
    run_pipeline,
    run_pipeline_argv,
    start_pipeline,
    wait_for,
    write_pipeline,
)

GATED = """\
    code = 'import os, time\\nprint("RUN" + "NING", flush=True)\\nwhile not os.path.exists("go"): time.sleep(.01)'
    pipeline = Pipeline(SetItemKey('item_name', 'gated'), ExternalProcess('Gate', [PYTHON, '-c', code]))
    """


def command(*arguments: str, name: str = "run-pipeline", cwd: Path = ROOT,
            timeout: float = 30) -> tuple[int, str]:
    """Run the command with these arguments; status and all output."""
    with Command([sys.executable, str(ROOT / name), *arguments], cwd) as started:
        return started.wait(timeout), started.output


def test_one_interrupt_finishes_the_items(tmp_path: Path) -> None:
    """The first interrupt: current items are done, no new one starts, status 0; it is said."""
    path = write_pipeline(tmp_path, GATED)
    with start_pipeline(path, "--concurrent", "2") as started:
        wait_for(lambda: started.output.count("RUNNING") == 2)
        started.interrupt()
        started.wait_output("(?i)stop|interrupt")
        (tmp_path / "go").write_text("")
        assert started.wait(20) == 0
        assert started.output.count("Starting Gate") == 2
        assert started.output.count("Finished Gate") == 2


def test_two_interrupts_stop_at_once(tmp_path: Path) -> None:
    """Two interrupts within five seconds end everything now, with status 0, no child left."""
    mark = long_time()
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(ExternalProcess('Sleep', ['sh', '-c', 'echo RUNNING; sleep {mark}']))
        """)
    with no_process_left(mark), start_pipeline(path) as started:
        started.wait_output("RUNNING")
        started.interrupt()
        started.wait_output("(?i)stop|interrupt")
        started.interrupt()
        assert started.wait() == 0
        assert "Traceback" not in started.output


def test_terminate(tmp_path: Path) -> None:
    """SIGTERM: items finish, then status 0."""
    path = write_pipeline(tmp_path, GATED)
    with start_pipeline(path) as started:
        started.wait_output("RUNNING")
        started.send(signal.SIGTERM)
        started.wait_output("(?i)stop|terminat")
        (tmp_path / "go").write_text("")
        assert started.wait(20) == 0
        assert started.output.count("Finished Gate") == 1


def test_interrupt_while_loading(tmp_path: Path) -> None:
    """An interrupt while the file still loads ends the command without a traceback."""
    path = write_pipeline(tmp_path, """\
        print('LOADING')
        while not os.path.exists('go'):
            time.sleep(0.01)
        pipeline = Pipeline(PrintItem())
        """)
    with start_pipeline(path) as started:
        started.wait_output("LOADING")
        started.interrupt()
        started.wait_output("(?i)stop|interrupt")
        (tmp_path / "go").write_text("")
        assert started.wait(20) in (0, 1)
        assert "Starting PrintItem" not in started.output


def test_interrupt_while_waiting_for_the_tracker(tmp_path: Path) -> None:
    """An item that only waits does not hold up the end."""
    path = write_pipeline(tmp_path, "\
        pipeline = Pipeline(GetItemFromTracker('http://127.0.0.1:9/', 'x'))\n".lstrip())
    with start_pipeline(path) as started:
        started.wait_output("(?i)retrying|again")
        started.interrupt()
        assert started.wait(20) == 0  # before it would ask again


def test_closed_stdout_fails_no_item(tmp_path: Path) -> None:
    """When the reader of stdout goes away the items go on and finish; nothing crashes."""
    path = write_pipeline(tmp_path, """\
        class Talk(SimpleTask):
            def process(self, item):
                for i in range(200):
                    print('some line', i)
                    sys.stdout.flush()
        class Note(SimpleTask):
            def process(self, item):
                with open('done', 'a') as f:
                    f.write('%d\\n' % item.item_number)
        pipeline = Pipeline(Talk('Talk'), ExternalProcess('Echo', ['echo', 'hi']), Note('Note'))
        """)
    read, write = os.pipe()
    with start_pipeline(path, "--max-items", "3", stdout=write) as started:
        os.close(write)
        os.read(read, 10)
        os.close(read)
        status = started.wait(30)
        errors = started.output
    done = (tmp_path / "done").read_text() if (tmp_path / "done").exists() else ""
    assert status == 0, errors
    assert done == "1\n2\n3\n"
    assert "Traceback" not in errors


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_full_stdout_fails_no_item(tmp_path: Path) -> None:
    """A standard output that takes nothing (disk full) fails no item."""
    path = write_pipeline(tmp_path, """\
        class Note(SimpleTask):
            def process(self, item):
                print('some line')
                with open('done', 'a') as f:
                    f.write('%d\\n' % item.item_number)
        pipeline = Pipeline(ExternalProcess('Echo', ['echo', 'hi']), Note('Note'))
        """)
    with open("/dev/full", "wb") as full, start_pipeline(
            path, "--max-items", "2", stdout=full.fileno()) as started:
        assert started.wait(30) == 0, started.output
    assert (tmp_path / "done").read_text() == "1\n2\n"


def test_stdout_that_was_never_open(tmp_path: Path) -> None:
    """`run-pipeline >&-`: started without a standard output, items complete all the same."""
    path = write_pipeline(tmp_path, """\
        class Note(SimpleTask):
            def process(self, item):
                print('line')
                sys.stdout.flush()
                with open('done', 'a') as f:
                    f.write('x')
        pipeline = Pipeline(ExternalProcess('Echo', ['echo', 'hi']), Note('Note'))
        """)
    argv = run_pipeline_argv(path, "--max-items", "1")
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *argv], cwd=tmp_path,
                          timeout=30, check=False)
    assert done.returncode == 0
    assert (tmp_path / "done").read_text() == "x"


def test_slow_stdout_holds_up_the_loop_never(tmp_path: Path) -> None:
    """A reader of stdout that pauses: the command still obeys two interrupts."""
    path = write_pipeline(tmp_path, """\
        code = 'while True: print("y" * 1000)'
        pipeline = Pipeline(ExternalProcess('Flood', [PYTHON, '-c', code]))
        """)
    read, write = os.pipe()
    try:
        with start_pipeline(path, stdout=write) as started:
            os.close(write)
            assert os.read(read, 1000)
            started.interrupt()
            started.wait_output("(?i)stop|interrupt")  # on standard error
            started.interrupt()
            assert started.wait(20) == 0
    finally:
        os.close(read)


@pytest.mark.parametrize("arguments", [
    [], ["only-one.py"], ["a.py", "nick", "more"], ["--no-such-option", "a.py", "nick"],
    ["--concurrent", "x", "a.py", "nick"], ["--concurrent", "-1", "a.py", "nick"],
    ["--max-items", "x", "a.py", "nick"], ["--port", "x", "a.py", "nick"],
    ["--port", "70000", "a.py", "nick"], ["--context-value", "no-equals", "a.py", "nick"],
    ["a.py", "ab"], ["a.py", "has space"], ["a.py", "umläut"], ["a.py", "x" * 31],
    ["a.py", "nick\n"], ["a.py", ""], ["a.py", "nick;rm"],
])
def test_bad_usage(arguments: list[str]) -> None:
    """Bad usage: status 64 and a line that says what is wrong; no traceback."""
    status, output = command("--disable-web-server", *arguments)
    assert status == 64
    assert output.strip() and "Traceback" not in output


@pytest.mark.parametrize("nick", ["abc", "x" * 30, "A-b_9", "---"])
def test_good_nicknames(tmp_path: Path, nick: str) -> None:
    """^[-_a-zA-Z0-9]{3,30}$"""
    path = write_pipeline(tmp_path, "print('NICK', downloader)\npipeline = Pipeline(PrintItem())\n")
    argv = ["--disable-web-server", "--max-items", "1"]
    status, output = command(*argv, "--", str(path), nick)
    assert status == 0, output
    assert f"NICK {nick}\n" in output


@pytest.mark.parametrize("name", ["run-pipeline", "run-pipeline3"])
def test_help_and_version(name: str) -> None:
    """--help names every option of the contract; --version names the version; both 0."""
    status, output = command("--help", name=name)
    assert status == 0
    for option in ("--concurrent", "--max-items", "--stop-file", "--disable-web-server",
                   "--keep-data", "--address", "--port", "--http-username", "--http-password",
                   "--context-value", "--version"):
        assert option in output, option
    status, output = command("--version", name=name)
    assert status == 0 and "0.10.3" in output


def test_options_anywhere(tmp_path: Path) -> None:
    """Options may follow the arguments, and take =; existing units write both."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(PrintItem())\n")
    status, output = command(str(path), "nick-1", "--max-items=2", "--disable-web-server",
                             "--concurrent=2")
    assert status == 0 and output.count("Finished PrintItem") == 2


@pytest.mark.parametrize("kind", ["directory", "unreadable bytes", "empty", "nul", "dangling"])
def test_files_that_are_no_pipeline(tmp_path: Path, kind: str) -> None:
    """Whatever the path leads to: status 1 and a sentence that names it."""
    path = tmp_path / "pipeline.py"
    if kind == "directory":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to(tmp_path / "gone")
    else:
        path.write_bytes({"unreadable bytes": b"x = '\xff\xfe'\n", "empty": b"",
                          "nul": b"x = 1\0\n"}[kind])
    ended = run_pipeline(path)
    assert ended.status == 1
    assert "pipeline.py" in ended.output


def test_python_2_in_a_helper(tmp_path: Path) -> None:
    """Also when only a helper module beside the file is Python 2."""
    (tmp_path / "helper.py").write_text("def f():\n    print 'old'\n")
    path = write_pipeline(tmp_path, "import sys, os\nsys.path.insert(0, os.getcwd())\n"
                                    "import helper\npipeline = Pipeline(PrintItem())\n")
    ended = run_pipeline(path)
    assert ended.status == 1
    assert "Python 2" in ended.output and "helper.py" in ended.output


def test_data_folder_cannot_be_made(tmp_path: Path) -> None:
    """A file where the data folder should be: it is said, the command can be stopped."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(PrintItem())\n")
    (tmp_path / "data").write_text("a file")
    with start_pipeline(path, "--max-items", "1") as started:
        started.wait_output(r"data")
        started.interrupt()
        assert started.wait(15) == 0
        assert "Traceback" not in started.output
    assert (tmp_path / "data").read_text() == "a file"


def test_data_folder_disappears(tmp_path: Path) -> None:
    """A task that removes the item's own folder, or all of data, fails nothing by it."""
    path = write_pipeline(tmp_path, """\
        import shutil
        class Remove(SimpleTask):
            def process(self, item):
                shutil.rmtree('data')
        pipeline = Pipeline(Remove('Remove'))
        """)
    ended = run_pipeline(path, "--max-items", "2")
    assert ended.status == 0
    assert ended.output.count("Finished Remove") == 2


def test_many_items_in_a_row(tmp_path: Path) -> None:
    """Three hundred items one after another and six at once end cleanly, folders removed."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(SetItemKey('item_name', 'x'), PrintItem())\n")
    ended = run_pipeline(path, "--max-items", "300", "--concurrent", "6")
    assert ended.status == 0
    assert ended.output.count("Finished PrintItem") == 300
    assert list((tmp_path / "data").iterdir()) == []


def test_stop_file_from_before_is_ignored(tmp_path: Path) -> None:
    """A STOP file that was there before the start stops nothing; the items run to the end."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(PrintItem())\n")
    (tmp_path / "STOP").write_text("")
    ended = run_pipeline(path, "--max-items", "3")
    assert ended.status == 0 and ended.output.count("Finished PrintItem") == 3


def test_no_resource_warning_or_task_noise(tmp_path: Path) -> None:
    """A clean run in development mode says nothing of leaks or pending tasks."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Echo', ['echo', 'hi']), PrintItem())
        """)
    argv = run_pipeline_argv(path, "--max-items", "2")
    argv[1:1] = ["-X", "dev"]
    with Command(argv, tmp_path) as started:
        assert started.wait(30) == 0
        for word in ("ResourceWarning", "never awaited", "was destroyed", "never retrieved",
                     "DeprecationWarning", "Traceback"):
            assert word not in started.output, started.output


def test_runs_from_any_directory_by_a_symlink(tmp_path: Path) -> None:
    """A link to run-pipeline elsewhere (~/bin) finds its modules."""
    link = tmp_path / "run-pipeline"
    link.symlink_to(ROOT / "run-pipeline")
    path = write_pipeline(tmp_path / "p", "pipeline = Pipeline(PrintItem())\n")
    with Command([sys.executable, str(link), "--disable-web-server", "--max-items", "1",
                  str(path), "nick"], tmp_path) as started:
        assert started.wait(30) == 0, started.output

"""How run-pipeline begins and ends: page first, signals, standard output, exit statuses."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.kit import ROOT, Command, wait_for, write_pipeline
from tests.support.processes import lives

WAITS_FOR_GO = """
class Work(SimpleTask):
    def process(self, item):
        print('begun')
        while not os.path.exists('go'):
            time.sleep(0.02)
pipeline = Pipeline(Work('Work'))
"""

TRIVIAL = "pipeline = Pipeline(SetItemKey('item_name', 'one'))\n"

Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts run-pipeline with its page on a file with this source."""
    started: list[Command] = []

    def begin(source: str, *options: str, port: str = "0", **more: object) -> Command:
        path = write_pipeline(tmp_path / "project", source)
        environment = {**os.environ, **more.pop("env", {})}  # type: ignore[dict-item]
        started.append(Command(
            [sys.executable, "-W", "error", str(ROOT / "run-pipeline"), "--port", port, *options,
             str(path), "tester"], tmp_path, environment, **more))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for command in started:
        command.__exit__(None, None, None)


def url_of(command: Command) -> str:
    return command.wait_output(r"The page is at (http://\S+)")[1]


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_page_answers_while_the_file_is_loaded(start: Start) -> None:
    """Files may take long to load; an interrupt then ends the command, with status 0."""
    command = start("open('loading', 'w').close()\ntime.sleep(600)\n" + TRIVIAL)
    url = url_of(command)
    wait_for(lambda: (Path(command.argv[-2]).parent / "loading").exists())
    assert status_of(url) == 200
    command.interrupt()
    assert command.wait(10) == 0
    assert "Stopping before the pipeline is loaded" in command.output


def test_port_in_use(start: Start, tmp_path: Path) -> None:
    """Status 69, a sentence that names the port, and nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = start("open('loaded', 'w').close()\n" + TRIVIAL, port=str(port))
        assert command.wait() == 69
    assert f"port {port}" in command.output and "--port" in command.output
    assert not (tmp_path / "project" / "loaded").exists()


def test_address_that_is_not_here(start: Start) -> None:
    """Status 69 as well."""
    command = start(TRIVIAL, "--address", "192.0.2.1", "--insecure-no-password")
    assert command.wait() == 69
    assert "192.0.2.1" in command.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_lets_the_item_finish(start: Start, tmp_path: Path, number: int) -> None:
    """It says what it waits for; the item completes, and no other is begun."""
    command = start(WAITS_FOR_GO)
    command.wait_output("begun")
    command.send(number)
    command.wait_output("Stopping when the current item is done")
    (tmp_path / "project" / "go").touch()
    assert command.wait() == 0
    assert "Done: 1 completed, 0 failed, 0 cancelled." in command.output


def test_project_code_that_does_not_return_cannot_keep_it(start: Start) -> None:
    """The second interrupt ends the command although a task sleeps on."""
    command = start(WAITS_FOR_GO)
    command.wait_output("begun")
    command.interrupt()
    command.wait_output("Interrupt again")
    command.interrupt()
    assert command.wait(10) == 0
    assert "1 cancelled" in command.output


def test_non_daemon_threads_of_a_project_cannot_keep_it(start: Start) -> None:
    """A thread that a file has started is not waited for."""
    command = start("threading.Thread(target=time.sleep, args=(600,)).start()\n" + TRIVIAL,
                    "--max-items", "1")
    assert command.wait(20) == 0


@pytest.mark.usefixtures("heeds_hang_up")
def test_hang_up_ends_the_children(start: Start) -> None:
    """When the terminal is closed, what runs is ended at once."""
    command = start("pipeline = Pipeline(ExternalProcess('Sleep', ['/bin/sh', '-c',"
                    " 'echo pid $$; exec sleep 600']))\n")
    child = int(command.wait_output(r"pid (\d+)")[1])
    command.send(signal.SIGHUP)
    assert command.wait(15) == 0
    assert not lives(child)


def test_stdout_that_nobody_reads_stops_nothing(start: Start, tmp_path: Path) -> None:
    """A pager at rest: the page answers, items go on, two interrupts end the command."""
    read, write = os.pipe()
    try:
        command = start(
            """
            class Talk(SimpleTask):
                def process(self, item):
                    print('x' * 100000)
                    open('count', 'a').write('.')
            pipeline = Pipeline(Talk('Talk'))
            """, stdout=write)
        os.close(write)
        url = url_of(command)
        counted = tmp_path / "project" / "count"
        wait_for(lambda: counted.exists() and counted.stat().st_size >= 5)
        assert status_of(url) == 200
        command.interrupt()
        command.wait_output("Stopping")
        command.interrupt()
        assert command.wait(15) == 0
        assert "Nobody reads standard output" in command.output
    finally:
        os.close(read)


def taken_until_paused(command: Command) -> int:
    """Wait until the command reads nothing more of what its child prints; the bytes it has read."""
    def taken() -> int:
        found = re.search(r"rchar: (\d+)", Path(f"/proc/{command.pid}/io").read_text())
        assert found is not None
        return int(found[1])

    wait_for(lambda: taken() > 6_000_000)
    seen: list[int] = []

    def still() -> bool:
        seen.append(taken())
        return len(seen) > 30 and seen[-1] == seen[-30]

    wait_for(still)
    return seen[-1]


@pytest.mark.parametrize("arguments", ["['yes', 'x' * 100]", "['sh', '-c', 'yes; true']"],
                         ids=["program", "shell"])
def test_two_interrupts_end_a_child_that_is_paused(start: Start, arguments: str) -> None:
    """Nobody reads standard output, so what the child has printed last is waited for no more."""
    read, write = os.pipe()
    try:
        command = start(f"pipeline = Pipeline(ExternalProcess('Flood', {arguments}))\n",
                        stdout=write)
        os.close(write)
        taken_until_paused(command)
        command.interrupt()
        command.wait_output("Stopping")
        command.interrupt()
        assert command.wait(15) == 0
        assert "1 cancelled" in command.output
    finally:
        os.close(read)


def test_child_is_paused_while_stdout_is_stuck(start: Start, tmp_path: Path) -> None:
    """A child that prints without end waits for the reader: memory stays bounded."""
    read, write = os.pipe()
    try:
        command = start("pipeline = Pipeline(ExternalProcess('Flood', ['/bin/sh', '-c',"
                        " 'echo begun >&2; exec head -c 300000000 /dev/zero | tr \"\\\\0\" x']))\n",
                        "--max-items", "1", stdout=write)
        os.close(write)
        url_of(command)

        assert taken_until_paused(command) < 60_000_000
        total = 0
        while data := os.read(read, 1 << 20):
            total += len(data)
        assert command.wait() == 0
        assert total > 300_000_000
        assert "1 completed" in command.output
    finally:
        os.close(read)


def test_full_disk_under_stdout_fails_no_item(start: Start) -> None:
    """The sentence comes once, the items complete."""
    with open("/dev/full", "wb") as full:
        command = start("""
            class Talk(SimpleTask):
                def process(self, item):
                    print('hello')
            pipeline = Pipeline(Talk('Talk'))
            """, "--max-items", "5", stdout=full)
        assert command.wait() == 0
    assert command.output.count("Standard output cannot be written at the moment (No space left") == 1
    assert "5 completed, 0 failed" in command.output


def test_password_from_the_environment(start: Start) -> None:
    """It shuts the page, and project code does not find it in its environment."""
    command = start("print('PASSWORD', os.environ.get('HTTP_PASSWORD'))\n" + WAITS_FOR_GO,
                    env={"HTTP_PASSWORD": "secret"})
    url = url_of(command)
    command.wait_output("PASSWORD None")
    assert status_of(url + "api/state") == 401


def test_password_on_the_command_line_is_warned_of(start: Start) -> None:
    """Others can read it in the list of processes."""
    command = start(TRIVIAL, "--http-password", "secret", "--max-items", "1")
    assert command.wait() == 0
    assert "can see a password on the command line" in command.output


@pytest.mark.parametrize(("name", "sentence"), [
    ("nothing.py", "There is no file"), (".", "is a folder"),
])
def test_pipeline_that_is_not_there(tmp_path: Path, name: str, sentence: str) -> None:
    """Status 1 and a sentence, from any folder."""
    with Command([sys.executable, str(ROOT / "run-pipeline3"), name, "tester"],
                 tmp_path) as command:
        assert command.wait() == 1
        assert sentence in command.output


def test_example_from_another_folder(tmp_path: Path) -> None:
    """The classic command works from anywhere, with a relative path too."""
    path = os.path.relpath(ROOT / "projects" / "example" / "pipeline.py", tmp_path)
    with Command([sys.executable, "-W", "error", str(ROOT / "run-pipeline"), path, "someone",
                  "--max-items", "1", "--port", "0"], tmp_path) as command:
        assert command.wait() == 0
        assert "Running Example as someone" in command.output
        assert "1 completed, 0 failed" in command.output

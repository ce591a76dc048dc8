"""``make run``: what it prints at its start, ports that are in use, and how it ends."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.kit import wait_for

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/")


def checkout(folder: Path) -> Path:
    """A folder that is like a checkout, with data of its own."""
    folder.mkdir()
    for name in ("tools", "warrior", "pipeline_core", "tracker", "projects", "static", "templates",
                 "warrior.conf.example", "run-warrior", "run-tracker"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "Makefile").write_text(f"run:\n\t@{sys.executable} tools/practice.py\n")
    return folder


class Practice:
    """The command; all that it says is read at once."""

    def __init__(self, folder: Path, port: int, tracker_port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "tools/practice.py"], cwd=folder, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "WARRIOR_PORT": str(port), "PRACTICE_PORT": str(tracker_port)})
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    def started(self) -> int:
        """The port in the last line, once the page's address stands there alone."""
        wait_for(lambda: self.process.poll() is not None
                 or (self.lines and ADDRESS.fullmatch(self.lines[-1])), 60, "the address")
        found = ADDRESS.fullmatch(self.lines[-1])
        assert found, self.lines
        return int(found[1])

    def end(self) -> int:
        """Interrupt it; the exit status, when all is read."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(60)
        self._reader.join(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def practice() -> Iterator[Callable[..., Practice]]:
    """Starts it, and ends it after the test."""
    started: list[Practice] = []

    def start(folder: Path, port: int = 0, tracker_port: int = 0) -> Practice:
        started.append(Practice(folder, port, tracker_port))
        return started[-1]

    yield start
    for one in started:
        one.end()


@contextlib.contextmanager
def listener() -> Iterator[int]:
    """A port that somebody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def answers(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20) as answer:
        return bool(answer.read() == b"healthy\n")


def test_ports_in_use_are_passed_over(
    tmp_path: Path, practice: Callable[..., Practice]
) -> None:
    """The next free ones are taken, for the page and the tracker, and it is said; the address is
    the last line, the page answers there, and an interrupt ends it with 0."""
    with listener() as page, listener() as tracker:
        one = practice(checkout(tmp_path / "one"), page, tracker)
        port = one.started()
        assert port > page and answers(port)
        assert f"Port {page} cannot be used; the page uses {port} instead." in one.lines
        [project] = [line for line in one.lines if line.startswith("Practice project: ")]
        assert re.search(rf"^Port {tracker} cannot be used; the practice tracker uses (\d+) instead\.$",
                         "\n".join(one.lines), re.MULTILINE)[1] in project  # type: ignore[index]
        assert one.end() == 0
    assert one.lines[-1] == "The warrior has shut down."


def test_two_checkouts_run_side_by_side(
    tmp_path: Path, practice: Callable[..., Practice]
) -> None:
    """The second passes over the ports of the first."""
    first = practice(checkout(tmp_path / "one"))
    port = first.started()
    second = practice(checkout(tmp_path / "two"), port)
    other = second.started()
    assert other != port and answers(port) and answers(other)
    assert (second.end(), first.end()) == (0, 0)


def test_a_second_one_in_the_same_checkout(
    tmp_path: Path, practice: Callable[..., Practice]
) -> None:
    """It says that the state folder is in use, starts nothing, and the first goes on."""
    folder = checkout(tmp_path / "one")
    first = practice(folder)
    port = first.started()
    second = practice(folder)
    assert second.process.wait(60) == 73
    second.end()
    [sentence] = second.lines
    assert sentence.startswith(f"Another warrior uses the state folder {folder}/warrior-data")
    assert answers(port)


@pytest.mark.skipif(not shutil.which("setsid"), reason="it gives a command a terminal of its own")
def test_ctrl_c_is_for_the_warrior_alone(tmp_path: Path) -> None:
    """At a terminal make does not get it too: it ends when the warrior has ended, with 0."""
    terminal, other_end = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", "make", "run"], cwd=checkout(tmp_path / "one"),
        stdin=other_end, stdout=other_end, stderr=other_end, start_new_session=True,
        env={**os.environ, "WARRIOR_PORT": "0", "PRACTICE_PORT": "0"})
    os.close(other_end)
    said = b""

    def screen(wanted: bytes) -> bool:
        nonlocal said
        if select.select([terminal], [], [], 0.1)[0]:
            with contextlib.suppress(OSError):  # nobody has it open any more
                said += os.read(terminal, 65536)
        return re.search(wanted, said) is not None

    try:
        wait_for(lambda: screen(rb"\nhttp://127\.0\.0\.1:\d+/\r\n$"), 60, "the address")
        os.write(terminal, b"\x03")
        wait_for(lambda: screen(rb"has shut down\.\r\n"), 60, "the end")
        status = process.wait(60)
    finally:
        print(said.decode())  # shown when it fails
        os.close(terminal)  # which is a hang-up to those that are left
        process.wait(60)
    assert (status, b"***" in said) == (0, False), said

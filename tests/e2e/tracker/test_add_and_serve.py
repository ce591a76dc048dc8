"""The command line, as users run it."""

from __future__ import annotations

import functools
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.tracker_server import run_in_a_process

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_tracker(tmp_path: Path) -> Run:
    """Return a function that runs one ``run-tracker`` command on the same data folder, in a
    process of its own."""
    return functools.partial(run_in_a_process, tmp_path / "data")


def test_add_counts_new_and_known(run_tracker: Run, tmp_path: Path) -> None:
    """Files and standard input are queued, one name in each line; new and known ones are
    counted."""
    (tmp_path / "one").write_bytes(b"a\nb\n\nc")
    (tmp_path / "two").write_bytes(b"\xef\xbb\xbfb\r\nd e \r\n\xe2\x80\xa8\n")
    files = [str(tmp_path / "one"), "-", str(tmp_path / "two")]
    ended = run_tracker("add", "p", *files, given="a\nx\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        0, "p is a new project.\np: 6 new, 2 already there\n", "",
    )  # fmt: skip
    assert run_tracker("status", "p").stdout == "p: 6 to do, 0 out, 0 done\n"
    assert run_tracker("add", "p", *files, given="a\n").stdout == "p: 0 new, 7 already there\n"


def test_lines_are_names_verbatim(run_tracker: Run, start_tracker: Callable[..., Any]) -> None:
    """Only a line feed ends a name: spaces and other separators belong to it."""
    run_tracker("add", "p", "-", given=" a \x0b\x0c\u2028\r\r\n\rb\n")
    assert start_tracker().client().request("p", multi=9) == [" a \x0b\x0c\u2028\r", "\rb"]


def test_add_many(run_tracker: Run) -> None:
    """Several transactions queue all items; an empty file makes a project."""
    given = "".join(f"item-{number}\n" for number in range(2500))
    assert run_tracker("add", "p", "-", given=given).stdout == (
        "p is a new project.\np: 2500 new, 0 already there\n"
    )
    assert run_tracker("add", "q", "-").stdout == (
        "q is a new project.\nq: 0 new, 0 already there\n"
    )
    assert run_tracker("status", "q").stdout == "q: 0 to do, 0 out, 0 done\n"


@pytest.mark.parametrize("bad", [b"\xff\xfe", b"a\0b", b"\xed\xa0\x80", b"x" * 70_000])
def test_add_a_line_that_is_no_name(run_tracker: Run, bad: bytes) -> None:
    """A line that cannot be an item gives 65 and is named; the other lines are queued."""
    ended = run_tracker("add", "p", "-", given=b"good\n" + bad + b"\nafter\n")
    assert ended.returncode == 65
    assert "standard input, line 2" in ended.stderr
    assert run_tracker("add", "p", "-", given=b"good\nafter\n").returncode == 0


def test_add_a_file_that_is_not_there(run_tracker: Run, tmp_path: Path) -> None:
    """A missing file and a folder give 66 and are named; the files before are queued."""
    (tmp_path / "one").write_text("a\n")
    for missing in str(tmp_path / "missing"), str(tmp_path):
        ended = run_tracker("add", "p", str(tmp_path / "one"), missing)
        assert ended.returncode == 66
        assert f"Cannot read {missing}" in ended.stderr
    assert run_tracker("status", "p").stdout == "p: 1 to do, 0 out, 0 done\n"


def test_add_while_serving(run_tracker: Run, start_tracker: Callable[..., Any]) -> None:
    """The running server hands out items that another process adds."""
    run_tracker("add", "p", "-", given="a\n")
    client = start_tracker().client()
    assert (client.request("p"), client.request("p")) == (["a"], [])
    assert run_tracker("add", "p", "-", given="a\nb\n").stdout == "p: 1 new, 1 already there\n"
    assert (client.request("p"), client.request("p")) == (["b"], [])
    assert run_tracker("status", "p").stdout == "p: 0 to do, 2 out, 0 done\n"


def test_help(run_tracker: Run) -> None:
    """--help lists the commands and exit statuses."""
    ended = run_tracker("--help")
    assert ended.returncode == 0
    assert all(word in ended.stdout for word in ("add", "status", "--practice", "exit status"))


def test_status_of_what_is_not_there(run_tracker: Run, tmp_path: Path) -> None:
    """If there is no tracker, the status is 73 and none is made; for an unknown project it is
    64."""
    assert run_tracker("status", "p").returncode == 73
    assert not (tmp_path / "data").exists()
    run_tracker("add", "q", "-", given="a\n")
    ended = run_tracker("status", "p")
    assert ended.returncode == 64 and "run-tracker add p FILE" in ended.stderr


def test_options_after_the_command(run_tracker: Run, tmp_path: Path) -> None:
    """--data-dir may be given before and after the command; the later one counts."""
    other = str(tmp_path / "other")
    run_tracker("add", "p", "-", "--data-dir", other, given="a\n")
    assert run_tracker("status", "--data-dir", other, "p").stdout.startswith("p: 1 to do")
    assert run_tracker("status", "p").returncode == 73


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.1", "no such host", "a..b"])
def test_cannot_listen(run_tracker: Run, tmp_path: Path, address: str) -> None:
    """A used port, another host's address and an illegal address give 69, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run_tracker("--address", address, "--port", port)
    assert (ended.returncode, ended.stdout) == (69, "")
    assert f"Cannot listen on {address}, port {port}" in ended.stderr
    assert "--port" in ended.stderr


def test_folder_that_cannot_be_used(run_tracker: Run, tmp_path: Path) -> None:
    """A data folder that is a file, or has another file as its database, gives 73."""
    (tmp_path / "data").touch()
    for arguments in (["--port", "0"], ["add", "p", "-"]):
        ended = run_tracker(*arguments, given="a\n")
        assert ended.returncode == 73 and str(tmp_path / "data") in ended.stderr
    (tmp_path / "data").unlink()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tracker.sqlite3").write_bytes(b"no database" * 100)
    assert run_tracker("--port", "0").returncode == 73
    assert run_tracker("add", "p", "-", given="a\n").returncode == 73

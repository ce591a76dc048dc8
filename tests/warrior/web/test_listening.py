"""The control socket: commands and state for its owner, and for nobody else."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.warrior.web.conftest import MakeWarrior, RunningConsole, WarriorRunning
from warrior.web.listening import ControlSocket


def speak(path: Path, method: str, address: str, body: bytes | None = None,
          **headers: str) -> tuple[int, str]:
    """Send one request to a Unix socket."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(60)
    connection.sock.connect(str(path))
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    connection.request(method, address, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


@pytest.fixture
def path(warrior: WarriorRunning, tmp_path: Path) -> Path:
    warrior.on_loop(warrior.console.open_control_socket, str(tmp_path / "control.sock"))
    return tmp_path / "control.sock"


def test_no_token_and_no_password(make_warrior: MakeWarrior, tmp_path: Path) -> None:
    """Whoever can open the file may do everything, even if the page has a password."""
    warrior = make_warrior(password="secret secret")
    warrior.on_loop(warrior.warrior.add_card, "one")
    path = tmp_path / "control.sock"
    warrior.on_loop(warrior.console.open_control_socket, str(path))
    status, text = speak(path, "GET", "/api/state")
    assert status == 200
    assert json.loads(text)["program"]["kind"] == "warrior"
    assert speak(path, "GET", "/healthz") == (200, "healthy\n")
    assert speak(path, "GET", "/api/projects/one/log")[0] == 200
    assert speak(path, "POST", "/api/stop", b"{}", Host="anything.example")[0] == 200
    assert speak(path, "POST", "/api/projects/select", b'{"projects": ["one"]}')[0] == 200
    assert speak(path, "POST", "/api/settings", b'{"values": {"downloader": "-"}}')[0] == 400
    assert warrior.called[:2] == [("stop",), ("select", ["one"])]


@pytest.mark.parametrize("address", [
    "/", "/index.html", "/static/warrior.css", "/sockjs/info", "/sockjs/000/a/websocket",
    "/api/login", "/api/logout"])
def test_nothing_else_is_there(path: Path, address: str) -> None:
    """No page, no sockets, no sessions."""
    assert speak(path, "GET", address)[0] == 404


def test_commands_are_as_strict_as_elsewhere(
        warrior: WarriorRunning, path: Path) -> None:
    """Commands need POST and JSON of limited size."""
    assert speak(path, "GET", "/api/stop")[0] == 405
    assert speak(path, "POST", "/api/stop", b"{")[0] == 415
    assert speak(path, "POST", "/api/stop", b"{}", **{"Content-Type": "text/plain"})[0] == 415
    assert speak(path, "POST", "/api/stop", b"x" * 70_000)[0] == 413
    assert warrior.called == []


def test_a_password_set_here_logs_everybody_out(warrior: WarriorRunning, path: Path) -> None:
    """No session has set it."""
    session = warrior.session()
    body = b'{"values": {"http_password": "a good one"}}'
    assert speak(path, "POST", "/api/settings", body)[0] == 200
    assert warrior.ask("GET", "/api/state", session).status == 401


def test_file_is_its_owners_alone_and_goes_at_the_end(
        warrior: WarriorRunning, path: Path) -> None:
    """0600 from the first moment; the umask is as before."""
    before = os.umask(0o22)
    os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert before != 0o177
    warrior.on_loop(warrior.console.close)
    assert not path.exists()


def test_run_pipeline_could_have_one_too(console: RunningConsole, tmp_path: Path) -> None:
    """run-pipeline's socket has its commands."""
    path = tmp_path / "control.sock"
    console.on_loop(console.console.open_control_socket, str(path))
    assert speak(path, "POST", "/api/keep-running", b"{}")[0] == 200
    assert speak(path, "POST", "/api/restart", b"{}")[0] == 404


def test_stale_socket_is_replaced(tmp_path: Path) -> None:
    """One of a program that has died."""
    path = tmp_path / "control.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    control = ControlSocket(str(path))
    control.socket.close()
    control.remove()
    assert not path.exists()


def test_somebody_else_listens(tmp_path: Path) -> None:
    """It is left alone."""
    path = tmp_path / "control.sock"
    first = ControlSocket(str(path))
    with pytest.raises(OSError, match="control.sock: another program uses it already"):
        ControlSocket(str(path))
    # And a full queue is somebody too.
    waiting = []
    try:
        while True:
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            waiting.append(one)
            one.connect(str(path))
    except BlockingIOError:
        pass
    with pytest.raises(OSError, match="another program uses it already"):
        ControlSocket(str(path))
    for one in [*waiting, first.socket]:
        one.close()
    first.remove()


@pytest.mark.parametrize("make", [
    lambda path: path.write_text("precious"), lambda path: path.mkdir(),
    lambda path: path.symlink_to("/dev/null")])
def test_something_else_lies_there(tmp_path: Path, make: Any) -> None:
    """Nothing is removed that is no socket."""
    path = tmp_path / "control.sock"
    make(path)
    with pytest.raises(OSError, match="this is not a socket"):
        ControlSocket(str(path))
    assert path.is_symlink() or path.exists()


def test_path_that_is_too_long(tmp_path: Path) -> None:
    """The system allows about a hundred characters; the error says so."""
    with pytest.raises(OSError, match="Cannot listen at .*too long"):
        ControlSocket(str(tmp_path / ("x" * 120)))


def test_another_ones_socket_is_not_removed(tmp_path: Path) -> None:
    """The socket of a later program stays."""
    path = tmp_path / "control.sock"
    first = ControlSocket(str(path))
    first.socket.close()
    second = ControlSocket(str(path))
    second.socket.close()
    first.remove()
    assert path.exists()
    second.remove()
    assert not path.exists()


def test_a_closed_console_answers_nobody(console: RunningConsole) -> None:
    """A connection that was kept alive gets one refusal and ends: no page may come back to a
    program that is ending."""
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=60)
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"healthy\n")
    console.on_loop(console.console.close)
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    assert answer.status == 503 and answer.getheader("Connection") == "close"
    assert b"ending" in answer.read()
    connection.close()

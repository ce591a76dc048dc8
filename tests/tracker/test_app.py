"""The server from its start to a signal."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.tracker_server import run_in_a_process

Start = Callable[..., Any]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(start_tracker: Start, how: signal.Signals) -> None:
    """SIGTERM and SIGINT end the server with 0 and nothing on standard error."""
    server = start_tracker()
    idle = server.client()
    assert idle.raw("GET", "/")[0] == 200  # a kept connection does not hold it up
    assert server.stop(how) == 0
    assert server.errors == []


def test_requests_in_flight_are_answered_first(
    start_tracker: Start, run_tracker: Callable[..., Any], tmp_path: Path
) -> None:
    """A claim that is in flight at the signal is answered before the server ends."""
    run_tracker("add", "p", "-", given="a\n")
    server = start_tracker()
    database = sqlite3.connect(tmp_path / "data" / "tracker.sqlite3")
    database.execute("BEGIN IMMEDIATE")  # the claim has to wait for this
    where, body = urlsplit(server.url), b'{"downloader": "SOMEONE"}'
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(
            b"POST /p/request HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        assert server.client().raw("GET", "/nothing/at/all")[0] == 404  # the claim was read by now
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.3)
        database.rollback()
        with connection.makefile("rb") as answer:
            assert json.loads(answer.read().partition(b"\r\n\r\n")[2])["items"] == ["a"]
    assert server.process.wait(20) == 0
    database.close()


def test_a_second_signal_ends_the_waiting(start_tracker: Start) -> None:
    """Two signals end the server although a request is in flight."""
    server = start_tracker("--practice", "--practice-items", "1")
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(
            b"PUT /practice/upload/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert b"100" in connection.recv(100)
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.3)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(3) == 0


def test_says_where_it_listens(start_tracker: Start, tmp_path: Path) -> None:
    """With port 0 the server prints the real port and the upload folder; it warns only if others
    can reach it."""
    server = start_tracker()
    assert server.output[0] == f"Tracker listening at {server.url}/\n"
    assert server.output[-1] == f"Uploads arrive in {tmp_path / 'data' / 'uploads'}\n"
    assert urlsplit(server.url).port not in (0, None)


def test_ipv6(start_tracker: Start) -> None:
    """An IPv6 address is in brackets, in the output and in upload targets."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
    server = start_tracker("--practice", "--address", "::1")
    assert server.url.startswith("http://[::1]:")
    ask = {"downloader": "SOMEONE", "item_name": "practice:1"}
    assert server.client().post("/practice/upload", ask)[1]["upload_target"].startswith(server.url)


def test_one_server_for_each_folder(start_tracker: Start, run_tracker: Callable[..., Any]) -> None:
    """A second server gets 73 and the first one's process; after a kill -9 it can start."""
    first = start_tracker()
    ended = run_tracker("--port", "0")
    assert ended.returncode == 73
    assert f"process {first.process.pid}" in ended.stderr
    first.kill()
    second = start_tracker()
    assert second.client().raw("GET", "/")[0] == 200


def test_claims_go_on_while_many_items_are_added(
    start_tracker: Start, run_tracker: Callable[..., Any], tmp_path: Path
) -> None:
    """The server can claim items while tens of thousands are added."""
    run_tracker("add", "p", "-", given="".join(f"first-{n}\n" for n in range(2000)))
    client = start_tracker().client()
    given = "".join(f"item-{number}\n" for number in range(30_000))
    ended: list[Any] = []
    adding = threading.Thread(
        target=lambda: ended.append(
            run_in_a_process(tmp_path / "data", "add", "p", "-", given=given))
    )
    adding.start()
    claimed = 0
    while adding.is_alive() and claimed < 2000:
        claimed += len(client.request("p"))
    adding.join()
    assert ended[0].stdout == "p: 30000 new, 0 already there\n"
    assert claimed > 10
    assert client.status("p")["todo"] == 32_000 - claimed


def test_run_from_anywhere(tmp_path: Path) -> None:
    """The program at the root runs from any folder, and through a link."""
    link = tmp_path / "run-tracker"
    link.symlink_to(Path(__file__).resolve().parents[2] / "run-tracker")
    command = [sys.executable, str(link), "status", "p"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=30, check=False)
    assert ended.returncode == 73 and b"no tracker in tracker-data" in ended.stderr

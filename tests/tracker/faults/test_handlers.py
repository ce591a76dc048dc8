"""Each fault, as a client of a real server sees it."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

SOMEONE = {"downloader": "SOMEONE"}
ASK = {
    "request": SOMEONE,
    "upload": {**SOMEONE, "item_name": "a"},
    "done": {**SOMEONE, "item": "a", "bytes": {}},
    "release": {**SOMEONE, "items": ["a"]},
}


@pytest.fixture
def serve(start_tracker: Callable[..., Any], run_tracker: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that starts a server with faults, whose project ``p`` has 4 items."""

    def start(spec: str) -> Any:
        assert run_tracker("add", "p", "-", given="a\nb\nc\nd\n").returncode == 0
        return start_tracker("--faults", spec)

    return start


def test_statuses(serve: Callable[..., Any]) -> None:
    """The server answers the status and does nothing; a 429 says how long to wait."""
    client = serve("request:429=1 upload:455=1 done:500=1 release:420=1 retry-after=3").client()
    for command, status in (("request", 429), ("upload", 455), ("done", 500), ("release", 420)):
        assert client.post(f"/p/{command}", ASK[command])[0] == status
    body = json.dumps(SOMEONE).encode()
    client.connection.request("POST", "/p/request", body, {"Content-Type": "application/json"})
    answer = client.connection.getresponse()
    assert answer.read().startswith(b"429, on purpose")
    assert answer.headers["Retry-After"] == "3"
    assert client.status("p") == {"project": "p", "todo": 4, "out": 0, "done": 0}


def test_no_faults_without_the_option(
    start_tracker: Callable[..., Any], run_tracker: Callable[..., Any]
) -> None:
    """Without the option there are no faults, and no failing targets."""
    run_tracker("add", "p", "-", given="a\n")
    server = start_tracker()
    client = server.client()
    assert client.request("p") == ["a"]
    assert client.raw("PUT", "/_faults/http500/x", b"x")[0] == 404
    assert "on purpose" not in "".join(server.output)


def test_the_faults_are_printed_and_logged(serve: Callable[..., Any]) -> None:
    """The server prints the faults when it starts, and logs each one that it makes."""
    server = serve("done:500=0.5,404=0.5 seed=7")
    assert "on purpose: done:500=0.5,404=0.5 seed=7\n" in "".join(server.output)
    server.client().post("/p/done", ASK["done"])
    server.stop()
    assert "/p/done: fault: " in "".join(server.errors)


@pytest.mark.parametrize("command", list(ASK))
def test_garbage(serve: Callable[..., Any], command: str) -> None:
    """No garbage can be mistaken for an answer to the command."""
    client = serve("all:garbage=1 seed=5").client()
    kinds = set()
    for _ in range(40):
        status, answer = client.post(f"/p/{command}", ASK[command])
        assert status == 200
        text = json.dumps(answer)
        if isinstance(answer, dict):
            assert not isinstance(answer.get("item_name"), str)
            assert not isinstance(answer.get("upload_target"), str)
            assert answer.get("items") != ["a"]
        else:
            assert answer != "OK\n"
        kinds.add("big" if len(text) > 1024 * 1024 else text[:12])
    assert len(kinds) == 5, kinds
    assert client.status("p") == {"project": "p", "todo": 4, "out": 0, "done": 0}


def test_cut_does_nothing(serve: Callable[..., Any]) -> None:
    """The connection is closed without an answer, and no item is handed out."""
    client = serve("request:cut=1").client()
    with pytest.raises(http.client.RemoteDisconnected):
        client.post("/p/request", SOMEONE)
    assert client.status("p")["todo"] == 4


def test_lost_does_the_work(serve: Callable[..., Any]) -> None:
    """The command is carried out, and its answer is incomplete or missing."""
    client = serve("request:lost=1 done:lost=1 seed=3").client()
    seen = set()
    for command in ("request", "request", "request", "request", "done"):
        with pytest.raises((http.client.RemoteDisconnected, http.client.IncompleteRead)) as lost:
            client.post(f"/p/{command}", ASK[command])
        seen.add(lost.type)
    assert client.status("p") == {"project": "p", "todo": 0, "out": 3, "done": 1}
    assert len(seen) == 2


def test_a_refusal_is_not_lost(serve: Callable[..., Any]) -> None:
    """A refusal did nothing, so it is answered as usual and not counted as a lost answer."""
    client = serve("done:lost=1").client()
    status, answer = client.post("/p/done", {**SOMEONE, "item": "unknown"})
    assert status == 409 and "no item" in answer


def test_slow_answers_come_whole(serve: Callable[..., Any]) -> None:
    """A delayed answer and one that trickles are the right answers."""
    client = serve("request:trickle=1 done:delay=1 delay-seconds=0.3 byte-seconds=0.005").client()
    status, answer = client.post("/p/request", SOMEONE)
    assert (status, answer["items"]) == (200, ["a"])
    assert client.post("/p/done", ASK["done"]) == (200, "OK\n")


def test_a_server_with_slow_answers_stops(
    serve: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    """A pause of an hour does not keep a signal from ending the server."""
    server = serve("request:delay=1 done:trickle=1 delay-seconds=3600 byte-seconds=3600")
    clients = [server.client() for _ in range(2)]
    body = json.dumps(ASK["done"]).encode()
    for client, command in zip(clients, ("request", "done")):
        client.connection.request(
            "POST", f"/p/{command}", body, {"Content-Type": "application/json"}
        )
    asking = server.client()
    eventually(lambda: asking.status("p")["done"] == 1)
    assert server.stop() == 0
    assert "Traceback" not in "".join(server.errors)


def dead_targets(client: Any, number: int = 40) -> dict[str, str]:
    """The targets that the server names, by kind."""
    found = {}
    for _ in range(number):
        status, answer = client.post("/p/upload", ASK["upload"])
        assert status == 200
        target = answer["upload_target"]
        parts = urlsplit(target)
        kind = "module" if parts.scheme == "rsync" else "refused" if parts.port == 1 else "http500"
        found[kind] = target
    return found


def test_dead_targets(serve: Callable[..., Any], tmp_path: Path) -> None:
    """The three kinds refuse the connection, do not have the module, and answer 500."""
    client = serve("upload:dead=1 seed=2").client()
    targets = dead_targets(client)
    assert sorted(targets) == ["http500", "module", "refused"]
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", 1), 10):
        pass
    for size in (5, 3_000_000):
        path = urlsplit(targets["http500"]).path
        status, text = client.raw("PUT", f"{path}a.warc.gz", b"x" * size)
        assert (status, text) == (500, b"This upload target fails on purpose (--faults).\n")
    file = tmp_path / "a.warc.gz"
    file.write_bytes(b"warc")
    rsync = shutil.which("rsync")
    assert rsync, "rsync is missing: apt-get install rsync"
    ended = subprocess.run(
        [rsync, str(file), targets["module"]], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 5 and "Unknown module" in ended.stderr, ended


def test_hostile_clients_of_the_rsync_target(serve: Callable[..., Any]) -> None:
    """Silence, an endless line and a reset only close the connection."""
    server = serve("upload:module=1")
    target = urlsplit(dead_targets(server.client(), 1)["module"])
    assert target.hostname and target.port
    with socket.create_connection((target.hostname, target.port), 20) as talk:
        talk.settimeout(20)
        assert talk.recv(100).startswith(b"@RSYNCD:")
        talk.sendall(b"x" * 100_000)
        try:
            while talk.recv(1000):
                pass
        except ConnectionResetError:
            pass
    with socket.create_connection((target.hostname, target.port), 20):
        assert server.stop() == 0
    assert "Traceback" not in "".join(server.errors)
    assert "exception" not in "".join(server.errors)


def test_the_same_seed_makes_the_same_faults(
    start_tracker: Callable[..., Any], run_tracker: Callable[..., Any], tmp_path: Path
) -> None:
    """Two servers give the same answers to the same requests, whatever comes between these."""
    seen = []
    for noise in (0, 1):
        data = tmp_path / f"data{noise}"
        server = start_tracker(
            "--faults", "done:500=0.3,404=0.3 upload:500=0.5 seed=7", data_dir=data
        )
        client = server.client()
        answers = []
        for _ in range(20):
            answers.append(client.post("/p/done", ASK["done"])[0])
            for _ in range(noise):
                client.post("/p/upload", ASK["upload"])
        seen.append(answers)
    assert seen[0] == seen[1]
    assert {500, 404} < set(seen[0])


def test_faults_under_load(serve: Callable[..., Any]) -> None:
    """Many clients at once get faults at the given rate, and nothing else fails."""
    server = serve("request:500=0.5 seed=1")
    statuses: list[int] = []

    def ask() -> None:
        client = server.client()
        for _ in range(25):
            statuses.append(client.post("/p/request", SOMEONE)[0])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(statuses) == 200
    assert statuses.count(200) == 4
    assert 70 < statuses.count(500) < 130


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [("rough seed=x", "seed takes a whole number"), ("request:404=2", "rate from 0 to 1")],
)
def test_a_bad_spec_is_bad_usage(run_tracker: Callable[..., Any], spec: str, sentence: str) -> None:
    """The exit status is 64, a sentence explains the error, and nothing is started."""
    ended = run_tracker("--faults", spec)
    assert ended.returncode == 64
    assert sentence in ended.stderr and "Traceback" not in ended.stderr


def test_help(run_tracker: Callable[..., Any], tmp_path: Path) -> None:
    """The help is printed, and nothing is started."""
    ended = run_tracker("--faults", "help")
    assert ended.returncode == 0 and "rough" in ended.stdout
    assert not (tmp_path / "data").exists()

"""Which clients are refused, and how, when settings change while the server runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def client(start_tracker: Callable[..., Any], run_tracker: Run) -> Any:
    """A client of a server whose project ``p`` has the items a to e."""
    assert run_tracker("add", "p", "-", given="a\nb\nc\nd\ne\n").returncode == 0
    return start_tracker().client()


def ask(client: Any, **more: object) -> tuple[int, Any]:
    """Request an item."""
    status: tuple[int, Any] = client.post("/p/request", {"downloader": "SOMEONE", **more})
    return status


def test_minimum_version(client: Any, run_tracker: Run) -> None:
    """Older code gets 455 and no item, but can still report its finished work."""
    assert run_tracker("set", "p", "--min-version", "20260101.02").returncode == 0
    for old in ("20260101.01", "", None, 5):
        status, sentence = ask(client, version=old)
        assert status == 455 and "20260101.02" in sentence
    assert client.status("p")["out"] == 0
    assert ask(client, version="20260101.10")[0] == 200
    assert client.post("/p/upload", {"downloader": "SOMEONE", "item_name": "a"})[0] == 200
    assert client.done("p", "a") == (200, "OK\n")
    run_tracker("set", "p", "--min-version", "")
    assert ask(client)[0] == 200


def test_requests_per_minute(client: Any, run_tracker: Run) -> None:
    """Over the limit a request gets 429 with the seconds to wait; other commands work."""
    run_tracker("set", "p", "--requests-per-minute", "2")
    assert [ask(client)[0] for _ in range(2)] == [200, 200]
    status, headers = client.headers("/p/request", {"downloader": "ANOTHER"})
    assert status == 429
    assert 1 <= int(headers["Retry-After"]) <= 60
    assert client.done("p", "a") == (200, "OK\n")
    run_tracker("set", "p", "--requests-per-minute", "0")
    assert ask(client)[0] == 200


def test_requests_that_get_nothing_do_not_count(client: Any, run_tracker: Run) -> None:
    """A request that gets no items does not count."""
    run_tracker("create", "q", "--requests-per-minute", "1")
    for _ in range(3):
        assert client.post("/q/request", {"downloader": "SOMEONE"})[0] == 404
    run_tracker("add", "q", "-", given="a\n")
    assert client.post("/q/request", {"downloader": "SOMEONE"})[0] == 200


def test_blocked_names(client: Any, run_tracker: Run) -> None:
    """A blocked name gets 403, except that it can release its items; others are served."""
    assert ask(client)[1]["items"] == ["a"]
    run_tracker("blocks", "add", "someone", "--project", "p")
    assert ask(client)[0] == 403
    assert client.post("/p/upload", {"downloader": "SOMEONE", "item_name": "a"})[0] == 403
    assert client.done("p", "a")[0] == 403
    back = {"downloader": "SOMEONE", "items": ["a"]}
    assert client.post("/p/release", back) == (200, {"items": ["a"]})
    assert client.request("p", "ANOTHER") == ["b"]
    run_tracker("blocks", "remove", "someone", "--project", "p")
    assert ask(client)[0] == 200


def test_blocked_addresses(client: Any, run_tracker: Run) -> None:
    """A blocked address gets 403 for any name, and for uploads."""
    run_tracker("blocks", "add", "127.0.0.0/8")
    assert ask(client)[0] == 403
    assert client.raw("PUT", "/p/upload/x", b"data")[0] == 403
    run_tracker("blocks", "remove", "127.0.0.0/8")
    assert client.raw("PUT", "/p/upload/x", b"data")[0] == 201


def test_addresses_behind_a_proxy(start_tracker: Callable[..., Any], run_tracker: Run) -> None:
    """The server uses a proxy's headers only if it is told that there is a proxy."""
    run_tracker("add", "p", "-", given="a\nb\n")
    run_tracker("blocks", "add", "192.0.2.7")
    headers = {"Content-Type": "application/json", "X-Real-IP": "192.0.2.7"}
    body = b'{"downloader": "SOMEONE"}'
    first = start_tracker()
    assert first.client().raw("POST", "/p/request", body, headers)[0] == 200
    first.stop()
    client = start_tracker("--behind-proxy").client()
    assert client.raw("POST", "/p/request", body, headers)[0] == 403
    headers["X-Real-IP"] = "192.0.2.8"
    assert client.raw("POST", "/p/request", body, headers)[0] == 200


def test_paused_and_limited(client: Any, run_tracker: Run) -> None:
    """A paused project has no items; a limit of items applies to requests that ask for more."""
    run_tracker("set", "p", "--pause", "--max-items", "2")
    assert ask(client)[0] == 404
    run_tracker("set", "p", "--resume")
    assert client.request("p", multi=5) == ["a", "b"]
    assert client.request("p") == ["c"]


def test_queues_on_the_wire(client: Any, run_tracker: Run) -> None:
    """The answer has the queue of each item; items reserved for a downloader come first, for it
    alone."""
    run_tracker("add", "p", "-", "--for", "SOMEONE", given="mine\n")
    run_tracker("add", "p", "-", "--queue", "redo", given="again\n")
    run_tracker("add", "p", "-", "--queue", "secondary", given="second\n")
    assert client.request("p", "ANOTHER", multi=4) == ["a", "b", "c", "d"]
    answer = client.post("/p/multi=9/request", {"downloader": "SOMEONE"})[1]
    assert answer["items"] == ["mine", "e", "second", "again"]
    assert answer["queues"] == ["todo:d:SOMEONE", "todo", "todo:secondary", "todo:redo"]


def test_upload_targets(client: Any, run_tracker: Run) -> None:
    """Targets in the database are used by weight without a restart, but not if they are inactive.
    If all are inactive, clients have to wait, and cannot upload here."""
    one, two = "rsync://a.example/m/", "http://b.example/"
    want = {"downloader": "SOMEONE", "item_name": "a"}
    run_tracker("targets", "add", one, "--weight", "3")
    run_tracker("targets", "add", two)
    given = [client.post("/p/upload", want)[1]["upload_target"] for _ in range(8)]
    assert Counter(given) == {one: 6, two: 2}
    run_tracker("targets", "change", one, "--inactive")
    assert client.post("/p/upload", want)[1]["upload_target"] == two
    run_tracker("targets", "change", two, "--inactive")
    status, headers = client.headers("/p/upload", want)
    assert status == 503 and int(headers["Retry-After"]) > 0
    assert client.raw("PUT", "/p/upload/x", b"data")[0] == 403
    run_tracker("targets", "remove", one)
    run_tracker("targets", "remove", two)
    assert client.post("/p/upload", want)[1]["upload_target"] == client.url + "/p/upload/"


def test_refused_clients_are_not_logged(
    start_tracker: Callable[..., Any], run_tracker: Run
) -> None:
    """Refusals that the operator's settings cause are not logged."""
    run_tracker("create", "p", "--min-version", "2")
    server = start_tracker()
    client = server.client()
    for _ in range(5):
        assert client.post("/p/request", {"downloader": "SOMEONE"})[0] == 455
    server.stop()
    assert server.errors == []

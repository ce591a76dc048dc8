"""The protocol's commands against a real server."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

HOSTILE = [
    "http://a.example/b c?d=%2F&e#f", "../../etc/passwd", "/", "two\nlines\r", " leading",
    "ä\u0308", "\x01\x7f", "日本語", "😀", "\u2028", "';DROP TABLE items;--", "%00", "a" * 5000,
    "\ufeff",
]  # fmt: skip


@pytest.fixture
def client(start_tracker: Callable[..., Any], run_tracker: Callable[..., Any]) -> Any:
    """A client of a server whose project ``p`` has the items a, b and c."""
    assert run_tracker("add", "p", "-", given="a\nb\nc\n").returncode == 0
    return start_tracker().client()


def test_request(client: Any) -> None:
    """A request claims one item; the answer has item, list and queues; it is 404 if none waits."""
    path, data = "/p/request", {"downloader": "SOMEONE", "api_version": "2", "version": "1"}
    assert client.post(path, data) == (200, {"item_name": "a", "items": ["a"], "queues": ["todo"]})
    assert client.status("p") == {"project": "p", "todo": 2, "out": 1, "done": 0}
    client.request("p", multi=2)
    assert client.post(path, data) == (404, "No items now.\n")


def test_multi_request(client: Any) -> None:
    """multi=N claims up to N items; the lists are as long as the joined names."""
    status, answer = client.post("/p/multi=5/request", {"downloader": "SOMEONE"})
    assert status == 200
    assert answer == {"item_name": "a\0b\0c", "items": ["a", "b", "c"], "queues": ["todo"] * 3}


def test_other_commands_under_multi(client: Any) -> None:
    """A pipeline may use its multi address for the other commands too."""
    client.request("p", multi=2)
    upload = {"downloader": "SOMEONE", "item_name": "a\0b"}
    assert client.post("/p/multi=2/upload", upload)[0] == 200
    assert client.post("/p/multi=2/done", {"item": "a\0b", "downloader": "SOMEONE"}) == (
        200,
        "OK\n",
    )
    assert client.status("p") == {"project": "p", "todo": 1, "out": 0, "done": 2}


def test_release_answers_what_was_sent(client: Any) -> None:
    """The answer is exactly the names that were sent, however often; the items wait again."""
    client.request("p", multi=3)
    ask = {"downloader": "SOMEONE", "version": "1", "items": ["c", "a", "c"]}
    for _ in range(2):
        assert client.post("/p/release", ask) == (200, {"items": ["c", "a", "c"]})
        assert client.status("p") == {"project": "p", "todo": 2, "out": 1, "done": 0}
    assert client.post("/p/release", {"downloader": "SOMEONE", "items": []}) == (200, {"items": []})


def test_release_leaves_what_another_holds(client: Any) -> None:
    """A late, repeated release does not release the claim that another downloader made
    meanwhile."""
    client.request("p", multi=3)
    ask = {"downloader": "SOMEONE", "items": ["a"]}
    client.post("/p/release", ask)
    assert client.request("p", "ANOTHER") == ["a"]
    assert client.post("/p/release", ask) == (200, {"items": ["a"]})
    assert client.status("p", "a")["downloader"] == "ANOTHER"


def test_done_counts_once(client: Any) -> None:
    """Repeated reports are answered OK, and only the first counts."""
    client.request("p")
    stats = {"item": "a", "downloader": "SOMEONE", "version": "1", "id": "é", "bytes": {"data": 5}}
    for _ in range(3):
        assert client.post("/p/done", stats) == (200, "OK\n")
    assert client.status("p") == {"project": "p", "todo": 2, "out": 0, "done": 1}


def test_done_by_another_and_unclaimed(client: Any) -> None:
    """A report counts for an item that another downloader holds, and for one that nobody
    claimed."""
    client.request("p", "ANOTHER")
    assert client.done("p", "a\0c") == (200, "OK\n")
    assert client.status("p") == {"project": "p", "todo": 1, "out": 0, "done": 2}
    assert client.status("p", "a")["downloader"] == "SOMEONE"


def test_upload_target_is_this_server(client: Any) -> None:
    """By default the target is a folder of this server, at the address that the client used."""
    ask = {"downloader": "SOMEONE", "item_name": "a", "version": "1"}
    assert client.post("/p/upload", ask) == (200, {"upload_target": client.url + "/p/upload/"})


def test_configured_targets(
    start_tracker: Callable[..., Any], run_tracker: Callable[..., Any]
) -> None:
    """Targets are used in turn."""
    run_tracker("add", "p", "-", given="a\n")
    one, two = "rsync://127.0.0.1:1/m/", "http://127.0.0.1:1/x/"
    client = start_tracker("--upload-target", one, "--upload-target", two).client()
    ask = {"downloader": "SOMEONE", "item_name": "a"}
    targets = [client.post("/p/upload", ask)[1]["upload_target"] for _ in range(3)]
    assert targets == [one, two, one]


def test_hostile_names_pass_verbatim(
    start_tracker: Callable[..., Any], run_tracker: Callable[..., Any]
) -> None:
    """Claim, status, release, upload and done leave any Unicode name unchanged."""
    one_line = [name for name in HOSTILE if "\n" not in name]
    run_tracker("add", "p", "-", given="\n".join(one_line) + "\n")
    client = start_tracker().client()
    names = client.request("p", multi=100)
    assert names == one_line
    for name in names:
        assert client.status("p", name)["name"] == name
    assert client.post("/p/release", {"downloader": "SOMEONE", "items": names})[1]["items"] == names
    assert client.post("/p/upload", {"downloader": "SOMEONE", "item_name": names[0]})[0] == 200
    assert client.done("p", "\0".join(names)) == (200, "OK\n")
    assert client.status("p")["done"] == len(names)


def test_names_with_newlines_pass(start_tracker: Callable[..., Any]) -> None:
    """Names that a file of lines cannot contain are legal too."""
    server = start_tracker("--practice", "--practice-items", "0")
    with contextlib.closing(sqlite3.connect(server.data_dir / "tracker.sqlite3")) as database:
        database.execute(
            "INSERT INTO items (project_id, name, position) SELECT id, ?, 1 FROM projects",
            ("two\nlines",),
        )
        database.commit()
    client = server.client()
    assert client.request("practice") == ["two\nlines"]
    assert client.done("practice", "two\nlines") == (200, "OK\n")


OK = {"downloader": "SOMEONE"}


@pytest.fixture(scope="module")
def untouched(module_tracker: Callable[..., Any]) -> Any:
    """A client of a server whose project ``p`` has three items; for tests that change nothing."""
    return module_tracker(given="a\nb\nc\n").client()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/p/request", b"", 400),
        ("/p/request", b"\xff", 400),
        ("/p/request", b"null", 400),
        ("/p/request", b"[]", 400),
        ("/p/request", b'{"downloader": NaN}', 400),
        ("/p/request", b"[" * 100_000, 400),
        ("/p/request", b'{"n": ' + b"9" * 5000 + b', "downloader": ["x"]}', 400),
        ("/p/request", {}, 400),
        ("/p/request", {"downloader": None}, 400),
        ("/p/request", {"downloader": "\ud800abc"}, 400),
        ("/p/request", {"downloader": "a b"}, 400),
        ("/nope/request", OK, 400),
        ("/%2e%2e/request", OK, 400),
        ("/p%2Fq/request", OK, 400),
        ("/%FF/request", OK, 400),
        ("/practice-site/request", OK, 400),
        ("/p/multi=0/request", OK, 400),
        ("/p/multi=/request", OK, 400),
        ("/p/multi=99999/request", OK, 400),
        ("/p/multi=-1/request", OK, 400),
        ("/p/multi=%D9%A3/request", OK, 400),  # an Arabic digit
        ("/p/release", OK, 400),
        ("/p/release", {**OK, "items": "a"}, 400),
        ("/p/release", {**OK, "items": [1]}, 400),
        ("/p/release", {**OK, "items": ["\ud800"]}, 400),
        ("/p/release", {**OK, "items": ["a\0b"]}, 400),
        ("/p/release", {**OK, "items": ["nope"]}, 409),
        ("/p/upload", OK, 400),
        ("/p/upload", {**OK, "item_name": ""}, 400),
        ("/nope/upload", {**OK, "item_name": "a"}, 400),
        ("/p/done", OK, 400),
        ("/p/done", {"item": "a", "downloader": 5}, 400),
        ("/p/done", {"item": ["a"]}, 400),
        ("/p/done", {"item": "a\0nope"}, 409),
        ("/p/done", {"item": "a\0"}, 400),
        ("/nope/done", {"item": "a"}, 400),
        ("/p/nothing", OK, 404),
        ("/p//request", OK, 404),
        ("/p/status", OK, 405),
        ("/", OK, 405),
    ],
)
def test_bad_requests(untouched: Any, path: str, body: Any, status: int) -> None:
    """A bad request gets its status and one line that says why, and changes nothing."""
    answered, text = untouched.post(path, body)
    assert answered == status
    assert isinstance(text, str) and text.endswith("\n") and text.count("\n") == 1 and len(text) > 5
    assert untouched.status("p") == {"project": "p", "todo": 3, "out": 0, "done": 0}


def test_methods_types_and_sizes(client: Any) -> None:
    """Wrong methods, other types than JSON, large bodies and requests of web pages are refused."""
    body = json.dumps(OK).encode()
    kind = {"Content-Type": "application/json"}
    assert client.raw("GET", "/p/request")[0] == 405
    assert client.raw("PUT", "/p/request", body, kind)[0] == 405
    assert client.raw("POST", "/p/request", body)[0] == 415
    assert client.raw("POST", "/p/request", body, {"Content-Type": "text/plain"})[0] == 415
    assert client.raw("POST", "/p/request", body, {**kind, "Origin": client.url})[0] == 403
    assert client.raw("POST", "/p/request", b" " * (1 << 20) + body, kind)[0] == 413
    assert client.status("p")["out"] == 0
    kind["Content-Type"] = "Application/JSON; charset=utf-8"
    assert client.raw("POST", "/p/request", body, kind)[0] == 200


def test_chunked_bodies(client: Any) -> None:
    """A body that is sent in chunks is accepted, and has the same limit."""
    kind = {"Content-Type": "application/json"}
    connection = client.connection
    for body, status in ([b'{"downloader":', b'"SOMEONE"}'], 200), ([b" " * 99_999] * 20, 413):
        connection.request("POST", "/p/request", iter(body), kind, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
    assert client.status("p")["out"] == 1


@pytest.mark.parametrize("path", ["/p/status?item=", "/p/status?item=nope", "/p/status?item=%FF"])
def test_bad_status_questions(untouched: Any, path: str) -> None:
    """The status of an empty name, an unknown item or illegal UTF-8 is refused."""
    assert untouched.raw("GET", path)[0] in (400, 409)


def test_index_and_item_status(client: Any) -> None:
    """The front page has the counts of the projects; an item's status has its claim and its end."""
    client.request("p")
    client.done("p", "a")
    assert client.raw("GET", "/") == (200, b"p: 2 to do, 0 out, 1 done\n")
    status = client.status("p", "a")
    assert (status["state"], status["downloader"]) == ("done", "SOMEONE")
    assert 0 < status["claimed_at"] <= status["done_at"]
    assert client.status("p", "b") == {
        "name": "b", "state": "todo", "downloader": None, "claimed_at": None, "done_at": None,
    }  # fmt: skip


def test_items_of_a_closed_connection_are_released(
    client: Any, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """If a downloader closes the connection before its answer, its item is released."""
    where, body = urlsplit(client.url), json.dumps(OK).encode()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "tracker.sqlite3")) as database:
        database.execute("BEGIN IMMEDIATE")  # the claim has to wait for this
        with socket.create_connection((where.hostname, where.port)) as hasty:
            hasty.sendall(
                b"POST /p/request HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            assert client.raw("GET", "/nothing/at/all")[0] == 404  # by now the request was read,
        assert client.raw("GET", "/nothing/at/all")[0] == 404  # and here its end was seen
        database.rollback()
    eventually(lambda: client.status("p")["todo"] == 3 and client.status("p")["out"] == 0)
    # Items that went back stand behind the others: it was claimed, and released.
    assert client.request("p", multi=3) == ["b", "c", "a"]

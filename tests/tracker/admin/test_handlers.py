"""Commands over HTTP need a key, and do what the command line does."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tracker.admin.handlers import ROOT, admin_routes

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Operator:
    """Sends commands with a key."""

    def __init__(self, client: Any, key: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {key}"}

    def send(self, method: str, path: str, data: Any = None, kind: str = "application/json") -> Any:
        """Send a command; return the status and the answer, decoded if it is JSON."""
        body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
        headers = {**self.headers, "Content-Type": kind} if body is not None else self.headers
        status, text = self.client.raw(method, ROOT + path, body, headers)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode()


@pytest.fixture
def operator(start_tracker: Callable[..., Any], run_tracker: Run) -> Operator:
    """An operator of a server whose project ``p`` has the items a, b and c."""
    run_tracker("add", "p", "-", given="a\nb\nc\n")
    key = run_tracker("keys", "make", "me").stdout.strip()
    return Operator(start_tracker().client(), key)


ADDRESSES = [
    re.sub(r"\(\[.*?\)", "p", route[0]).replace("(?:/.*)?", "/nothing") for route in admin_routes()
]


@pytest.fixture(scope="module")
def locked(module_tracker: Callable[..., Any]) -> Any:
    """A client without a key, of a server for tests that change nothing."""
    return module_tracker(given="a\n").client()


@pytest.mark.parametrize("path", [*ADDRESSES, ROOT])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "PUT"])
def test_no_address_without_a_key(locked: Any, path: str, method: str) -> None:
    """Without a valid key, every address and method answers 401 and says what to send."""
    assert path.startswith(ROOT) and "(" not in path
    for headers in ({}, {"Authorization": "Bearer nope"}, {"Authorization": "Basic bWU6bWU="},
                    {"Authorization": "Bearer"}, {"Cookie": "key=nope"}):  # fmt: skip
        locked.connection.request(method, path, b"{}", {"Content-Type": "application/json", **headers})
        answer = locked.connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 401, (method, path)
        assert answer.headers["WWW-Authenticate"] == "Bearer" and "run-tracker keys" in text
        assert answer.headers["Set-Cookie"] is None
        wrong = headers == {"Authorization": "Bearer nope"}
        assert text.startswith("This key is not known, or has been revoked" if wrong else "Send a key")


def test_web_pages_are_refused_with_and_without_a_key(operator: Operator) -> None:
    """A request with an Origin comes from a web page, not from a script."""
    operator.headers["Origin"] = operator.client.url
    assert operator.send("GET", "/projects")[0] == 403


def test_a_revoked_key_is_invalid_at_once(operator: Operator, run_tracker: Run) -> None:
    """The running server asks the database about the key of each request."""
    assert operator.send("GET", "/projects")[0] == 200
    run_tracker("keys", "revoke", "me")
    status, sentence = operator.send("GET", "/projects")
    assert status == 401 and "has been revoked" in sentence


def test_projects(operator: Operator) -> None:
    """Projects can be made, changed, shown and listed."""
    send = operator.send
    status, made = send("POST", "/projects", {"name": "q", "title": "Q", "requests_per_minute": 5})
    assert (status, made["title"], made["requests_per_minute"]) == (201, "Q", 5)
    status, changed = send("PATCH", "/projects/q", {"paused": True, "requests_per_minute": None})
    assert (status, changed["paused"], changed["requests_per_minute"]) == (200, True, None)
    assert send("GET", "/projects/q") == (200, changed)
    assert [its["name"] for its in send("GET", "/projects")[1]] == ["p", "q"]
    assert send("POST", "/projects", {"name": "q"})[0] == 409
    assert operator.client.post("/q/request", {"downloader": "SOMEONE"})[0] == 404


def test_items(operator: Operator) -> None:
    """The lines of a body are queued as they arrive; duplicates are counted, bad lines are
    reported."""
    names = "".join(f"item-{n}\n" for n in range(12_000)).encode()
    status, told = operator.send("POST", "/projects/q/items", names, "text/plain")
    assert (status, told) == (200, {
        "project": "q", "created": True, "new": 12_000, "known": 0, "bad_count": 0, "bad": [],
    })  # fmt: skip
    status, told = operator.send("POST", "/projects/q/items?queue=redo", b"\xef\xbb\xbfitem-1\r\n\n\xff\nlast")
    assert (status, told["new"], told["known"], told["bad_count"]) == (200, 1, 1, 1)
    assert told["created"] is False
    assert told["bad"] == [{"number": 3, "reason": "This is not UTF-8."}]
    operator.send("POST", "/projects/q/items?for=SOMEONE", "für mich\n".encode())
    assert operator.client.request("q", "SOMEONE", multi=2) == ["für mich", "item-0"]
    assert operator.client.status("q")["todo"] == 12_000


def test_items_split_anywhere(operator: Operator) -> None:
    """The lines are the same in whatever pieces the body arrives; a line that is too long is
    bad."""
    long = b"x" * 200_000
    body = "ä\n日本\n".encode() + long + b"\nend"
    pieces = [body[n : n + 7] for n in range(0, 40, 7)] + [body[42:]]
    connection = operator.client.connection
    connection.request(
        "POST", f"{ROOT}/projects/q/items", iter(pieces), operator.headers, encode_chunked=True
    )
    told = json.loads(connection.getresponse().read())
    assert (told["new"], told["bad_count"], told["bad"][0]["number"]) == (3, 1, 3)
    assert operator.client.request("q", multi=9) == ["ä", "日本", "end"]


def test_claims(operator: Operator) -> None:
    """Claims can be listed and released by age, downloader and pattern."""
    operator.client.request("p", "ONE", multi=2)
    operator.client.request("p", "TWO")
    send = operator.send
    listed = send("GET", "/projects/p/claims?downloader=ONE&older_than=0s&limit=5")[1]
    assert [claim["name"] for claim in listed] == ["a", "b"]
    assert send("GET", f"/projects/p/claims?pattern={quote('[bc]')}&limit=1")[1][0]["name"] == "b"
    assert send("POST", "/projects/p/claims", {"older_than": "1h"})[1]["released"] == 0
    released = send("POST", "/projects/p/claims", {"pattern": "a", "queue": "redo"})
    assert released == (200, {"project": "p", "released": 1})
    assert send("POST", "/projects/p/claims", {"all": True, "for": "SIX"})[1]["released"] == 2
    assert operator.client.request("p", "SIX", multi=9) == ["b", "c", "a"]
    operator.client.done("p", "b\0c", "SIX")
    assert send("POST", "/projects/p/redo", {"pattern": "c"}) == (
        200, {"project": "p", "to_be_done_again": 1},
    )  # fmt: skip
    assert operator.client.request("p") == ["c"]


def test_blocks_and_targets(operator: Operator) -> None:
    """Blocks and targets can be added, listed, changed and removed, for one project or for all."""
    send = operator.send
    status, block = send("POST", "/blocks", {"value": "SOMEONE", "project": "p", "reason": "rude"})
    assert (status, send("GET", "/blocks")) == (201, (200, [block]))
    assert operator.client.post("/p/request", {"downloader": "SOMEONE"})[0] == 403
    assert send("DELETE", "/blocks?value=SOMEONE")[0] == 404
    assert send("DELETE", "/blocks?value=SOMEONE&project=p")[0] == 200
    url = "rsync://a.example/m/"
    status, target = send("POST", "/targets", {"url": url, "weight": 2, "active": False})
    assert (status, target["weight"], target["active"]) == (201, 2, False)
    assert send("PATCH", "/targets", {"url": url, "active": True})[1]["active"] is True
    upload = operator.client.post("/p/upload", {"downloader": "SOMEONE", "item_name": "a"})
    assert upload == (200, {"upload_target": url})
    assert send("DELETE", f"/targets?url={quote(url, safe='')}")[0] == 200
    assert send("GET", "/targets") == (200, [])


def test_export(operator: Operator, run_tracker: Run) -> None:
    """The lines are those of the command line."""
    for name in "abc":
        operator.client.done("p", name)
    status, text = operator.client.raw("GET", f"{ROOT}/projects/p/export", None, operator.headers)
    assert status == 200
    assert text.decode() == run_tracker("export", "p").stdout
    status, text = operator.client.raw(
        "GET", f"{ROOT}/projects/p/export?since=2100-01-01", None, operator.headers
    )
    assert (status, text) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "data", "status"),
    [
        ("POST", "/projects", {}, 400),
        ("POST", "/projects", None, 400),
        ("POST", "/projects", {"name": 5}, 400),
        ("POST", "/projects", {"name": "../x"}, 400),
        ("POST", "/projects", {"name": "x", "done": 5}, 400),
        ("POST", "/projects", {"name": "x", "paused": "yes"}, 400),
        ("POST", "/projects", {"name": "x", "max_items": -1}, 400),
        ("POST", "/projects", [], 400),
        ("POST", "/projects", b"{", 400),
        ("PATCH", "/projects/nope", {"title": "x"}, 404),
        ("PATCH", "/projects/p", {"title": ["x"]}, 400),
        ("GET", "/projects/nope", None, 404),
        ("DELETE", "/projects/p", None, 405),
        ("GET", "/projects/p/items", None, 405),
        ("POST", "/projects/..%2f/items", b"x\n", 400),
        ("POST", "/projects/p/items?queue=nope", b"x\n", 400),
        ("POST", "/projects/p/items?queue=redo&for=SIX", b"x\n", 400),
        ("POST", "/projects/p/items?nope=1", b"x\n", 400),
        ("POST", "/projects/p/claims", {}, 400),
        ("POST", "/projects/p/claims", {"all": False}, 400),
        ("POST", "/projects/p/claims", {"all": True, "pattern": "*"}, 400),
        ("POST", "/projects/p/claims", {"older_than": 5}, 400),
        ("POST", "/projects/p/redo", {}, 400),
        ("POST", "/projects/nope/redo", {"all": True}, 404),
        ("GET", "/projects/p/claims?limit=0", None, 400),
        ("GET", "/projects/p/claims?limit=" + "9" * 5000, None, 400),
        ("GET", "/projects/p/claims?older_than=x", None, 400),
        ("GET", "/projects/p/claims?pattern=%FF", None, 400),
        ("GET", "/projects/nope/claims", None, 404),
        ("GET", "/projects/nope/export", None, 404),
        ("GET", "/projects/p/export?since=x", None, 400),
        ("POST", "/blocks", {"value": "a b"}, 400),
        ("POST", "/blocks", {"value": "SOMEONE", "project": "nope"}, 400),
        ("POST", "/blocks", {}, 400),
        ("DELETE", "/blocks", None, 400),
        ("POST", "/targets", {"url": "ftp://a.example/"}, 400),
        ("POST", "/targets", {"url": "http://a.example/", "weight": True}, 400),
        ("POST", "/targets", {"url": "http://a.example/", "weight": 0}, 400),
        ("PATCH", "/targets", {"url": "http://a.example/", "weight": 2}, 404),
        ("DELETE", "/targets?url=x", None, 404),
        ("GET", "/nothing", None, 404),
        ("GET", "", None, 404),
    ],
)  # fmt: skip
def test_bad_commands(
    wanted: Operator, method: str, path: str, data: Any, status: int
) -> None:
    """A bad command gets its status and one line that says why, and changes nothing."""
    before = [wanted.send("GET", place) for place in ("/projects", "/blocks", "/targets")]
    answered, sentence = wanted.send(method, path, data)
    assert answered == status, sentence
    assert isinstance(sentence, str) and sentence.endswith("\n") and sentence.count("\n") == 1
    assert [wanted.send("GET", place) for place in ("/projects", "/blocks", "/targets")] == before


@pytest.fixture(scope="module")
def wanted(module_tracker: Callable[..., Any]) -> Operator:
    """An operator of a server for commands that change nothing."""
    server = module_tracker(given="a\n")
    made = server.run("keys", "make", "me")
    return Operator(server.client(), made.strip())


def test_bodies_have_a_kind_and_a_size(operator: Operator) -> None:
    """A JSON body must be declared as JSON and is limited; a body of items may be long."""
    assert operator.send("POST", "/projects", {"name": "q"}, "text/plain")[0] == 415
    body = json.dumps({"name": "q", "title": "x" * (2 << 20)}).encode()
    with contextlib.suppress(OSError, http.client.HTTPException):  # it may be cut off
        assert operator.send("POST", "/projects", body)[0] == 400
    assert operator.send("GET", "/projects/q")[0] == 404
    lines = b"".join(b"item-%d-%s\n" % (n, b"x" * 1000) for n in range(3000))
    assert operator.send("POST", "/projects/q/items", lines)[1]["new"] == 3000


def test_other_methods_add_no_items(operator: Operator) -> None:
    """A long body is discarded unless it is POSTed."""
    names = b"".join(b"item-%d\n" % n for n in range(60_000))
    assert operator.send("PUT", "/projects/q/items", names)[0] == 405
    assert operator.send("GET", "/projects/q")[0] == 404


def test_claims_go_on_while_items_come(operator: Operator) -> None:
    """A body that arrives slowly delays no other client."""
    connection = operator.client.connection
    connection.putrequest("POST", f"{ROOT}/projects/q/items")
    for name, value in {**operator.headers, "Transfer-Encoding": "chunked"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"4\r\none\n\r\n")
    other = type(operator.client)(operator.client.url)
    assert other.request("p") == ["a"]
    other.connection.close()
    connection.send(b"3\r\ntwo\r\n0\r\n\r\n")
    assert json.loads(connection.getresponse().read())["new"] == 2

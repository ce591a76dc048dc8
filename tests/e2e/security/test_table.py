"""Every row of what the gate answers, to the bytes, against both commands as people start them."""

from __future__ import annotations

import re
import socket
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.e2e.security import table
from tests.e2e.security.command import ITEM, TITLE
from tests.e2e.security.rawhttp import Connection, has_headers, is_refusal, parse, request
from tests.e2e.security.table import JSON, LOCKED, OPEN, PROXIED, UPGRADE, Row
from tests.e2e.security.targets import Target, Targets, targets
from tests.warrior.web.talking import Answer
from warrior.web.live.sockets import TRANSPORTS
from warrior.web.routes import ConsoleParts, routes

__all__ = ["targets"]

#: Each row with the address it comes from: who fails often from one has to wait.
ROWS = [(part, row, f"127.1.{number // 250}.{number % 250 + 1}") for number, (part, row) in enumerate(
    (part, row) for part, rows in table.PARTS.items() for row in rows)]

#: Which command, started how, and what the rows are about. Those of one target stand together,
#: so that few workers have to start it.
GROUPS = sorted({(kind, row.manner, part) for part, row, _ in ROWS for kind in row.kinds})


class _Anything:
    """Stands in for whatever a handler calls; none is called here."""

    def __getattr__(self, name: str) -> Any:
        return lambda: None


def all_paths(kind: str) -> list[str]:
    """An address for every route that there is, and one that is nowhere."""
    parts = SimpleNamespace(static_dir="", commands=_Anything(),
                            facade=_Anything() if kind == "warrior" else None)
    patterns = [rule.matcher.regex.pattern for rule in routes(cast(ConsoleParts, parts))]
    filled = [re.sub(r"\(.*?\)", "x", pattern.rstrip("$")).replace("\\", "")
              for pattern in patterns]
    sockets = [pattern.replace("[^/.]+/([^/.]+)", "000/abcd1234") for pattern, _ in TRANSPORTS]
    return [*filled, *sockets, "/nowhere"]


def fault(row: Row, answer: Answer) -> str:
    """What is wrong with the answer; '' if it is the wanted one, in the form that all have."""
    if answer.status != row.status:
        return "another status"
    if not has_headers(answer) and answer.status != 101:
        return "not the headers that everything has"
    if row.says == "POST" and answer.headers["allow"] != "POST":
        return "not the right method"
    if row.first.startswith("HEAD"):
        return ""
    if row.says not in answer.text:
        return f"does not say {row.says}"
    # Settings that are wrong are named.
    if (answer.status >= 400 and "/api/settings" not in row.first
            and not is_refusal(answer, row.status)):
        return "not the form of a refusal"
    return ""


@pytest.mark.parametrize("kind,manner,part", GROUPS)
def test_rows(targets: Targets, kind: str, manner: str, part: str) -> None:
    """Each answer is the one that is wanted, in the form that all answers have, and nothing
    has happened."""
    target = targets(kind, manner)
    faults = []
    for of_part, row, source in ROWS:
        if of_part == part and row.manner == manner and kind in row.kinds:
            if row.first.startswith("POST") and row.status < 400:
                # It may take back what one before it has done.
                assert target.settled() == target.before, f"before {row}"
            answer = target.ask_row(row, source)
            if found := fault(row, answer):
                faults.append(f"{row}: {found}: {answer}")
    assert faults == []
    assert target.settled() == target.before


@pytest.mark.parametrize("kind", ["warrior", "pipeline"])
def test_the_table_has_every_command(kind: str) -> None:
    """Whatever has a route under /api/ and is not only read; logging in has rows of its own."""
    found = {path for path in all_paths(kind) if path.startswith("/api/")
             and path not in ("/api/state", "/api/log", "/api/login", "/api/keys")
             and not path.endswith("/log")}
    asked = {path.replace("/test/", "/x/").replace("/insecure/", "/x/")
             for path in (*table.COMMANDS, *(table.WARRIOR_COMMANDS if kind == "warrior" else ()))}
    assert found == asked


@pytest.mark.parametrize("kind", ["warrior", "pipeline"])
def test_walk_without_the_token(targets: Targets, kind: str) -> None:
    """Reading needs it too: a crawled page can make a program ask."""
    target = targets(kind, OPEN)
    for path in all_paths(kind):
        if path.startswith("/api/"):
            for method in ("GET", "POST"):
                row = Row(f"{method} {path}", 403, JSON, "cookie", b"{}" if method == "POST" else b"")
                assert is_refusal(target.ask_row(row, "127.0.0.1"), 403), row
    assert target.settled() == target.before


WALKS = [({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403),
         ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
         ({"Host": "localhost\nlocalhost"}, 400)]


@pytest.mark.parametrize("headers,status", WALKS, ids=str)
@pytest.mark.parametrize("manner", [OPEN, LOCKED, PROXIED])
@pytest.mark.parametrize("kind", ["warrior", "pipeline"])
def test_walk_of_all_routes(
        targets: Targets, kind: str, manner: str, headers: dict[str, str], status: int) -> None:
    """Whatever the route and the method, with all rights and an upgrade besides."""
    target = targets(kind, manner)
    with Connection(target.port) as connection:
        for path in all_paths(kind):
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                for more in ({"Connection": "keep-alive"}, UPGRADE):
                    row = Row(f"{method} {path}", status, {**more, **headers}, "session")
                    answer = parse(connection.exchange(target.request(row)))
                    assert is_refusal(answer, status), (row, more, answer)
    assert target.settled() == target.before


def tells_nothing(answer: Answer) -> bool:
    return not any(word in answer.text for word in (TITLE, ITEM, "a-volunteer", "Work"))


@pytest.mark.parametrize("manner", [LOCKED, PROXIED])
@pytest.mark.parametrize("who", ["nobody", "not logged in"])
@pytest.mark.parametrize("kind", ["warrior", "pipeline"])
def test_walk_without_credentials(targets: Targets, kind: str, who: str, manner: str) -> None:
    """Open are the login page and the word that it is healthy, and they tell nothing."""
    target = targets(kind, manner)
    sentence = target.state(target.known)["status"]["text"]
    for path in all_paths(kind):
        for method in ("GET", "POST"):
            row = Row(f"{method} {path}", 0, JSON, who, b"{}" if method == "POST" else b"")
            answer = target.ask_row(row, "127.0.0.1")
            assert tells_nothing(answer) and sentence not in answer.text, row
            if path == "/api/login":
                # Whoever has got the page may try; GET is for nobody.
                wanted = 403 if who == "nobody" else 405 if method == "GET" else 400
            elif path.startswith(("/api", "/sockjs")):
                wanted = 401
            elif path in ("/", "/index.html", "/healthz"):
                wanted = 200 if method == "GET" else 405
            else:
                wanted = 405 if method == "POST" and path.startswith("/static") else 404
            assert answer.status == wanted, (row, answer)
            assert answer.status == 200 or is_refusal(answer, wanted), (row, answer)
            assert path != "/" or method == "POST" or "Log in" in answer.text
    assert target.settled() == target.before


@pytest.mark.parametrize("manner", [OPEN, LOCKED, PROXIED])
@pytest.mark.parametrize("kind", ["warrior", "pipeline"])
def test_cookie(targets: Targets, kind: str, manner: str) -> None:
    """Given with the page, where there is no password too; for no script and no other site."""
    target = targets(kind, manner)
    answer = target.ask_row(Row("GET /", 200), "127.0.0.1")
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith(f"warrior_session_{target.port}=")
    path = "Path=/at/home" if manner == PROXIED else "Path=/"
    assert sorted(attributes) == sorted(
        ["HttpOnly", "SameSite=Strict", path, *["Secure"] * (manner == PROXIED)])
    assert answer.headers["cache-control"] == "no-store"
    again = target.ask_row(Row("GET /", 200, who="cookie"), "127.0.0.1")
    assert "set-cookie" not in again.headers
    assert target.known["X-CSRF-Token"] in again.text


def test_half_a_body(targets: Targets) -> None:
    """The rest is not waited for for ever, by both commands; nothing has happened."""
    asked = [targets(kind, manner) for kind in table.BOTH for manner in (OPEN, LOCKED)]
    let_go: list[Target] = []

    def send(target: Target) -> None:
        head = target.headers({**JSON, "Content-Length": "10"}, "session")
        said = request("POST /api/stop", head) + b"{"
        with socket.create_connection(("127.0.0.1", target.port), 60) as sock:
            sock.sendall(said)
            if sock.recv(1000) == b"":
                let_go.append(target)

    threads = [threading.Thread(target=send, args=(target,)) for target in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(70)
    assert len(let_go) == len(asked)
    for target in asked:
        assert target.settled() == target.before

"""Every row of what the gate answers, to the bytes, against both commands as people start them."""

from __future__ import annotations

import re
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.e2e.security import table
from tests.e2e.security.command import ITEM, TITLE
from tests.e2e.security.rawhttp import Connection, has_headers, is_refusal, parse, request
from tests.e2e.security.table import JSON, OPEN, PROXIED, UPGRADE, Row
from tests.e2e.security.targets import TARGETS, Target, asked_of, target
from tests.warrior.web.talking import Answer
from warrior.web.live.sockets import TRANSPORTS
from warrior.web.routes import ConsoleParts, routes

__all__ = ["target"]

#: Each row with the address it comes from: who fails often from one has to wait.
ROWS = [(row, f"127.1.{number // 250}.{number % 250 + 1}")
        for number, row in enumerate(table.ROWS)]


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


@asked_of(*TARGETS)
def test_rows(target: Target) -> None:
    """Each answer is the one that is wanted, in the form that all answers have, and nothing
    has happened."""
    rows = [(row, source) for row, source in ROWS
            if row.manner == target.manner and target.kind in row.kinds]
    assert rows
    faults = []
    for row, source in rows:
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


@asked_of(("warrior", OPEN), ("pipeline", OPEN))
def test_walk_without_the_token(target: Target) -> None:
    """Reading needs it too: a crawled page can make a program ask."""
    for path in all_paths(target.kind):
        if path.startswith("/api/"):
            for method in ("GET", "POST"):
                row = Row(f"{method} {path}", 403, JSON, "cookie", b"{}" if method == "POST" else b"")
                assert is_refusal(target.ask_row(row, "127.0.0.1"), 403), row
    assert target.settled() == target.before


WALKS = [({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403),
         ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
         ({"Host": "localhost\nlocalhost"}, 400)]


@pytest.mark.parametrize("headers,status", WALKS, ids=str)
@asked_of(*TARGETS)
def test_walk_of_all_routes(target: Target, headers: dict[str, str], status: int) -> None:
    """Whatever the route and the method, with all rights and an upgrade besides."""
    with Connection(target.port) as connection:
        for path in all_paths(target.kind):
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                for more in ({"Connection": "keep-alive"}, UPGRADE):
                    row = Row(f"{method} {path}", status, {**more, **headers}, "session")
                    answer = parse(connection.exchange(target.request(row)))
                    assert is_refusal(answer, status), (row, more, answer)
    assert target.settled() == target.before


def tells_nothing(answer: Answer) -> bool:
    return not any(word in answer.text for word in (TITLE, ITEM, "a-volunteer", "Work"))


@pytest.mark.parametrize("who", ["nobody", "not logged in"])
@asked_of(*(one for one in TARGETS if one[1] != OPEN))
def test_walk_without_credentials(target: Target, who: str) -> None:
    """Open are the login page and the word that it is healthy, and they tell nothing."""
    sentence = target.state(target.known)["status"]["text"]
    for path in all_paths(target.kind):
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


@asked_of(*TARGETS)
def test_cookie(target: Target) -> None:
    """Given with the page, where there is no password too; for no script and no other site."""
    answer = target.ask_row(Row("GET /", 200), "127.0.0.1")
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith(f"warrior_session_{target.port}=")
    path = "Path=/at/home" if target.manner == PROXIED else "Path=/"
    assert sorted(attributes) == sorted(
        ["HttpOnly", "SameSite=Strict", path, *["Secure"] * (target.manner == PROXIED)])
    assert answer.headers["cache-control"] == "no-store"
    again = target.ask_row(Row("GET /", 200, who="cookie"), "127.0.0.1")
    assert "set-cookie" not in again.headers
    assert target.known["X-CSRF-Token"] in again.text


@asked_of(*(one for one in TARGETS if one[1] != PROXIED))
def test_half_a_body(target: Target) -> None:
    """The rest is not waited for for ever; nothing has happened."""
    head = target.headers({**JSON, "Content-Length": "10"}, "session")
    with socket.create_connection(("127.0.0.1", target.port), 60) as sock:
        sock.sendall(request("POST /api/stop", head) + b"{")
        assert sock.recv(1000) == b""
    assert target.settled() == target.before

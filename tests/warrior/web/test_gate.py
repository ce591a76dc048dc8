"""What the gate answers where a single request does not show it, or none of its table has it.

The rows of the table are in tests/e2e/security/table.py.
"""

from __future__ import annotations

import base64
import contextlib
import re

import pytest

from tests.warrior.web.conftest import MakeConsole, RunningConsole
from tests.warrior.web.talking import Answer, exchange, token_in

UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyEhIQ=="}


def is_refusal(answer: Answer, status: int) -> bool:
    """One line that says what to change, without caching or CORS headers."""
    return (answer.status == status and answer.text.count("\n") == 1 and len(answer.text) > 20
            and answer.headers["cache-control"] == "no-store"
            and not any(name.startswith("access-control") for name in answer.headers))


@pytest.mark.filterwarnings("ignore")
def test_http_1_0_needs_a_host_too(console: RunningConsole) -> None:
    """Even if that version of HTTP does not require it."""
    assert exchange(console.port, b"GET /healthz HTTP/1.0\r\n\r\n").status == 400


@pytest.mark.parametrize("path", ["/api/stop", "/api/stop-now", "/api/keep-running"])
def test_commands_need_a_session_of_ours(console: RunningConsole, path: str) -> None:
    """A forged cookie gets 403, and nothing happens. With the one that was given, it does."""
    mine = console.session()
    forged = re.sub(r"=.", "=!", mine["Cookie"], count=1)
    assert is_refusal(console.post(path, {**mine, "Cookie": forged}), 403)
    assert console.called == []
    assert console.post(path, mine).status == 200
    assert console.called == [path.removeprefix("/api/")]


def test_a_body_of_megabytes(console: RunningConsole) -> None:
    """It is refused at once: the connection may close before everything is sent."""
    headers = {**console.session(), "Content-Type": "application/json"}
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        assert is_refusal(console.ask("POST", "/api/stop", headers, b"x" * 3_000_000), 413)
    assert console.called == []


def test_sockets_send_no_cors_headers(console: RunningConsole) -> None:
    """The library would let every origin in."""
    session = console.session()
    for method, path in (("GET", "/sockjs/info"), ("POST", "/sockjs/000/abcd1234/xhr")):
        answer = console.ask(method, path, {
            **session, "Origin": f"http://127.0.0.1:{console.port}"}, b"")
        assert answer.status == 200
        assert not any(name.startswith("access-control") for name in answer.headers)
    assert console.ask("OPTIONS", "/sockjs/000/abcd1234/xhr", session).status == 405


def test_page_holds_no_inline_script_or_style(console: RunningConsole) -> None:
    """The policy would block it."""
    text = console.ask("GET", "/").text
    assert not re.search(r"<script(?![^>]* src=)", text)
    assert "<style" not in text
    assert " style=" not in text
    assert not re.search(r" on\w+=", text)


# -- a password ------------------------------------------------------------------------
def basic(user: str, password: str) -> dict[str, str]:
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def test_basic_credentials(make_running: MakeConsole) -> None:
    """Split at the first colon; UTF-8. The CSRF token is still needed."""
    password = "späß: with colons: 🐝"
    console = make_running(username="me", password=password)
    right = basic("me", password)
    session = console.session(right)
    assert console.ask("GET", "/api/state", {**session, **right}).status == 200
    assert is_refusal(console.ask("GET", "/api/state", {
        **right, "Cookie": session["Cookie"]}), 403)
    wrong = console.ask("GET", "/api/state", {**session, **basic("you", password)})
    assert is_refusal(wrong, 401)
    assert wrong.headers["www-authenticate"].startswith("Basic ")
    assert is_refusal(console.ask("GET", "/", basic("me", password + "x")), 401)


def test_no_dialog_over_the_page(make_running: MakeConsole) -> None:
    """Requests of the page's scripts get no challenge: the browser would show its dialog."""
    console = make_running(password="secret")
    answer = console.ask("GET", "/api/state", {"Sec-Fetch-Mode": "cors"})
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers


def test_logging_in(make_running: MakeConsole) -> None:
    """The right password gives a new session with all rights; logging out ends it."""
    console = make_running(password="secret")
    before = console.session()
    assert console.post("/api/login", {"Cookie": before["Cookie"]},
                        b'{"password": "secret"}').status == 403
    assert console.post("/api/login", before, b'{"password": "wrong"}').status == 401
    answer = console.post("/api/login", before, b'{"username": "", "password": "secret"}')
    assert answer.status == 200
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert cookie != before["Cookie"]
    page = console.ask("GET", "/", {"Cookie": cookie})
    assert "A project" in page.text
    session = {"Cookie": cookie, "X-CSRF-Token": token_in(page)}
    assert console.ask("GET", "/api/state", session).status == 200
    assert console.ask("GET", "/sockjs/000/abcd1234/websocket",
                       {**UPGRADE, "Cookie": cookie}).status == 101
    assert console.post("/api/logout", session).status == 200
    assert console.ask("GET", "/api/state", session).status == 401
    assert console.ask("GET", "/api/state", before).status == 401

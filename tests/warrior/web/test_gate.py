"""The gate, row by row, against a console that really listens."""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Callable

import pytest

from tests.warrior.web.conftest import MakeConsole, RunningConsole
from tests.warrior.web.talking import Answer, exchange, token_in
from warrior.web.hosts import AcceptedHosts
from warrior.web.live.sockets import TRANSPORTS
from warrior.web.routes import routes

SOCKETS = [pattern.replace("[^/.]+/([^/.]+)", "000/abcd1234") for pattern, _ in TRANSPORTS]
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyEhIQ=="}


def all_paths(console: RunningConsole) -> list[str]:
    """A path for every route there is."""
    patterns = [rule.matcher.regex.pattern for rule in routes(console.console._parts)]
    filled = [re.sub(r"\(.*?\)", "x", pattern.rstrip("$")).replace("\\", "")
              for pattern in patterns]
    return [*filled, *SOCKETS, "/nowhere"]


def is_refusal(answer: Answer, status: int) -> bool:
    """One line that says what to change, not to be kept, for nobody else to read."""
    return (answer.status == status and answer.text.count("\n") == 1 and len(answer.text) > 20
            and answer.headers["cache-control"] == "no-store"
            and not any(name.startswith("access-control") for name in answer.headers))


@pytest.mark.parametrize("headers,status", [
    ({"Host": "evil.example"}, 421),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
])
def test_every_route_is_behind_the_gate(
        make_any: Callable[..., RunningConsole], headers: dict[str, str], status: int) -> None:
    """A bad Host or a foreign Origin gets nowhere, whatever the route and the method,
    though all else is right."""
    console = make_any()
    session = console.session()
    for path in all_paths(console):
        for method in ("GET", "POST", "OPTIONS"):
            answer = console.ask(method, path, {**session, **headers})
            assert is_refusal(answer, status), (method, path, answer)
        assert is_refusal(console.ask("GET", path, {**session, **UPGRADE, **headers}), status)
    assert console.called == []


def test_without_credentials_only_the_login_page_is_open(
        make_any: Callable[..., RunningConsole]) -> None:
    """With a password set, each route answers 401 but those that tell nothing."""
    console = make_any(password="secret")
    for path in all_paths(console):
        answer = console.ask("GET", path)
        if path in ("/", "/index.html"):
            assert answer.status == 200
            assert "Log in" in answer.text
            assert "A project" not in answer.text
            assert "Nothing to do" not in answer.text
        elif path == "/healthz":
            assert (answer.status, answer.text) == (200, "healthy\n")
        elif path == "/api/login":
            assert answer.status == 403  # the token comes with the login page
        elif path.startswith(("/api", "/sockjs")):
            assert is_refusal(answer, 401), path
        else:
            assert answer.status == 404, path


@pytest.mark.parametrize("host", [
    "localhost", "LOCALHOST:8001", "x.localhost", "127.0.0.1:8001", "[::1]:8001", "192.0.2.7",
    "[2001:db8::1]", "machine"])
def test_accepted_hosts(make_running: MakeConsole, host: str) -> None:
    """Names that only mean this machine, addresses, and configured names; the port is
    ignored."""
    console = make_running(host_names=("Machine",))
    assert console.ask("GET", "/healthz", {"Host": host}).status == 200


def test_the_machines_own_name_is_accepted(console: RunningConsole) -> None:
    """So that a neighbour who may can use it."""
    assert console.ask("GET", "/healthz", {"Host": socket.gethostname()}).status == 200


@pytest.mark.parametrize("host", [
    "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0", "[::]", "2130706433",
    "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", ".localhost"])
def test_refused_hosts(console: RunningConsole, host: str) -> None:
    """Names of others, "any address", and addresses written in an odd way."""
    assert is_refusal(console.ask("GET", "/healthz", {"Host": host}), 421)


def test_hosts_without_brackets_are_no_addresses() -> None:
    """IPv6 needs them."""
    hosts = AcceptedHosts()
    assert "[::1]" in hosts
    assert "::1" not in hosts


@pytest.mark.parametrize("head", [
    "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.0\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
])
@pytest.mark.filterwarnings("ignore")
def test_host_must_be_there_once(console: RunningConsole, head: str) -> None:
    """Missing, twice or malformed: 400, or closed where HTTP itself is broken."""
    assert exchange(console.port, head.encode()).status == 400


def test_own_origin_and_none_pass(console: RunningConsole) -> None:
    """What the page itself sends, and what a program sends."""
    own = f"http://127.0.0.1:{console.port}"
    assert console.ask("GET", "/healthz", {"Origin": own}).status == 200
    assert console.ask("GET", "/healthz").status == 200
    for other in ("https" + own[4:], "http://127.0.0.1:1", "http://localhost"):
        assert console.ask("GET", "/healthz", {"Origin": other}).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_fetch_metadata(console: RunningConsole, site: str) -> None:
    """A page of another site may link to the console, and nothing else."""
    navigation = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate",
                  "Sec-Fetch-Dest": "document"}
    assert console.ask("GET", "/", navigation).status == 200
    assert is_refusal(console.ask("GET", "/healthz", navigation), 403)
    assert is_refusal(console.ask("POST", "/", navigation), 403)
    assert is_refusal(console.ask("GET", "/", {"Sec-Fetch-Site": site}), 403)
    framed = {**navigation, "Sec-Fetch-Dest": "iframe"}
    assert is_refusal(console.ask("GET", "/", framed), 403)


@pytest.mark.parametrize("path", ["/api/stop", "/api/stop-now", "/api/keep-running"])
def test_commands_need_the_token_of_their_session(console: RunningConsole, path: str) -> None:
    """No token, another session's, or one in the wrong place: 403, and nothing happens."""
    mine, other = console.session(), console.session()
    token = mine["X-CSRF-Token"]
    cookie = {"Cookie": mine["Cookie"]}
    assert is_refusal(console.post(path, cookie), 403)
    assert is_refusal(console.post(path, {"X-CSRF-Token": token}), 403)
    assert is_refusal(console.post(path, {**cookie, "X-CSRF-Token": other["X-CSRF-Token"]}), 403)
    assert is_refusal(console.post(
        path, {"Cookie": f"{mine['Cookie']}; X-CSRF-Token={token}"}), 403)
    assert is_refusal(console.post(path, cookie, b'{"X-CSRF-Token": "%s"}' % token.encode()), 403)
    forged = re.sub(r"=.", "=!", mine["Cookie"], count=1)
    assert is_refusal(console.post(path, {**mine, "Cookie": forged}), 403)
    assert console.called == []
    assert console.post(path, mine).status == 200
    assert console.called == [path.removeprefix("/api/")]


def test_state_and_logs_need_the_token_too(console: RunningConsole) -> None:
    """A crawled page can make wget ask."""
    session = console.session()
    for path in ("/api/state", "/api/items/x/log", "/api/nowhere"):
        assert is_refusal(console.ask("GET", path, {"Cookie": session["Cookie"]}), 403)
    assert console.ask("GET", "/api/state", session).status == 200
    assert console.ask("GET", "/api/items/x/log", session).status == 404


def test_commands_are_posted(console: RunningConsole) -> None:
    """GET on a command does nothing and says so."""
    answer = console.ask("GET", "/api/stop", console.session())
    assert is_refusal(answer, 405)
    assert answer.headers["allow"] == "POST"
    assert console.called == []


def commands(console: RunningConsole) -> list[str]:
    """A path for everything that changes something; login aside."""
    return [path for path in all_paths(console) if path.startswith("/api/")
            and path not in ("/api/state", "/api/log", "/api/login", "/api/keys")
            and not path.endswith("/log")]


def test_every_command_wants_post_a_token_and_json(
        make_any: Callable[..., RunningConsole]) -> None:
    """Anything else is refused by each of them, and nothing happens."""
    console = make_any()
    session = console.session()
    found = commands(console)
    assert len(found) in (4, 13)
    for path in found:
        assert is_refusal(console.ask("GET", path, session), 405), path
        assert is_refusal(console.post(path, {"Cookie": session["Cookie"]}), 403), path
        assert is_refusal(console.post(path, session, b"{"), 415), path
        assert is_refusal(console.post(path, session, b"x" * 70_000), 413), path
        assert is_refusal(console.ask("POST", path, {
            **session, "Content-Type": "text/plain"}, b"{}"), 415), path
    assert console.called == []


def test_everything_under_api_wants_the_token(make_any: Callable[..., RunningConsole]) -> None:
    """Reading too: a crawled page can make a program ask."""
    console = make_any()
    session = console.session()
    for path in all_paths(console):
        if path.startswith("/api/"):
            for method in ("GET", "POST"):
                answer = console.ask(method, path, {"Cookie": session["Cookie"]})
                assert is_refusal(answer, 403), (method, path)


@pytest.mark.parametrize("kind,body,status", [
    ("application/json", b"hello", 415),
    ("application/json", b"", 415),
    ("application/json", b"[" * 30000, 415),
    ("text/plain", b"{}", 415),
    ("application/x-www-form-urlencoded", b"a=b", 415),
    ("application/json", b"[]", 400),
    ("application/json", b'{"unknown": 1}', 400),
    ("application/json", b'{"a": "' + b"x" * 70_000 + b'"}', 413),
    ("application/json", b"x" * 3_000_000, 413),
])
def test_bodies(console: RunningConsole, kind: str, body: bytes, status: int) -> None:
    """Not JSON, too large, or not what the command takes: refused, and nothing happens."""
    headers = {**console.session(), "Content-Type": kind}
    try:
        answer = console.ask("POST", "/api/stop", headers, body)
    except (ConnectionResetError, BrokenPipeError):
        # Megabytes are not waited for: the connection may be gone before all is sent.
        assert len(body) > 1_000_000
    else:
        assert is_refusal(answer, status)
    assert console.called == []


def test_body_of_unknown_length_is_refused(console: RunningConsole) -> None:
    """Chunks could go on for ever."""
    headers = {**console.session(), "Transfer-Encoding": "chunked"}
    assert is_refusal(console.ask("POST", "/api/stop", headers, None), 411)


def test_half_a_body_is_not_waited_for(
        make_running: MakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends half of it is closed after a while (shortened here)."""
    monkeypatch.setattr("warrior.web.app.BODY_TIMEOUT", 0.3)
    console = make_running()
    headers = {**console.session(), "Content-Type": "application/json", "Content-Length": "100"}
    assert console.ask("POST", "/api/stop", headers, b"{").status == 0
    assert console.called == []


@pytest.mark.parametrize("path", [
    "/sockjs/websocket", "/sockjs", "/sockjs/", "/sockjs/iframe.html", "/sockjs/iframe-1.html",
    "/sockjs/chunking_test", "/sockjs/000/abcd1234/jsonp", "/sockjs/000/abcd1234/jsonp_send",
    "/sockjs/000/abcd1234/eventsource", "/sockjs/000/abcd1234/htmlfile"])
def test_other_ways_of_sockjs_are_not_offered(console: RunningConsole, path: str) -> None:
    """Raw sockets, frames and scripts are nowhere."""
    session = console.session()
    for method in ("GET", "POST"):
        assert console.ask(method, path, session).status == 404
    assert console.ask("GET", path, {**session, **UPGRADE}).status == 404


def test_sockets_need_the_session_cookie(console: RunningConsole) -> None:
    """The page has it; the token is not needed, a cookie that we did not make is nothing."""
    session = console.session()
    path = "/sockjs/000/abcd1234/websocket"
    assert is_refusal(console.ask("GET", path, UPGRADE), 403)
    made_up = {"Cookie": f"warrior_session_{console.port}=made.up"}
    assert is_refusal(console.ask("GET", path, {**UPGRADE, **made_up}), 403)
    assert console.ask("GET", path, {**UPGRADE, "Cookie": session["Cookie"]}).status == 101


def test_sockets_send_no_cors_headers(console: RunningConsole) -> None:
    """The library would let every origin in."""
    session = console.session()
    for method, path in (("GET", "/sockjs/info"), ("POST", "/sockjs/000/abcd1234/xhr")):
        answer = console.ask(method, path, {
            **session, "Origin": f"http://127.0.0.1:{console.port}"}, b"")
        assert answer.status == 200
        assert not any(name.startswith("access-control") for name in answer.headers)
    assert console.ask("OPTIONS", "/sockjs/000/abcd1234/xhr", session).status == 405


def test_security_headers_are_on_everything(console: RunningConsole) -> None:
    """Errors, refusals and static files included; no version is told."""
    session = console.session()
    asked = [("GET", "/", {}), ("GET", "/static/warrior.css", {}), ("GET", "/static/no", {}),
             ("GET", "/nowhere", {}), ("GET", "/", {"Host": "evil.example"}),
             ("GET", "/api/state", session), ("POST", "/api/state", session),
             ("GET", "/sockjs/info", session), ("PATCH", "/", {}), ("HEAD", "/", {})]
    for method, path, headers in asked:
        answer = console.ask(method, path, headers)
        found = answer.headers
        assert "default-src 'none'; script-src 'self'" in found["content-security-policy"]
        assert "unsafe" not in found["content-security-policy"]
        assert found["x-frame-options"] == "DENY"
        assert found["x-content-type-options"] == "nosniff"
        assert found["referrer-policy"] == "no-referrer"
        assert found["cross-origin-opener-policy"] == "same-origin"
        assert found["cross-origin-resource-policy"] == "same-origin"
        assert found["server"] == "warrior", (method, path)


def test_session_cookie(console: RunningConsole) -> None:
    """No script and no other site gets at it; its name carries the instance."""
    cookie = console.ask("GET", "/").headers["set-cookie"]
    assert cookie.startswith(f"warrior_session_{console.port}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    session = console.session()
    again = console.ask("GET", "/", {"Cookie": session["Cookie"]})
    assert "set-cookie" not in again.headers
    assert session["X-CSRF-Token"] in again.text


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


@pytest.mark.parametrize("password", ["secret", "with:colons:in it", "späß 🐝"])
def test_basic_credentials(make_running: MakeConsole, password: str) -> None:
    """Split at the first colon; UTF-8. The CSRF token is still needed."""
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


@pytest.mark.parametrize("header", [
    "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic //79", "Bearer x", "x", ""])
def test_malformed_authorization(make_running: MakeConsole, header: str) -> None:
    """401, never an error of ours."""
    console = make_running(password="secret")
    assert is_refusal(console.ask("GET", "/api/state", {"Authorization": header}), 401)


def test_no_dialog_over_the_page(make_running: MakeConsole) -> None:
    """What the page's own scripts ask brings no challenge: the browser would show its own."""
    console = make_running(password="secret")
    answer = console.ask("GET", "/api/state", {"Sec-Fetch-Mode": "cors"})
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers


def test_logging_in(make_running: MakeConsole) -> None:
    """The right password gives a new session that may do all; logging out ends it."""
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


def test_five_failures_and_the_loop_is_free(make_running: MakeConsole) -> None:
    """The sixth try is not looked at, right or not; the page answers all the while."""
    console = make_running(password="secret")
    for number in range(5):
        assert console.ask("GET", "/api/state", basic("", f"guess {number}")).status == 401
    answer = console.ask("GET", "/api/state", basic("", "secret"))
    assert is_refusal(answer, 429)
    assert 25 <= int(answer.headers["retry-after"]) <= 31
    login = console.post("/api/login", console.session(), b'{"password": "secret"}')
    assert login.status == 429
    assert "retry-after" in login.headers
    assert console.ask("GET", "/healthz").status == 200

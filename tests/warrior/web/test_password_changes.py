"""A password that is set, changed and removed while the warrior runs."""

from __future__ import annotations

import json
import socket

import pytest

from tests.warrior.web.conftest import MakeWarrior, RunningConsole, WarriorRunning
from tests.warrior.web.talking import Page
from warrior.settings.scrypt import hash_password

FIRST, SECOND = "the first one", "the second one"


def may(warrior: RunningConsole, session: dict[str, str]) -> bool:
    status = warrior.ask("GET", "/api/state", session).status
    assert status in (200, 401)
    return status == 200


def set_password(warrior: WarriorRunning, session: dict[str, str], password: str | None) -> None:
    body = json.dumps({"values": {"http_password": password}}).encode()
    answer = warrior.post("/api/settings", session, body)
    assert answer.status == 200, answer


def ends(page: Page) -> None:
    with pytest.raises(ConnectionError):
        page.until(lambda message: False)


def test_a_password_is_set_where_there_was_none(warrior: WarriorRunning) -> None:
    """The session that set it stays logged in; all others get the login page."""
    mine, other = warrior.session(), warrior.session()
    my_page, other_page = warrior.open_page(mine["Cookie"]), warrior.open_page(other["Cookie"])
    my_page.next()
    set_password(warrior, mine, FIRST)
    ends(other_page)
    change = my_page.until(lambda m: "program" in m.get("set", {}))
    assert change["set"]["program"]["password"] is True
    assert may(warrior, mine)
    assert not may(warrior, other)
    assert 'id="app"' in warrior.ask("GET", "/", {"Cookie": mine["Cookie"]}).text
    assert "Log in" in warrior.ask("GET", "/", {"Cookie": other["Cookie"]}).text
    assert may(warrior, warrior.log_in(FIRST))


def test_changing_it_logs_out_all_others(warrior: WarriorRunning) -> None:
    """Also sessions that logged in with the old password, which no longer counts."""
    set_password(warrior, warrior.session(), FIRST)
    mine, other = warrior.log_in(FIRST), warrior.log_in(FIRST)
    other_page = warrior.open_page(other["Cookie"])
    other_page.next()
    set_password(warrior, mine, SECOND)
    ends(other_page)
    assert may(warrior, mine)
    assert not may(warrior, other)
    old = warrior.post("/api/login", warrior.session(),
                       json.dumps({"username": "", "password": FIRST}).encode())
    assert old.status == 401
    assert may(warrior, warrior.log_in(SECOND))


def test_removing_it_lets_everybody_in(warrior: WarriorRunning) -> None:
    """The page says so; an old session can continue."""
    mine = warrior.session()
    set_password(warrior, mine, FIRST)
    set_password(warrior, mine, None)
    assert may(warrior, warrior.session())
    state = json.loads(warrior.ask("GET", "/api/state", mine).text)
    assert state["program"]["password"] is False


def test_changed_from_elsewhere_nobody_stays(make_warrior: MakeWarrior) -> None:
    """For example by the operator; the same account again changes nothing."""
    warrior = make_warrior(password=FIRST)
    session = warrior.log_in(FIRST)
    record = hash_password(SECOND)
    warrior.on_loop(warrior.console.credentials_changed, "", record)
    assert not may(warrior, session)
    again = warrior.log_in(SECOND)
    warrior.on_loop(warrior.console.credentials_changed, "", record)
    assert may(warrior, again)


def test_a_password_may_be_given_as_its_record(make_warrior: MakeWarrior) -> None:
    """In the form of the settings; a plain password of the operator wins."""
    warrior = make_warrior(password_record=hash_password(FIRST))
    assert may(warrior, warrior.log_in(FIRST))
    both = make_warrior(password_record=hash_password(FIRST), password=SECOND)
    assert may(both, both.log_in(SECOND))


def test_what_is_no_record_never_opens_the_console(make_warrior: MakeWarrior) -> None:
    """Not even by an error."""
    with pytest.raises(ValueError, match="record"):
        make_warrior(password_record="scrypt$$")


def test_logging_out_closes_the_page(make_warrior: MakeWarrior) -> None:
    """The one that did, and no other."""
    warrior = make_warrior(password=FIRST)
    mine, other = warrior.log_in(FIRST), warrior.log_in(FIRST)
    page, other_page = warrior.open_page(mine["Cookie"]), warrior.open_page(other["Cookie"])
    for one in (page, other_page):
        assert one.next()["type"] == "snapshot"
    assert warrior.post("/api/logout", mine).status == 200
    ends(page)
    warrior.on_loop(warrior.warrior.add_card, "one")
    other_page.until(lambda m: "projects" in m.get("set", {}))


def test_a_command_that_was_on_its_way(warrior: WarriorRunning) -> None:
    """If its head came before the change and its body after, it is refused."""
    mine, other = warrior.session(), warrior.session()
    lines = {"Host": f"127.0.0.1:{warrior.port}", "Content-Type": "application/json",
             "Content-Length": "2", "Connection": "close", **other}
    head = "POST /api/stop HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    with socket.create_connection(("127.0.0.1", warrior.port), timeout=60) as sock:
        sock.sendall(head.encode() + b"\r\n{")
        set_password(warrior, mine, FIRST)
        sock.sendall(b"}")
        assert sock.recv(100).startswith(b"HTTP/1.1 401")
    assert ("stop",) not in warrior.called
    assert warrior.post("/api/stop", mine).status == 200


def test_browser_goes_on_sending_the_old_password(make_warrior: MakeWarrior) -> None:
    """A logged-in session is not refused because its browser sends old credentials."""
    warrior = make_warrior(password=FIRST)
    session = warrior.log_in(FIRST)
    assert may(warrior, {**session, "Authorization": "Basic Om9sZA=="})


def half_sent(warrior: RunningConsole, line: str, headers: dict[str, str]) -> socket.socket:
    """A request of which the head and the first of two bytes have arrived."""
    lines = {"Host": f"127.0.0.1:{warrior.port}", "Content-Type": "application/json",
             "Content-Length": "2", "Connection": "close", **headers}
    sock = socket.create_connection(("127.0.0.1", warrior.port), timeout=60)
    head = f"{line} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    sock.sendall(head.encode() + b"\r\n{")
    return sock


@pytest.mark.parametrize("line", [
    "POST /api/stop", "POST /api/settings", "GET /api/log", "GET /api/state"])
@pytest.mark.parametrize("how", ["log out", "change"])
def test_access_that_ends_while_a_body_is_on_its_way(
        make_warrior: MakeWarrior, line: str, how: str) -> None:
    """A logout or a new password counts, for requests that read and for commands."""
    warrior = make_warrior(password_record=hash_password(FIRST))
    mine, other = warrior.log_in(FIRST), warrior.log_in(FIRST)
    with half_sent(warrior, line, other) as sock:
        if how == "change":
            set_password(warrior, mine, SECOND)
        else:
            assert warrior.post("/api/logout", other).status == 200
        sock.sendall(b"}")
        assert sock.recv(100).startswith(b"HTTP/1.1 401")
    assert ("stop",) not in warrior.called and len(warrior.called) <= 1


def test_a_page_that_opens_while_its_session_ends(make_warrior: MakeWarrior) -> None:
    """It gets no snapshot."""
    warrior = make_warrior(password_record=hash_password(FIRST))
    mine, other = warrior.log_in(FIRST), warrior.log_in(FIRST)
    with half_sent(warrior, "POST /sockjs/000/abcd1234/xhr_streaming", other) as sock:
        set_password(warrior, mine, SECOND)
        sock.sendall(b"}")
        seen = b""
        while more := sock.recv(1 << 16):
            seen += more
    assert b"snapshot" not in seen
    assert b"Log in again" in seen


def test_a_cookie_that_a_neighbour_puts_in_front(make_warrior: MakeWarrior) -> None:
    """Cookies ignore ports: a second, anonymous one does not log out."""
    warrior = make_warrior(password_record=hash_password(FIRST))
    mine, anonymous = warrior.log_in(FIRST), warrior.session()
    for cookies in (f"{anonymous['Cookie']}; {mine['Cookie']}",
                    f"{mine['Cookie']}; {anonymous['Cookie']}"):
        assert may(warrior, {**mine, "Cookie": cookies})

"""The rows of the gate's table that change something: guessing, a new password, how it starts."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.security.command import ROOT, Command, until
from tests.e2e.security.conftest import Start
from tests.e2e.security.rawhttp import converse, is_refusal, parse, request
from tests.warrior.web.talking import Answer, Page
from warrior.settings.access import INSECURE, in_container

PASSWORD = "the password"


def guess(password: str) -> bytes:
    """A request with Basic credentials."""
    basic = base64.b64encode(f":{password}".encode()).decode()
    return request("GET /healthz", [("Host", "localhost"), ("Authorization", f"Basic {basic}")])


def try_password(command: Command, password: str, source: str) -> Answer:
    return parse(converse(command.port, guess(password), source))


def test_five_failures_from_one_address(start: Start, kind: str) -> None:
    """The sixth try is not looked at, right or not, by whatever way; others are, and who is
    logged in does not notice."""
    command = start(kind, PASSWORD)
    session = command.enter()
    for number in range(5):
        assert is_refusal(try_password(command, f"guess {number}", "127.2.0.1"), 401)
    answer = try_password(command, PASSWORD, "127.2.0.1")
    assert is_refusal(answer, 429)
    assert 0 < int(answer.headers["retry-after"]) <= 31
    login = request("POST /api/login", [
        ("Host", "localhost"), ("Content-Type", "application/json"), *command.session().items()],
        json.dumps({"password": PASSWORD}).encode())
    answer = parse(converse(command.port, login, "127.2.0.1"))
    assert is_refusal(answer, 429)
    assert int(answer.headers["retry-after"]) > 0
    nobody = request("GET /healthz", [("Host", "localhost")])
    assert parse(converse(command.port, nobody, "127.2.0.1")).text == "healthy\n"
    assert try_password(command, PASSWORD, "127.2.0.2").status == 200
    assert try_password(command, "wrong", "127.2.0.3").status == 401
    assert command.ask("GET", "/api/state", session).status == 200
    own = request("GET /api/state", [("Host", "localhost"), *session.items()])
    assert parse(converse(command.port, own, "127.2.0.1")).status == 200


def test_hashing_does_not_block_the_loop(start: Start, kind: str) -> None:
    """While passwords are still looked at, one after the other, everything else is answered."""
    command = start(kind, PASSWORD, real_hashes=True)
    session = command.enter()
    guesses = []
    try:
        for number in range(1, 6):
            source = f"127.3.0.{number}"
            sock = socket.create_connection(("127.0.0.1", command.port), 30, (source, 0))
            guesses.append(sock)
            sock.sendall(guess(f"wrong {number}"))
        assert command.ask("GET", "/healthz").text == "healthy\n"
        assert command.ask("GET", "/api/state", session).status == 200
        assert command.ask("GET", "/", session).status == 200
        answered, _, _ = select.select(guesses, [], [], 0)
        assert len(answered) < len(guesses)
        for sock in guesses:
            assert sock.recv(65536).startswith(b"HTTP/1.1 401 ")
    finally:
        for sock in guesses:
            sock.close()


def set_password(command: Command, session: dict[str, str], password: str | None) -> None:
    answer = command.post("/api/settings", session,
                          json.dumps({"values": {"http_password": password}}).encode())
    assert answer.status == 200, answer


def is_closed(page: Page) -> bool:
    """Whether the console has closed this socket; what was sent before is read first."""
    try:
        while True:
            page.next()
    except ConnectionError:
        return True


def test_a_new_password_ends_other_sessions(start: Start) -> None:
    """They get 401 and their sockets are closed, those from before there was one too; who has
    changed it goes on. Scripts with the old one are shut out."""
    command = start("warrior")
    mine, other = command.session(), command.session()
    pages = [Page(command.port, session["Cookie"]) for session in (other, mine)]
    for page in pages:
        page.until(lambda message: message["type"] == "snapshot", 30)
    set_password(command, mine, PASSWORD)
    assert is_closed(pages[0])
    assert is_refusal(command.ask("GET", "/api/state", other), 401)
    assert is_refusal(command.post("/api/stop", other), 401)
    assert is_refusal(command.ask("GET", "/sockjs/info", other), 401)
    assert "Log in" in command.ask("GET", "/", other).text
    assert command.ask("GET", "/api/state", mine).status == 200

    other = command.log_in(PASSWORD)
    page = Page(command.port, other["Cookie"])
    page.until(lambda message: message["type"] == "snapshot", 30)
    assert try_password(command, PASSWORD, "127.2.0.4").status == 200
    set_password(command, mine, "another")
    assert is_closed(page)
    assert is_refusal(command.ask("GET", "/api/state", other), 401)
    assert is_refusal(try_password(command, PASSWORD, "127.2.0.4"), 401)
    assert command.ask("GET", "/api/state", mine).status == 200
    pages[1].until(lambda message: message["type"] in ("change", "snapshot"), 30)  # still open
    set_password(command, mine, None)
    assert command.ask("GET", "/api/state", command.session()).status == 200
    for one in (*pages, page):
        one.close()


# -- how it starts ---------------------------------------------------------------------------
class Contained(Command):
    """One that others can reach through a proxy; nothing is said about a password."""

    def _words(self) -> list[str]:
        return [*super()._words(), "--public-url", "http://home.example"]


class Exposed(Command):
    """One that others can reach through a proxy, though it has no password."""

    def _words(self) -> list[str]:
        words = super()._words()
        words[1:1] = ["--public-url", "http://home.example", "--insecure-no-password"]
        return words


@pytest.mark.parametrize("option", [
    ["--address", "0.0.0.0"], ["--address", "::"], ["--address", "192.0.2.1"],
    ["--public-url", "https://home.example"]], ids=" ".join)
def test_without_a_password_others_are_kept_out(
        tmp_path: Path, kind: str, option: list[str]) -> None:
    """It does not start, with status 78, and says what to do; it has not listened anywhere."""
    if kind == "warrior" and in_container(os.environ):
        pytest.skip("in a container it makes a password")
    words = [str(ROOT / "run-pipeline"), *option, str(ROOT / "projects/example/pipeline.py"), "me2"]
    if kind == "warrior":
        words = [str(ROOT / "run-warrior"), "--state-dir", str(tmp_path / "state"),
                 "--warrior-hq", "", "--port", "0", *option]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, cwd=tmp_path)
    assert done.returncode == 78, done.stderr
    assert "password" in done.stderr
    assert "--insecure-no-password" in done.stderr
    assert "The page is at" not in done.stderr


def test_in_a_container_a_password_is_made(tmp_path: Path) -> None:
    """It is printed once, and then needed."""
    command = Contained("warrior", tmp_path, container="docker")
    try:
        said = command.out.read_text() + command.said()
        made = said.partition("password is: ")[2].partition("\n")[0]
        assert len(made) >= 12
        assert said.count(made) == 1
        assert is_refusal(command.ask("GET", "/api/state", command.session()), 401)
        assert command.ask("GET", "/api/state", command.log_in(made)).status == 200
    finally:
        command.close()


def test_whoever_means_it_sees_a_banner(tmp_path: Path, kind: str) -> None:
    """On the page, with and without scripts, and in the log."""
    command = Exposed(kind, tmp_path)
    try:
        until(lambda: INSECURE in command.said(), "the warning")
        assert INSECURE in command.ask("GET", "/").text
        state = command.ask("GET", "/api/state", command.session()).text
        assert INSECURE in state
    finally:
        command.close()

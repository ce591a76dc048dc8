"""A password that is set on the page is found nowhere afterwards."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.security.command import ROOT, Command, until
from tests.e2e.security.conftest import Start
from tests.warrior.web.talking import Page as Socket

FIRST, SECOND = "Correct horse: b\u00e4ttery 1", "Staple/of+the&second 2"


def forms(password: str) -> list[bytes]:
    """How it could stand somewhere: as it is, quoted, as Basic credentials have it."""
    quoted = urllib.parse.quote(password)
    found = [password, quoted, urllib.parse.quote_plus(password),
             password.encode("unicode_escape").decode(), quoted.replace("/", "%2F")]
    as_bytes = [form.encode() for form in found]
    for user in ("", "volunteer"):
        as_bytes.append(base64.b64encode(f"{user}:{password}".encode()).rstrip(b"="))
    return as_bytes


def holds(content: bytes, password: str) -> bool:
    return any(form in content for form in forms(password))


def files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path


def programs(command: Command) -> Iterator[bytes]:
    """Command line and environment of it and of all that it has started."""
    process = psutil.Process(command.process.pid)
    for one in (process, *process.children(recursive=True)):
        for name in ("cmdline", "environ"):
            yield Path(f"/proc/{one.pid}/{name}").read_bytes()


def everything(command: Command, session: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """All that it answers to who may know all, all files, all programs."""
    for path in ("/", "/healthz", "/api/state", "/api/log", "/api/keys", "/api/settings",
                 "/api/projects/test/log", "/static/app.js", "/nowhere", "/sockjs/info"):
        answer = command.ask("GET", path, session)
        yield path, f"{answer.headers}{answer.text}".encode()
    socket = Socket(command.port, session["Cookie"])
    yield "the socket", repr(socket.next()).encode()
    socket.close()
    for path in files(command.folder):
        yield str(path), path.read_bytes()
    for content in programs(command):
        yield "a program", content


def is_nowhere(command: Command, session: dict[str, str], password: str) -> None:
    places = [place for place, content in everything(command, session)
              if holds(content, password)]
    assert places == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def set_on_page(page: Page, password: str) -> None:
    page.goto(f"{page.url.partition('#')[0]}#settings")
    page.get_by_label("Password of this page").fill(password)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".save-bar")).to_contain_text("Saved.", timeout=20_000)


def test_a_password_set_on_the_page(start: Start, page: Page) -> None:
    """Set, used to log in and as Basic credentials, mistyped, changed, after a crash and after
    a stop: no answer, log, file or program holds it, nor what a program of a project sees."""
    command = start("warrior")
    page.goto(command.url)
    set_on_page(page, FIRST)
    session = command.log_in(FIRST)
    basic = base64.b64encode(f"volunteer:{FIRST}".encode()).decode()
    assert command.ask("GET", "/", {"Authorization": f"Basic {basic}"}).status == 200
    assert "Log in" in command.ask("GET", "/").text
    is_nowhere(command, session, FIRST)

    set_on_page(page, SECOND)
    command.password = SECOND
    command.post("/api/login", command.session(), b'{"username": "", "password": "%s"}'
                 % FIRST.encode())
    session = command.enter()
    is_nowhere(command, session, FIRST)
    is_nowhere(command, session, SECOND)

    command.kill()
    command.start()
    session = command.enter()
    is_nowhere(command, session, SECOND)
    (command.project / "go").touch()
    environment = command.project / "environment"
    until(environment.exists, "the environment of a project's program")
    command.close()
    assert command.process.returncode == 0
    assert [path for path in files(command.folder)
            if holds(path.read_bytes(), FIRST) or holds(path.read_bytes(), SECOND)] == []


def test_a_password_from_the_environment(start: Start, kind: str) -> None:
    """Those that it starts do not inherit it; nor does it stand in an answer or a file."""
    command = start(kind, FIRST)
    session = command.enter()
    own = Path(f"/proc/{command.process.pid}/environ").read_bytes()
    for place, content in everything(command, session):
        # Its own environment is what its owner has given it: the system keeps it as it was.
        assert not holds(content, FIRST) or content == own, place


def test_a_password_that_was_made(tmp_path: Path) -> None:
    """In a container: told once to whoever started it, and nowhere else, not even in the log."""
    log = tmp_path / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "run-warrior"), "--state-dir", str(tmp_path / "state"),
             "--warrior-hq", "", "--port", "0", "--address", "0.0.0.0"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "container": "docker"},
            stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, start_new_session=True)
    try:
        until(lambda: "The page is at" in log.read_text(), "the page")
        said = log.read_text()
        made = said.partition("password is: ")[2].partition("\n")[0]
        assert len(made) > 10
        assert said.count(made) == 1
        for path in files(tmp_path / "state"):
            assert made.encode() not in path.read_bytes(), path
        assert made.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.terminate()
        process.wait(30)
    assert log.read_text().count(made) == 1

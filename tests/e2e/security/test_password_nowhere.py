"""A password that is set on the page is found nowhere afterwards."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from tests.e2e.security.command import ROOT, Command, until
from tests.e2e.security.conftest import Start
from tests.e2e.security.oddities import ROUTES, WARRIOR_ROUTES
from tests.warrior.web.talking import Asking
from tests.warrior.web.talking import Page as Socket

FIRST, SECOND = "Correct horse: b\u00e4ttery <1>", "Staple/of+the&second 2"
#: Commands that change nothing, for all that they answer.
BODIES = {
    "/api/login": b'{"username": "", "password": "a wrong one"}', "/api/settings": b'{"values": {}}',
    "/api/projects/select": b'{"projects": ["test"]}', "/api/keep-running": b"{}"}


# -- what is looked for ------------------------------------------------------------------
def forms(password: str) -> set[bytes]:
    """How it could stand somewhere: as it is, escaped, quoted, and as Basic credentials have it,
    whatever the name is before it."""
    plain = password.encode()
    quoted = urllib.parse.quote(password)
    found = {plain, password.encode("utf-16-le"), plain.hex().encode()} | {text.encode() for text in (
        quoted, quoted.replace("/", "%2F"), urllib.parse.quote_plus(password),
        html.escape(password), json.dumps(password)[1:-1], ascii(password)[1:-1])}
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + plain)
        whole = encoded[4 if before else 0:-4]  # what comes before and after mixes with the ends
        found |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def holds(content: bytes, password: str) -> bool:
    return any(form in content for form in forms(password))


@pytest.mark.parametrize("password", [FIRST, SECOND])
@pytest.mark.parametrize("user", ["", "a", "volunteer", "\u00e4"])
def test_it_would_be_found(password: str, user: str) -> None:
    """What is searched for is what programs would write."""
    pair = f"{user}:{password}"
    assert holds(base64.b64encode(pair.encode()), password)
    assert holds(f"http://{urllib.parse.quote(pair, safe='')}@x/".encode(), password)
    assert holds(json.dumps({"http_password": password}).encode(), password)
    assert holds(repr({"password": pair}).encode(), password)
    assert not holds(base64.b64encode(b"another: password"), password)


# -- where it is looked for ----------------------------------------------------------------
def files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """All that lies there; what goes away meanwhile was not kept."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                try:
                    yield str(path), path.read_bytes()
                except FileNotFoundError:
                    assert path.name.endswith(".new"), path


def programs(pid: int) -> Iterator[tuple[str, bytes]]:
    """Command line and environment of a program and of all that it has started."""
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        for name in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{one.pid}/{name}").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it was a sleep
            yield f"{name} of {'it' if one.pid == pid else 'a child'}", content


def answers(asking: Asking, session: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """All that it says to who may know all, and to who may not."""
    state = asking.ask("GET", "/api/state", session).text
    items = json.loads(state)["items"]
    for route in (*ROUTES, *WARRIOR_ROUTES):
        method, _, path = route.partition(" ")
        if "sockjs" in path or not path.startswith("/") or "\x7f" in path:
            continue
        path = path.replace("items/{}", f"items/{items[0]['id'] if items else 'none'}").replace(
            "{}", "test")
        for headers in ({}, session):
            if method == "GET":
                answer = asking.ask("GET", path, headers)
            elif path in BODIES:
                answer = asking.post(path, headers, BODIES[path])
            else:
                answer = asking.post(path, headers, b"not JSON")
            yield route, f"{answer.headers}{answer.text}".encode()
    for path in ("/sockjs/info", "/sockjs/0/abcd/xhr", "/sockjs/0/abcd/xhr"):
        answer = asking.ask("GET" if "info" in path else "POST", path, session, b"")
        yield path, f"{answer.headers}{answer.text}".encode()
    socket = Socket(asking.port, session["Cookie"])
    yield "the socket", socket.head + repr(socket.next()).encode()
    socket.close()


def everything(command: Command, session: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """All that it answers, all files, all programs, what a project's program sees."""
    environment = command.project / "environment"
    until(environment.exists, "the environment of a project's program")
    yield from answers(command, session)
    yield from files(command.folder)
    yield from programs(command.process.pid)


def is_nowhere(command: Command, session: dict[str, str], *passwords: str) -> None:
    places = [place for place, content in everything(command, session)
              if any(holds(content, password) for password in passwords)]
    assert places == []


# -- the page --------------------------------------------------------------------------------
class Watched:
    """The console in a browser, and all that its socket was told."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.told: list[str | bytes] = []
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.told.append(frame))

    def set_password(self, password: str) -> None:
        """As its owner does; neither the page afterwards nor what it was told has it."""
        page = self.page
        page.goto(f"{page.url.partition('#')[0]}#settings")
        page.get_by_label("Password of this page").fill(password)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(".save-bar")).to_contain_text("Saved.", timeout=60_000)
        expect(page.get_by_label("Password of this page")).to_have_value("", timeout=60_000)
        kept = page.evaluate("""() => [location.href, document.cookie, history.state, name,
            {...localStorage}, {...sessionStorage}, document.documentElement.outerHTML,
            ...Array.from(document.querySelectorAll("input"), (input) => input.value)]""")
        assert self.told
        for content in (*map(str, kept), *map(str, self.told)):
            assert not holds(content.encode(), password), content


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield Watched(page)
    context.close()


def test_a_password_set_on_the_page(start: Start, watched: Watched) -> None:
    """Set, used to log in and as Basic credentials, mistyped, changed, after a crash and after
    a stop: no answer, log, file or program holds it, nor what a program of a project sees."""
    command = start("warrior")
    watched.page.goto(command.url)
    watched.set_password(FIRST)
    session = command.log_in(FIRST)
    basic = base64.b64encode(f"volunteer:{FIRST}".encode()).decode()
    assert command.ask("GET", "/", {"Authorization": f"Basic {basic}"}).status == 200
    assert "Log in" in command.ask("GET", "/").text
    is_nowhere(command, session, FIRST)

    watched.set_password(SECOND)
    command.password = SECOND
    refused = command.post("/api/login", command.session(),
                           json.dumps({"username": "", "password": FIRST}).encode())
    assert refused.status == 401
    refused = command.ask("GET", "/", {"Authorization": f"Basic {basic}"})
    assert refused.status == 401
    session = command.enter()
    saved = command.post("/api/settings", session,
                         json.dumps({"values": {"http_password": SECOND}}).encode())
    assert saved.status == 200 and not holds(f"{saved.headers}{saved.text}".encode(), SECOND)
    is_nowhere(command, session, FIRST, SECOND)

    command.kill()
    command.start()
    is_nowhere(command, command.enter(), FIRST, SECOND)

    command.close()
    assert command.process.returncode == 0
    (command.project / "go").unlink()
    command.start()
    is_nowhere(command, command.enter(), FIRST, SECOND)


def test_a_password_from_the_environment(start: Start, kind: str) -> None:
    """Those that it starts do not inherit it; nor does it stand in an answer or a file."""
    command = start(kind, FIRST)
    places = [place for place, content in everything(command, command.enter())
              if holds(content, FIRST)]
    # Its own environment is what its owner has given it: the system keeps it as it was.
    assert places == ["environ of it"]


def test_a_password_that_was_made(tmp_path: Path) -> None:
    """In a container: told once to whoever started it, and nowhere else, not even in the log."""
    said, state = tmp_path / "stderr", tmp_path / "state"
    with said.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "run-warrior"), "--state-dir", str(state),
             "--warrior-hq", "", "--port", "0", "--address", "0.0.0.0"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "container": "docker",
                 "TMPDIR": str(tmp_path)},
            stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, start_new_session=True)
    try:
        address = until(lambda: re.search(r"The page is at http://\S+:(\d+)/", said.read_text()),
                        "the page")
        made = re.search(r"password is: (\S+)", said.read_text())
        assert made is not None and len(made[1]) > 10
        asking = Asking()
        asking.port = int(address[1])
        found = [*answers(asking, asking.log_in(made[1])), *files(tmp_path),
                 *programs(process.pid)]
        assert [place for place, content in found if holds(content, made[1])] == [str(said)]
    finally:
        process.terminate()
        process.wait(30)
    assert said.read_text().count(made[1]) == 1
    assert [place for place, content in files(tmp_path) if holds(content, made[1])] == [str(said)]

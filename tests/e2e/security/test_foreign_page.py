"""A page on another origin, in a real Chromium beside a console that somebody is logged in to."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.security.command import ITEM, TITLE, Command, until
from tests.support.browsing import FLAGS

ATTACK = Path(__file__).with_name("attack.js").read_text("utf-8")
#: Names that lead to this machine, as a name server of the attacker's may say.
NAMES = "MAP evil.example 127.0.0.1, MAP *.evil.example 127.0.0.1"
BLANK = "<!doctype html><title>A page</title><body></body>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One that believes the attacker's name server."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            # Without the wall that newer browsers have of their own.
            args=[*FLAGS, f"--host-resolver-rules={NAMES}",
                  "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"])
        yield browser
        browser.close()


@pytest.fixture
def evil() -> Iterator[int]:
    """The port of a server with nothing but an empty page."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(BLANK.encode())

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


class Visit:
    """A browser that is logged in to a console, and goes to the attacker's page as well."""

    def __init__(self, browser: Browser, command: Command, session: dict[str, str]) -> None:
        self.command = command
        self.session = session
        self.context = browser.new_context()
        self.console = self.context.new_page()
        self.console.set_default_timeout(60_000)
        self.console.goto(command.url)
        self.console.get_by_label("Password").fill(command.password)
        self.console.get_by_role("button", name="Log in").click()
        expect(self.console.locator(".row-name").first).to_have_text(ITEM, timeout=60_000)
        self.token = self.console.locator("meta[name=csrf-token]").get_attribute("content") or ""
        self.before = self.settled()

    def settled(self) -> Any:
        """What nobody else may change."""
        state = self.command.state(self.session)
        return (state["settings"], state["runner"]["state"], state["runner"]["concurrent"],
                [(one["id"], one["order"]) for one in state["projects"]],
                [item["state"] for item in state["items"]])

    def attack(self, page: Page, target: str) -> list[str]:
        """All that the attacker's page gets to know."""
        seen: list[str] = page.evaluate(ATTACK, target)
        return seen

    def is_unharmed(self, seen: list[str]) -> None:
        """Nothing was read, nothing has changed, the item works on, the page is live."""
        cookies = [cookie["value"] for cookie in self.context.cookies()
                   if cookie["name"].startswith("warrior")]
        assert cookies
        for secret in (TITLE, ITEM, "a-volunteer", self.token, *cookies):
            assert secret
            assert [text for text in seen if secret in text] == []
        assert [text for text in seen if "opened" in text or "message" in text
                or "loaded" in text or " 200 " in text] == []
        assert self.settled() == self.before
        beats = self.command.beats()
        until(lambda: self.command.beats() > beats, "the item at work")
        self.command.answers()
        expect(self.console.locator(".row-name").first).to_have_text(ITEM)
        expect(self.console.locator(".offline")).to_have_count(0)
        assert self.console.evaluate("fetch('/', {cache: 'no-store'}).then(a => a.text())").count(
            'id="app"') == 1

    def close(self) -> None:
        self.context.close()


@pytest.fixture(scope="module", params=["warrior", "pipeline"])
def command(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Command]:
    """One of each kind for all attacks: none of them may change anything."""
    command = Command(request.param, tmp_path_factory.mktemp(request.param), "the password")
    yield command
    command.close()


@pytest.fixture(scope="module")
def session(command: Command) -> dict[str, str]:
    """What looks whether anything has changed; logging in takes a while."""
    return command.enter()


@pytest.fixture
def visit(browser: Browser, command: Command, session: dict[str, str]) -> Iterator[Visit]:
    visit = Visit(browser, command, session)
    yield visit
    visit.close()


def test_a_page_of_another_origin_gets_nowhere(visit: Visit, evil: int) -> None:
    """Another name, the same host at another port (whose cookies the browser sends along), a
    neighbour: fetch, forms, elements, sockets, event sources, frames, beacons."""
    target = f"http://127.0.0.1:{visit.command.port}"
    for attacker in ("evil.example", "127.0.0.1", "localhost", "x.localhost"):
        page = visit.context.new_page()
        page.goto(f"http://{attacker}:{evil}/")
        visit.is_unharmed(visit.attack(page, target))
        page.close()


def test_a_name_that_leads_to_this_machine_is_not_ours(visit: Visit) -> None:
    """DNS rebinding: the attacker's page has the console as its own origin, by its own name,
    and so may read every answer. It reads refusals."""
    page = visit.context.new_page()
    origin = f"http://evil.example:{visit.command.port}"
    # The page itself came from the attacker's own server, before its name led to us.
    page.route(f"{origin}/attack", lambda route: route.fulfill(
        body=BLANK, content_type="text/html"))
    page.goto(f"{origin}/attack")
    seen = visit.attack(page, origin)
    assert len([text for text in seen if "basic 421" in text]) > 30, "\n".join(seen)
    visit.is_unharmed(seen)


def test_a_window_that_another_page_opens_is_not_its_own(visit: Visit, evil: int) -> None:
    """The console may be opened from a link; its opener gets no hold of it."""
    page = visit.context.new_page()
    page.goto(f"http://evil.example:{evil}/")
    target = visit.command.url
    with visit.context.expect_page() as opened:
        page.evaluate("(to) => { window.opened = window.open(to); }", target)
    expect(opened.value.locator(".row-name").first).to_have_text(ITEM, timeout=60_000)
    seen = [str(page.evaluate(f"""() => {{
        try {{ return String({expression}); }} catch (error) {{ return String(error); }} }}"""))
        for expression in ("window.opened.document.body.innerText", "window.opened.location.href",
                           "window.opened.length", "window.opened.closed")]
    assert seen[-1] == "true"  # it has lost hold of it
    assert opened.value.evaluate("window.opener") is None
    opened.value.close()
    visit.is_unharmed(seen)


def test_a_torrent_of_requests_slows_nothing(visit: Visit, evil: int) -> None:
    """Three hundred requests and fifty sockets from a foreign page, again and again."""
    page = visit.context.new_page()
    page.goto(f"http://evil.example:{evil}/")
    page.evaluate("""(target) => {
        window.done = 0;
        for (let i = 0; i < 300; i += 1) {
            fetch(`${target}/api/state?${i}`, {mode: "no-cors", credentials: "include"})
                .catch(() => {}).finally(() => { window.done += 1; });
        }
        for (let i = 0; i < 50; i += 1) {
            const socket = new WebSocket(
                `${target.replace("http", "ws")}/sockjs/${i}/abcdefgh/websocket`);
            socket.onclose = () => { window.done += 1; };
        }
    }""", f"http://127.0.0.1:{visit.command.port}")
    for _ in range(20):
        visit.command.answers()
    page.wait_for_function("window.done === 350", timeout=60_000)
    visit.is_unharmed([])

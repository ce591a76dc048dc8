"""The page in a real Chromium: what somebody sees and does."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.console.conftest import ONE_WIDTH

ROOT = Path(__file__).resolve().parents[3]


class Server:
    """serve.py, which may be ended and begun again on the same port."""

    def __init__(self, scenario: str, password: str = "") -> None:
        self.scenario = scenario
        self.password = password
        self.port = "0"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("serve.py")), self.port, self.scenario,
             self.password],
            cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.port = self.url.rstrip("/").rpartition(":")[2]

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    yield server
    server.kill()


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.mark.parametrize("server", ["terminal"], indirect=True)
def test_log_is_live_and_drawn_as_a_terminal_would(page: Page, server: Server) -> None:
    """Colours as classes of ours, a carriage return overwrites, undecodable bytes and markup
    are text, a million characters are cut with a remark, and new lines come by themselves."""
    page.goto(server.url)
    expect(page.locator(".sentence")).to_contain_text("Working on 2 items.")
    expect(page.locator(".project-html h2")).to_have_text("A header")
    page.locator(".row").first.click()
    log = page.locator(".log")
    expect(log.locator(".t-fg2.t-b")).to_have_text("green")
    expect(log.locator(".t-fg1")).to_have_text("red")
    expect(log).to_contain_text("green red plain")
    expect(log).to_contain_text("link € \ufffd")
    expect(log).to_contain_text("<b>not bold</b>")
    expect(log).to_contain_text("(the rest of this line is left out: 991,813 characters)")
    expect(log.locator(".line", has_text="progress")).to_have_text("progress 100%")
    assert "a title" not in log.inner_text()
    assert "http://example.org/" not in log.inner_text()
    assert page.locator(".log [style]").count() == 0
    seen = log.locator(".line", has_text="live line").last.inner_text()
    number = int(seen.split()[-1])
    expect(log).to_contain_text(f"live line {number + 5}")
    assert overflow(page) == 0
    box = page.locator(".log-box")
    assert box.evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight") < 60


@pytest.mark.parametrize("server", ["terminal"], indirect=True)
def test_scrolling_up_stays_and_the_log_can_be_saved(page: Page, server: Server) -> None:
    """Who reads above is left there; a button leads back to the end. The download is the log."""
    page.goto(server.url)
    page.locator(".row").first.click()
    expect(page.locator(".log")).to_contain_text("live line 3")
    page.locator(".log-box").evaluate("e => { e.scrollTop = 0; }")
    follow = page.get_by_role("button", name="Go to the end")
    expect(follow).to_be_visible()
    expect(page.locator(".log")).to_contain_text("live line 9")
    assert page.locator(".log-box").evaluate("e => e.scrollTop") == 0
    follow.click()
    expect(follow).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download log").click()
    text = download.value.path().read_text("utf-8")
    assert "live line 3" in text
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".log-panel")).to_be_hidden()


@pytest.mark.parametrize("server", ["many"], indirect=True)
def test_many_items_are_windowed(page: Page, server: Server) -> None:
    """Two hundred items, but only the rows in sight exist; names are text; last lines come."""
    page.goto(server.url)
    expect(page.locator(".sentence")).to_contain_text("Working on 200 items.", timeout=60_000)
    assert page.locator(".row").count() < 60
    expect(page.locator(".row-name").first).to_have_text("https://example.org/?a=<i>1</i>")
    expect(page.locator(".row-name").nth(1)).to_have_text("one +2 more")
    expect(page.locator(".row-line").first).to_have_text(re.compile(r"line \d+"))
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(".row-name", has_text="user:198")).to_be_in_viewport()
    assert page.locator(".row").count() < 60
    assert overflow(page) == 0


@pytest.mark.parametrize("server", ["short"], indirect=True)
def test_stop_keep_running_and_stop_now(page: Page, server: Server) -> None:
    """A gentle stop can be taken back; a hard one asks first; in the end the page says what
    was done."""
    page.goto(server.url)
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("button", name="Stop when the items are done").click()
    expect(page.locator(".sentence")).to_contain_text("Stopping:")
    page.get_by_role("button", name="Keep running").click()
    expect(page.locator(".sentence")).to_contain_text("Working on 2 items.")
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("button", name="Stop now…").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".sentence")).to_contain_text("Working on")
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("button", name="Stop now…").click()
    page.locator(".menu .danger").click()
    expect(page.locator(".sentence")).to_contain_text("It has ended:")
    expect(page.locator(".sentence")).to_contain_text("2 cancelled")
    assert server.process.wait(15) == 0
    assert page.locator(".controls").count() == 0


@pytest.mark.parametrize("server", ["many"], indirect=True)
@ONE_WIDTH
def test_server_goes_away_and_comes_back(page: Page, server: Server) -> None:
    """The page says that it is old, and is new again by itself, with the new run's state."""
    page.goto(server.url)
    expect(page.locator(".row").first).to_be_visible()
    server.kill()
    expect(page.get_by_role("alert")).to_contain_text("The console has not answered for")
    expect(page.get_by_role("button", name="Stop…")).to_be_disabled()
    server.start()
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop…")).to_be_enabled()
    expect(page.locator(".sentence")).to_contain_text("Working on 200 items.", timeout=60_000)


def test_logging_in(browser: Browser) -> None:
    """With a password the page asks for it, says when it is wrong, and opens with it."""
    server = Server("short", "a secret")
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(server.url)
        expect(page.get_by_role("heading")).to_have_text("Log in")
        assert "Browser test" not in page.content()
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        page.get_by_label("Password").fill("a secret")
        page.get_by_role("button", name="Log in").click()
        expect(page.locator(".row").first).to_be_visible()
    finally:
        context.close()
        server.kill()


def test_many_lines_stay_bounded(browser: Browser) -> None:
    """The page keeps some thousand lines, however many there were."""
    server = Server("terminal")
    try:
        page = browser.new_page()
        page.goto(server.url)
        count = page.evaluate("""async () => {
            const { Terminal } = await import("/static/terminal.js");
            const terminal = new Terminal(100);
            for (let i = 0; i < 10000; i += 1) terminal.write(`line ${i}\\n`);
            return [terminal.lines.length, terminal.first];
        }""")
        assert count == [100, 9900]
        page.close()
    finally:
        server.kill()


TERMINAL_CASES = [
    (["abc\rX"], ["Xbc"]),
    (["abc\r", "\x1b[K", "d"], ["d"]),
    (["50%\b\b\b60%\n"], ["60%"]),
    (["a\x1b[3", "1mred\x1b[0m b"], ["ared b"]),
    (["one\r\ntwo\r\n"], ["one", "two"]),
    (["a\x1b]0;title", " goes on\x07b"], ["ab"]),
    (["\x1b[2J\x1b[1;1Hx\x1b[?25l\n"], ["x"]),
    (["caf\u00e9 \x9b31m\n"], ["café \ufffd31m"]),
    (["a\x1b]never ended\nnext\n"], ["a", "next"]),
    (["12345\r\x1b[2Cx"], ["12x45"]),
    (["\n\nx"], ["", "", "x"]),
    (["tab\there\x07\x00"], ["tab\there"]),
]


def test_terminal_rules(browser: Browser) -> None:
    """Each oddity of terminal output, in the page's own code."""
    server = Server("terminal")
    try:
        page = browser.new_page()
        page.goto(server.url)
        for pieces, lines in TERMINAL_CASES:
            shown = page.evaluate("""async (pieces) => {
                const { Terminal } = await import("/static/terminal.js");
                const terminal = new Terminal();
                for (const piece of pieces) terminal.write(piece);
                return terminal.lines.map((l) => l.segments.map((s) => s.text).join(""));
            }""", pieces)
            assert shown == lines, pieces
        page.close()
    finally:
        server.kill()


def test_page_that_is_not_built_says_how(tmp_path: Path) -> None:
    """Without static/vendor/ the page answers, says what to run, and shows the state."""
    import urllib.request

    shutil.copytree(ROOT / "static", tmp_path / "static",
                    ignore=shutil.ignore_patterns("vendor"))
    code = (Path(__file__).with_name("serve.py").read_text("utf-8").replace(
        "ConsoleOptions(port=port,",
        f"ConsoleOptions(port=port, static_dir={str(tmp_path / 'static')!r},"))
    (tmp_path / "serve.py").write_text(code, "utf-8")
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "serve.py"), "0", "short"], cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        end, text = time.monotonic() + 10, ""
        while "user:" not in text and "one +2" not in text and time.monotonic() < end:
            with urllib.request.urlopen(url) as answer:
                assert answer.status == 200
                text = answer.read().decode()
        assert "<code>make static</code>" in text
        assert "app.js" not in text
        assert "one +2 more" in text or "user:" in text
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

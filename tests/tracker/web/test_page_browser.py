"""The pages in a real Chromium: they update themselves, and log no errors."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.browsing import FLAGS, silent_page
from tracker.store.store import Store

NASTY = ["<img src=x onerror=alert(1)>", "a\x1b[31m\x07", "rtl\u202egpj.exe", "x" * 3000]
PATIENCE = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


#: For tests to which the width of the window makes no difference.
ONE_WIDTH = pytest.mark.parametrize("page", [(1280, "light")], indirect=True, ids=["1280"])


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["1280", "390"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page whose console must stay empty, except for requests while the server is away."""
    width, scheme = request.param
    with silent_page(browser, width, scheme, ("net::ERR_",), PATIENCE) as page:
        yield page


def fill(data_dir: Path, items: list[str]) -> None:
    """Make a database whose project ``p`` has these items."""
    store = Store(data_dir / "tracker.sqlite3")
    store.connection.execute("BEGIN IMMEDIATE")
    store.add("p", items)
    store.connection.execute("COMMIT")
    store.close()


def fits(page: Page) -> bool:
    """Return whether the page is no wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_the_page_fills_live(start_tracker: Callable[..., Any], tmp_path: Path, page: Page) -> None:
    """Claims and results appear without a reload, names are text, and the page fits the window."""
    items = ["first", "second", *NASTY]
    fill(tmp_path / "data", items)
    server = start_tracker()
    client = server.client()
    page.goto(f"{server.url}/p/")
    expect(page.locator("#standing .sentence")).to_have_text("6 items wait.")
    expect(page.locator("#latest .empty")).to_be_visible()
    page.evaluate("window.stayed = true")
    assert client.request("p", multi=6) == items
    expect(page.locator(".tiles .out dd").first).to_have_text("6")
    assert client.done("p", "first")[0] == 200
    row = page.locator("#latest li")
    expect(row).to_have_count(1)
    expect(row.locator("bdi").first).to_have_text("first")
    expect(row.locator("time")).to_have_text(re.compile("now|ago"))
    expect(page.locator("#leaders tbody th")).to_have_text("SOMEONE")
    expect(page.locator("[data-kind=items] figcaption b")).to_have_text("1")
    for name in NASTY:
        assert client.done("p", name, "OTHER")[0] == 200
    expect(row).to_have_count(5)
    expect(row.first).to_have_class(re.compile("new"))
    texts = row.locator("bdi").all_text_contents()
    assert NASTY[0] in texts and r"a\x1b[31m\x07" in texts
    expect(page.locator("main img")).to_have_count(0)
    assert fits(page)
    assert page.evaluate("window.stayed")


def test_a_first_project_appears(
    start_tracker: Callable[..., Any], tmp_path: Path, page: Page
) -> None:
    """A new project appears on the empty list, and its first items on its page."""
    server = start_tracker()
    page.goto(server.url)
    expect(page.locator("h1")).to_have_text("No projects yet")
    assert fits(page)
    fill(tmp_path / "data", [])
    expect(page.locator(".card h2")).to_have_text("p")
    page.locator(".card").click()
    expect(page.locator("pre")).to_have_text("run-tracker add p items.txt")
    fill(tmp_path / "data", ["a"])
    expect(page.locator(".tiles .todo dd").first).to_have_text("1")
    expect(page.locator("pre")).to_have_count(0)


def test_charts_are_described(
    start_tracker: Callable[..., Any], tmp_path: Path, page: Page
) -> None:
    """A bar under the pointer is described in words; a link chooses the period."""
    fill(tmp_path / "data", ["a"])
    server = start_tracker()
    server.client().done("p", "a")
    page.goto(f"{server.url}/p/")
    page.get_by_role("link", name="Last 30 days").click()
    expect(page.locator("nav [aria-current]")).to_have_text("Last 30 days")
    chart = page.locator("[data-kind=items]")
    expect(chart.locator(".readout")).to_have_text("at most 1 in a day")
    chart.locator("g .place").last.hover(force=True)
    expect(chart.locator(".readout")).to_have_text(re.compile(r"^\d+ \w+: 1 item$"))
    page.locator("h1").hover()
    expect(chart.locator(".readout")).to_have_text("at most 1 in a day")


@ONE_WIDTH
def test_a_tracker_that_goes_away(
    start_tracker: Callable[..., Any], tmp_path: Path, page: Page
) -> None:
    """The page says that the tracker does not answer, and keeps its contents."""
    fill(tmp_path / "data", ["a"])
    server = start_tracker()
    page.goto(f"{server.url}/p/")
    expect(page.locator("#standing")).to_be_visible()
    server.stop()
    expect(page.locator("#connection")).to_contain_text("does not answer")
    expect(page.locator(".tiles .todo dd").first).to_have_text("1")


@ONE_WIDTH
def test_a_hidden_page_requests_nothing(
    start_tracker: Callable[..., Any], tmp_path: Path, page: Page
) -> None:
    """A hidden page requests nothing; when it is shown again it does so at once."""
    fill(tmp_path / "data", ["a"])
    server = start_tracker()
    page.add_init_script(
        "window.away = false;"
        "Object.defineProperty(document, 'hidden', {get: () => window.away});"
        "window.turn = (away) => { window.away = away;"
        " document.dispatchEvent(new Event('visibilitychange')); };"
    )
    page.clock.install()
    page.goto(f"{server.url}/p/")
    asked: list[str] = []
    with page.expect_response(lambda answer: answer.url.endswith("/p/")):
        pass
    page.evaluate("turn(true)")
    page.on("request", lambda request: asked.append(request.url))
    server.client().done("p", "a")
    page.clock.fast_forward("10:00")
    assert asked == []
    page.evaluate("turn(false)")
    expect(page.locator(".tiles .done dd").first).to_have_text("1")

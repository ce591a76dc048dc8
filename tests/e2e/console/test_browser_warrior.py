"""The warrior's page in a real Chromium, with the real daemon behind it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.console.conftest import ONE_WIDTH
from tests.e2e.console.daemon import BROKEN, Daemon
from tests.e2e.console.looking import card, overflow, sentence, view
from tests.support.scripted_hq import ScriptedHQ, project


def test_first_visit_leads_to_a_completed_item(daemon: Daemon, page: Page) -> None:
    """It asks the nickname and nothing else, says what is wrong with one, leads to the
    projects; with one click more items complete."""
    daemon.add("quick")
    daemon.start()
    page.goto(daemon.url)
    expect(page.get_by_label("Your nickname")).to_be_focused()
    assert page.get_by_role("button").all_inner_texts() == ["Continue"]
    assert page.locator("input").count() == 1
    page.keyboard.type("x!")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("3 to 30 letters")
    page.get_by_label("Your nickname").fill("a-volunteer")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    assert page.url.endswith("#projects")
    expect(page.locator(".card").first).to_contain_text("Archive Team’s choice")
    page.get_by_role("button", name="Choose: Title of quick").click()
    view(page, "Now")
    expect(page.locator(".ended .row-name").first).to_have_text(re.compile(r"quick:<i>\d+</i>"))
    expect(page.locator(".ended .state").first).to_have_text("completed")
    expect(page.locator(".aside")).to_contain_text("as a-volunteer")
    assert overflow(page) == 0


def test_number_of_items_is_changed_at_the_top(daemon: Daemon, page: Page) -> None:
    """From 1 to 6 and no further: the figure at once, five more items soon. Back to 1: the
    items go on, and a click at the end does nothing."""
    daemon.add("slow", seconds=300)
    daemon.start(DOWNLOADER="someone", SELECTED_PROJECT="slow", CONCURRENT_ITEMS="1")
    page.goto(daemon.url)
    expect(page.locator(".row")).to_have_count(1)
    stepper = page.get_by_role("group", name="Concurrent items")
    more = stepper.get_by_role("button", name="One item more at once")
    for shown in range(2, 7):
        more.click()
        expect(stepper.locator("output")).to_have_text(str(shown))
    more.click(force=True)
    expect(stepper.locator("output")).to_have_text("6")
    expect(more).to_have_attribute("aria-disabled", "true")
    expect(page.locator(".row")).to_have_count(6)
    expect(stepper.locator("output")).to_have_attribute("data-wish", "false")
    fewer = stepper.get_by_role("button", name="One item fewer at once")
    for _ in range(6):
        fewer.click(force=True)
    expect(stepper.locator("output")).to_have_text("1")
    expect(page.locator(".project-facts")).to_contain_text("6 at work, 1 slot")
    page.reload()
    expect(stepper.locator("output")).to_have_text("1")
    expect(page.locator(".row")).to_have_count(6)


def test_projects_are_chosen_moved_and_dropped(daemon: Daemon, page: Page) -> None:
    """All with the keyboard; the focus stays on the button of what was moved; names of
    projects are text, their descriptions cleaned HTML."""
    for name in ("one", "two", "three"):
        daemon.add(name, seconds=300)
    daemon.start(DOWNLOADER="someone", SELECTED_PROJECT="one")
    page.goto(f"{daemon.url}#projects")
    expect(card(page, "two").locator(".card-text b")).to_have_text("two")
    order = page.locator(".order-list li")
    expect(order).to_have_count(1)
    for name in ("two", "three"):
        page.get_by_role("button", name=f"Choose: Title of {name}").press("Enter")
        expect(order.last).to_contain_text(f"Title of {name}")
    page.get_by_role("button", name="Move up: Title of three").press("Enter")
    expect(order.nth(1)).to_contain_text("Title of three")
    expect(page.get_by_role("button", name="Move up: Title of three")).to_be_focused()
    page.keyboard.press("Enter")
    expect(order.first).to_contain_text("Title of three")
    expect(page.get_by_role("button", name="Move down: Title of three")).to_be_focused()
    page.locator(".order").get_by_role("button", name="Drop: Title of two").press("Enter")
    expect(order).to_have_count(2)
    expect(card(page, "two").get_by_role("button", name="Choose: Title of two")).to_be_enabled()
    expect(card(page, "three")).to_contain_text("Chosen, 1st")
    assert overflow(page) == 0
    view(page, "Now")
    expect(page.locator(".project").first).to_contain_text("Title of three")
    page.get_by_role("button", name="Stop this project: Title of three").click()
    expect(page.locator(".project").first).to_contain_text("Title of one")


def test_broken_project_says_why_and_what_to_do(daemon: Daemon, page: Page) -> None:
    """The reason, the traceback and the log stand on its card, while another project works."""
    daemon.add("broken", BROKEN)
    daemon.add("fine", seconds=300)
    daemon.start(DOWNLOADER="someone", SELECTED_PROJECT="broken")
    page.goto(f"{daemon.url}#projects")
    page.get_by_role("button", name="Choose: Title of fine").click()
    trouble = card(page, "broken").locator(".problem")
    expect(trouble).to_contain_text("Wget+At")
    expect(trouble).to_contain_text("Next try in")
    trouble.locator("summary").click()
    expect(trouble.locator("pre").last).to_contain_text('raise Exception("No usable Wget+At found.")')
    trouble.get_by_role("button", name="Try again").click()
    expect(trouble).to_contain_text("Wget+At")
    trouble.get_by_role("link", name="See the log").click()
    expect(page.get_by_role("heading", name="Title of broken: log")).to_be_visible()
    expect(page.locator(".log")).to_contain_text("Looking for wget-at")
    page.get_by_role("link", name="All projects").click()
    view(page, "Now")
    broken = page.locator(".project", has_text="Title of broken")
    expect(broken.locator(".problem")).to_be_visible()
    expect(page.locator(".project", has_text="Title of fine").locator(".row").first).to_be_visible()
    assert overflow(page) == 0


@ONE_WIDTH
def test_two_browsers_that_press_opposite_buttons(daemon: Daemon, page: Page) -> None:
    """The last one wins, and both see it; the same with the number of items, pressed at once."""
    daemon.add("slow", seconds=300)
    daemon.start(DOWNLOADER="someone", SELECTED_PROJECT="slow", CONCURRENT_ITEMS="2")
    other = page.context.new_page()
    for one in (page, other):
        one.goto(daemon.url)
        expect(sentence(one)).to_contain_text("Working on 2 items.")
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("button", name="Stop when the items are done").click()
    for one in (page, other):
        expect(sentence(one)).to_contain_text("Stopping:")
    other.get_by_role("button", name="Keep running").click()
    for one in (page, other):
        expect(sentence(one)).to_contain_text("Working on 2 items.")
    page.get_by_role("button", name="One item more at once").click()
    other.get_by_role("button", name="One item fewer at once").click()
    figures = [one.get_by_role("group", name="Concurrent items").locator("output")
               for one in (page, other)]
    for figure in figures:
        expect(figure).to_have_attribute("data-wish", "false")
    # Whichever came last: what the warrior says is what both show.
    page.reload()
    expect(sentence(page)).to_contain_text("Working on")
    expect(figures[1]).to_have_text(figures[0].inner_text())


def test_stopping_gently_hard_and_for_good(daemon: Daemon, page: Page) -> None:
    """Each way of the menu does what it says; the page tells the end."""
    daemon.add("slow", seconds=300)
    daemon.start(DOWNLOADER="someone", SELECTED_PROJECT="slow")
    page.goto(daemon.url)
    expect(sentence(page)).to_contain_text("Working on 2 items.")
    stop = page.get_by_role("button", name="Stop…")
    stop.click()
    expect(page.locator(".menu-item b")).to_have_text(
        ["Stop when the items are done", "Stop now…", "Shut down…", "Restart…"])
    page.keyboard.press("Escape")
    expect(page.locator(".menu")).to_be_hidden()
    expect(stop).to_be_focused()
    stop.click()
    page.get_by_role("button", name="Stop when the items are done").click()
    expect(sentence(page)).to_contain_text("Stopping:")
    page.get_by_role("button", name="Keep running").click()
    expect(sentence(page)).to_contain_text("Working on 2 items.")
    stop.click()
    page.get_by_role("button", name="Stop now…").click()
    page.get_by_role("button", name="End them now").click()
    expect(sentence(page)).to_contain_text("Stopped")
    page.get_by_role("button", name="Keep running").click()
    expect(sentence(page)).to_contain_text("Working on 2 items.")
    stop.click()
    page.get_by_role("button", name="Shut down…").click()
    page.get_by_role("button", name="Shut down at once").click()
    expect(sentence(page)).to_contain_text("It has ended:")
    assert daemon.wait() == 0
    assert page.locator(".controls").count() == 0


def test_about_has_versions_help_and_the_log(daemon: Daemon, page: Page) -> None:
    """The log can be read again and saved; links lead to the wiki and the chat."""
    daemon.start(DOWNLOADER="someone")
    page.goto(f"{daemon.url}#about")
    expect(page.get_by_text("0.10.3")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("#warrior on hackint"))).to_be_visible()
    expect(page.locator(".log")).to_contain_text("The page is at")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "warrior.log"
    assert "The page is at" in download.value.path().read_text("utf-8")
    page.get_by_role("button", name="Reload").click()
    expect(page.locator(".log")).to_contain_text("The page is at")
    assert overflow(page) == 0


def test_announcement_is_new_until_it_is_read(daemon: Daemon, page: Page) -> None:
    """HQ's words are cleaned HTML; read, they fold away; its projects and its choice are on
    offer, with their deadline."""
    entry = project("far", "https://127.0.0.1:9/far", deadline="2099-01-02T03:04:05Z",
                    leaderboard="https://leaderboard.example/")
    with ScriptedHQ([entry], auto_project="far",
                    broadcast_message="<b>Please</b> help<script>alert(1)</script>") as hq:
        daemon.start(hq=hq.url, DOWNLOADER="someone")
        page.goto(daemon.url)
        told = page.get_by_role("region", name="Announcement")
        expect(told).to_contain_text("new")
        expect(told.locator("b", has_text="Please")).to_be_visible()
        told.get_by_role("button", name="Mark as read").click()
        expect(told).to_be_hidden()
        page.get_by_text("Announcements that you have read").click()
        expect(told).to_be_visible()
        view(page, "Projects")
        expect(page.locator(".card").first).to_contain_text("Now it is Title of far.")
        expect(card(page, "far").locator(".deadline")).to_contain_text("2 January 2099")
        expect(card(page, "far").get_by_role("link", name="Leaderboard")).to_be_visible()
        assert page.locator(".list script").count() == 0


def test_machine_is_a_column_or_a_drawer(daemon: Daemon, page: Page) -> None:
    """Bandwidth as a chart that gets its samples, disk and memory as meters; on a narrow
    window behind a button, closed with Escape."""
    daemon.start(DOWNLOADER="someone")
    page.goto(daemon.url)
    column = page.get_by_role("complementary", name="Machine")
    narrow = (page.viewport_size or {})["width"] < 1120
    if narrow:
        expect(column).to_be_hidden()
        page.get_by_role("button", name="Machine").click()
    expect(column.locator("canvas")).to_be_visible()
    expect(column.get_by_role("meter", name="Disk")).to_be_visible()
    expect(column.get_by_role("meter", name="Memory")).to_have_attribute(
        "aria-valuetext", re.compile("free"))
    expect(column.locator("[data-line=received] dd")).to_have_text(re.compile(r"\d .?B/s"))
    assert overflow(page) == 0
    if narrow:
        page.keyboard.press("Escape")
        expect(column).to_be_hidden()


def test_page_keeps_what_it_knows_while_the_warrior_is_away(daemon: Daemon, page: Page) -> None:
    """It says since when nothing is heard, and nothing can be pressed that needs an answer."""
    daemon.add("slow", seconds=300)
    daemon.start(DOWNLOADER="someone", SELECTED_PROJECT="slow")
    page.goto(daemon.url)
    expect(page.locator(".row").first).to_be_visible()
    daemon.kill()
    expect(page.get_by_role("alert")).to_contain_text("The console has not answered for")
    expect(page.locator(".row").first).to_be_visible()
    expect(page.get_by_role("button", name="Stop…")).to_be_disabled()
    expect(page.get_by_role("button", name="One item more at once")).to_be_disabled()
    expect(page.get_by_role("button", name="Stop this project: Title of slow")).to_be_disabled()
    view(page, "Projects")
    expect(page.get_by_role("button", name="Drop: Title of slow").first).to_be_disabled()
    assert overflow(page) == 0

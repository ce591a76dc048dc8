"""The settings on the warrior's page, in a real Chromium."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.console.conftest import ONE_WIDTH
from tests.e2e.console.daemon import SETTINGS, Daemon
from tests.e2e.console.looking import overflow, view


def test_settings_are_saved_together_or_not_at_all(daemon: Daemon, page: Page) -> None:
    """Errors stand beside their fields; what was typed stays when the server's values change
    meanwhile, and on the way to another view; fields of a chosen project appear."""
    daemon.add("plain", seconds=300, extra=SETTINGS)
    daemon.start(DOWNLOADER="someone", SELECTED_PROJECT="plain", CONCURRENT_ITEMS="1")
    page.goto(f"{daemon.url}#settings")
    threads = page.get_by_label("Rsync threads")
    expect(threads).to_have_value("20")
    expect(page.get_by_text("A whole number from 1 to 64.")).to_be_visible()
    nickname = page.get_by_label("Your nickname")
    nickname.fill("another-name")
    threads.fill("99")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".field", has_text="Rsync threads").get_by_role("alert")).to_be_visible()
    expect(threads).to_be_focused()
    expect(page.locator(".save-bar")).to_contain_text("Nothing was saved.")
    expect(page.locator(".aside")).to_contain_text("as someone")
    page.get_by_role("button", name="One item more at once").click()
    expect(page.get_by_label("Concurrent items", exact=True).last).to_have_value("2")
    view(page, "About")
    view(page, "Settings")
    expect(nickname).to_have_value("another-name")
    threads.fill("21")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".save-bar")).to_contain_text("Saved.")
    expect(page.locator(".aside")).to_contain_text("as another-name")
    page.reload()
    expect(threads).to_have_value("21")
    assert overflow(page) == 0


@ONE_WIDTH
def test_password_is_set_and_removed(daemon: Daemon, page: Page) -> None:
    """It never comes back to the page; who set it stays in, others have to log in."""
    daemon.add("plain", seconds=300)
    daemon.start(DOWNLOADER="someone", SELECTED_PROJECT="plain")
    page.goto(f"{daemon.url}#settings")
    password = page.get_by_label("Password of this page")
    password.fill("a long secret")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".save-bar")).to_contain_text("Saved.")
    expect(page.get_by_role("button", name="Remove password")).to_be_visible()
    expect(password).to_have_value("")
    assert "a long secret" not in page.content()
    assert page.context.browser is not None
    other = page.context.browser.new_context()
    stranger = other.new_page()
    stranger.goto(daemon.url)
    expect(stranger.get_by_role("heading")).to_have_text("Log in")
    other.close()
    page.get_by_role("button", name="Remove password").click()
    expect(page.locator(".field", has=password)).to_contain_text("It will be removed when you save.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Remove password")).to_be_hidden()
    expect(password).to_have_attribute("placeholder", "None")

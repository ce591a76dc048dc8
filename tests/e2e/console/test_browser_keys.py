"""API keys on the warrior's page, in a real Chromium, and used by a real program."""

from __future__ import annotations

import subprocess

from playwright.sync_api import Page, expect

from tests.e2e.console.daemon import Daemon
from tests.e2e.console.looking import overflow


def curl(daemon: Daemon, key: str) -> str:
    """The status that a script with this key gets."""
    # The configuration comes from standard input: others could see an argument.
    return subprocess.run(
        ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--config",
         "-", f"{daemon.url}api/state"], input=f'header = "Authorization: Bearer {key}"\n',
        capture_output=True, text=True, check=True).stdout


def test_a_key_is_made_shown_once_and_revoked(daemon: Daemon, page: Page) -> None:
    """A script can use it until it is revoked; a reload does not show it again; a bad name is
    explained."""
    daemon.start(DOWNLOADER="someone")
    page.goto(f"{daemon.url}#settings")
    keys = page.get_by_role("region", name="API keys")
    name, make = keys.get_by_label("What the key is for"), keys.get_by_role(
        "button", name="Make a key")
    name.fill("not a name")
    make.click()
    expect(keys.get_by_role("alert")).to_contain_text("A key's name has 1 to 40 letters")
    name.fill("night-script")
    make.click()
    key = keys.locator(".key").inner_text()
    expect(keys.get_by_role("alert")).to_have_count(0)
    expect(keys.locator(".key-list li")).to_contain_text("night-script")
    assert overflow(page) == 0
    assert curl(daemon, key) == "200"
    page.reload()
    expect(keys.locator(".key-list li")).to_contain_text("night-script")
    expect(keys.locator(".key")).to_have_count(0)
    keys.get_by_role("button", name="Revoke the key night-script").click()
    expect(keys.locator(".key-list li")).to_have_count(0)
    assert curl(daemon, key) == "401"

"""Where things are on the warrior's page."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def sentence(page: Page) -> Locator:
    return page.locator(".sentence")


def card(page: Page, name: str) -> Locator:
    return page.locator(".card", has=page.get_by_role("heading", name=f"Title of {name}"))


def view(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Views").get_by_role("link", name=name).click()

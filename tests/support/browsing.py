"""Pages in a real Chromium whose console stays silent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, expect

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


@contextlib.contextmanager
def silent_page(
    browser: Browser, width: int, scheme: str, its_own: tuple[str, ...], patience: float
) -> Iterator[Page]:
    """A page of this width, dark or light. What its console says fails the test, but for lines
    of the browser's ``its_own``. ``patience`` is in milliseconds."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text)
            if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.set_default_timeout(patience)
    expect.set_options(timeout=patience)
    yield page
    # Before it is closed: closing breaks off what is under way, and the browser notes that.
    faults = [text for text in said if not any(own in text for own in its_own)]
    context.close()
    assert faults == []

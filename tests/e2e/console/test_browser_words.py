"""Numbers, times and ranks as the page writes them."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.e2e.console.conftest import ONE_WIDTH
from tests.e2e.console.daemon import Daemon

WORDS = [
    ("size", [0], "0 B"), ("size", [1536], "1.5 KiB"), ("size", [1024 ** 2 - 1], "1.0 MiB"),
    ("size", [41.2 * 2 ** 30], "41 GiB"), ("rate", [999], "999 B/s"), ("rate", [999_999], "1.0 MB/s"),
    ("rate", [2_340_000], "2.3 MB/s"), ("rate", [-1], "0 B/s"),
    ("duration", [59.9], "0:59"), ("duration", [3661], "1:01:01"), ("duration", [-5], "0:00"),
    ("distance", [30_000], "in less than a minute"), ("distance", [90 * 60_000], "in 90 minutes"),
    ("distance", [36 * 3_600_000], "in 36 hours"), ("distance", [-49 * 3_600_000], "2 days ago"),
    ("distance", [95 * 86_400_000], "in 3 months"),
    ("ordinal", [1], "1st"), ("ordinal", [2], "2nd"), ("ordinal", [3], "3rd"), ("ordinal", [11], "11th"),
    ("plural", [1, "item"], "1 item"), ("plural", [1200, "item"], "1,200 items"),
]


@ONE_WIDTH
def test_numbers_become_words(daemon: Daemon, page: Page) -> None:
    """Sizes, rates, times and ranks as the page writes them."""
    daemon.start(DOWNLOADER="someone")
    page.goto(daemon.url)
    shown = page.evaluate("""async (cases) => {
        const format = await import("/static/format.js");
        return cases.map(([name, values]) => format[name](...values));
    }""", [[name, values] for name, values, _ in WORDS])
    assert shown == [text for _, _, text in WORDS]

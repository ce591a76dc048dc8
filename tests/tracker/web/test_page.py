"""The pages of a real server."""

from __future__ import annotations

import asyncio
import http.client
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tracker.store.store import Store
from tracker.web.page import FRESH_SECONDS, PageCache

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NASTY = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>", "a\x1b[31mb\x07",
    "rtl\u202egpj.exe", "&lt;already&gt;", "{{ 7 * 7 }}", "'; DROP TABLE items; --",
]  # fmt: skip


def fill(data_dir: Path, items: list[str], done: int = 0, project: str = "p") -> None:
    """Make a database whose project has these items, of which the first are done."""
    store = Store(data_dir / "tracker.sqlite3")
    store.connection.execute("BEGIN IMMEDIATE")
    store.add(project, items)
    for item in items[:done]:
        store.done(project, "SOMEONE", [item], {"item": item, "bytes": {"data": 4096}})
    store.connection.execute("COMMIT")
    store.close()


class Browser:
    """Requests pages as a browser does."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def get(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, str, http.client.HTTPMessage]:
        """Return the status, text and headers of an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, headers={**HTML, **named})
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers


@pytest.fixture
def browse(start_tracker: Callable[..., Any], tmp_path: Path) -> Any:
    """Return a function that starts a server with these items and returns a browser."""
    browsers: list[Browser] = []

    def start(items: list[str], done: int = 0, *arguments: str) -> Browser:
        fill(tmp_path / "data", items, done)
        browsers.append(Browser(start_tracker(*arguments).url))
        return browsers[-1]

    yield start
    for browser in browsers:
        browser.connection.close()


def test_the_pages(browse: Callable[..., Browser]) -> None:
    """The page of all projects and that of one show what they should."""
    browser = browse(["a", "b", "c"], 1)
    status, text, headers = browser.get("/")
    assert status == 200 and 'href="/p/"' in text and "2 items wait." in text
    assert headers["Vary"] == "Accept"
    status, text, headers = browser.get("/p/")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<title>p – Tracker</title>" in text
    for part in ("2 items wait.", "33.3% of all", "SOMEONE", "4.0 KiB", "<bdi>a</bdi>", "<svg"):
        assert part in text, part
    assert "on purpose" not in text


def test_the_list_is_lines_for_others(browse: Callable[..., Browser]) -> None:
    """A client that does not want HTML gets lines of text."""
    browser = browse(["a", "b"])
    status, text, headers = browser.get("/", Accept="*/*")
    assert (status, text) == (200, "p: 2 to do, 0 out, 0 done\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Vary"] == "Accept"


def test_empty_states(browse: Callable[..., Browser]) -> None:
    """The page of a project without items says how to add them."""
    browser = browse([])
    assert "run-tracker add p items.txt" in browser.get("/p/")[1]


def test_a_tracker_without_projects(start_tracker: Callable[..., Any]) -> None:
    """The page says how to make a project."""
    browser = Browser(start_tracker().url)
    status, text, _ = browser.get("/")
    browser.connection.close()
    assert status == 200
    assert "No projects yet" in text and "run-tracker add PROJECT items.txt" in text


def test_names_are_text(browse: Callable[..., Browser]) -> None:
    """The name of an item cannot become HTML, or change the direction of text."""
    text = browse(NASTY, len(NASTY)).get("/p/")[1]
    assert len(re.findall("<script", text)) == 1
    assert not re.search(r"<img src=x|\x1b|\x07|\u202e", text)
    for part in (
        "&lt;script&gt;alert(1)", "&lt;img src=x", r"a\x1b[31mb\x07", r"rtl\u202egpj.exe",
        "&amp;lt;already&amp;gt;", "{{ 7 * 7 }}",
    ):  # fmt: skip
        assert part in text, part


def test_security_headers(browse: Callable[..., Browser]) -> None:
    """Pages, files and errors allow no foreign script, frame or reader, and nothing inline."""
    browser = browse(["a"], 1)
    for path in ("/", "/p/", "/p/?period=hour", "/nothing/", "/_page/page.js", "/_page/page.css"):
        _, text, headers = browser.get(path, Origin="https://evil.example")
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy and headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert headers["Server"] == "tracker"
        if not path.startswith("/_page"):
            assert not re.search(r"""<script>|<style|\sstyle=|\son[a-z]+=|href="javascript""", text)


def test_unchanged_pages_are_not_sent_again(
    browse: Callable[..., Browser], eventually: Callable[..., None]
) -> None:
    """A client that has the page gets 304 without a body; the ETag changes when something is
    done."""
    browser = browse(["a", "b"], 1)
    _, _, headers = browser.get("/p/")
    etag = headers["ETag"]
    status, text, headers = browser.get("/p/", If_None_Match=etag)
    assert (status, text) == (304, "") and headers["Date"]
    body = b'{"downloader": "OTHER", "item": "b", "bytes": {"data": 1}}'
    browser.connection.request("POST", "/p/done", body, {"Content-Type": "application/json"})
    assert browser.connection.getresponse().read() == b"OK\n"
    # The page made before is kept a second.
    eventually(lambda: browser.get("/p/", If_None_Match=etag)[0] == 200)
    status, text, headers = browser.get("/p/", If_None_Match=etag)
    assert status == 200 and "OTHER" in text and headers["ETag"] != etag


def test_addresses(browse: Callable[..., Browser]) -> None:
    """An unknown address is a page that says so; the protocol keeps its own addresses."""
    browser = browse(["a"])
    for path in ("/nothing/", "/practice-site/", "/%00/", "/..%2fp/", "/-x/", "/" + "a" * 65 + "/"):
        status, text, headers = browser.get(path)
        assert status == 404 and "no such project" in text, path
        assert headers["Content-Type"].startswith("text/html")
    status, _, headers = browser.get("/p")
    assert status == 302 and headers["Location"] == "/p/"
    assert browser.get("//evil.example/")[0] in (400, 404)
    assert browser.get("/p/", method="POST", Content_Length="0")[0] == 405
    assert browser.get("/p/request")[0] == 405
    status, text, headers = browser.get("/p/", method="HEAD")
    assert (status, text) == (200, "") and int(headers["Content-Length"]) > 1000
    assert browser.get("/p/?period=century")[1] == browser.get("/p/")[1]
    status, text, headers = browser.get("/nothing/", Accept="*/*")
    assert status == 404 and headers["Content-Type"].startswith("text/plain")


def test_files(browse: Callable[..., Browser]) -> None:
    """The files of the pages are served, with their types, and no others."""
    browser = browse(["a"])
    for name, kind in (("page.js", "javascript"), ("page.css", "css"), ("mark.svg", "svg")):
        status, text, headers = browser.get(f"/_page/{name}")
        assert status == 200 and kind in headers["Content-Type"] and text
    for path in ("/_page/", "/_page/nothing.js", "/_page/../page.py", "/_page/%2e%2e/page.py",
                 "/_page//etc/passwd", "/_page/%2fetc/passwd"):  # fmt: skip
        status, text, _ = browser.get(path)
        assert status in (403, 404) and "import" not in text and "root:" not in text, path


def test_faults_are_shown_and_counted(
    browse: Callable[..., Browser], eventually: Callable[..., None]
) -> None:
    """Every page shows the faults while they are on."""
    browser = browse(["a"], 0, "--faults", "request:500=1 seed=7")
    for path in ("/", "/p/", "/nothing/"):
        assert "request:500=1 seed=7" in browser.get(path)[1]
    body = b'{"downloader": "SOMEONE"}'
    for _ in range(2):
        browser.connection.request("POST", "/p/request", body, {"Content-Type": "application/json"})
        assert browser.connection.getresponse().read().startswith(b"500")
    eventually(lambda: "500 × <b>2</b>" in browser.get("/p/")[1])


def test_concurrent_requests_share_a_page() -> None:
    """Concurrent requests share one rendering; a page that failed is rendered again."""

    async def main() -> None:
        now = [100.0]
        cache, made = PageCache(lambda: now[0]), 0
        going = asyncio.Event()

        async def make() -> str:
            nonlocal made
            made += 1
            await going.wait()
            return "page"

        async def fail() -> str:
            nonlocal made
            made += 1
            raise ValueError("no")

        asked = [asyncio.ensure_future(cache.get(("p", "day"), make)) for _ in range(50)]
        await asyncio.sleep(0)
        going.set()
        assert await asyncio.gather(*asked) == ["page"] * 50
        assert made == 1
        for number in (2, 3):
            with pytest.raises(ValueError):
                await cache.get(("q", "day"), fail)
            await asyncio.sleep(0)
            assert made == number
        now[0] += FRESH_SECONDS + 0.1
        assert await cache.get(("p", "day"), make) == "page"
        assert made == 4

    asyncio.run(main())

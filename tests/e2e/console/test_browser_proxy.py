"""The warrior's page behind a reverse proxy, under a name and a path of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.console.conftest import ONE_WIDTH
from tests.e2e.console.daemon import Daemon
from tests.e2e.console.looking import sentence, view


class Forwarder:
    """Hands on what comes to a port of its own, as a proxy does that changes nothing."""

    def __init__(self) -> None:
        self.port = self.target = 0
        self._loop = asyncio.new_event_loop()
        self._ends = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._serve(ready)))
        self._thread.start()
        assert ready.wait(20)

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._ends.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            console, to_console = await asyncio.open_connection("127.0.0.1", self.target)
            with contextlib.closing(to_console):
                await asyncio.gather(
                    self._hand_on(reader, to_console), self._hand_on(console, writer))

    async def _hand_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.write_eof()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join(20)
        self._loop.close()


@pytest.fixture
def forwarder() -> Iterator[Forwarder]:
    forwarder = Forwarder()
    yield forwarder
    forwarder.close()


@ONE_WIDTH
def test_the_whole_page_works_below_a_path(
        daemon: Daemon, forwarder: Forwarder, page: Page) -> None:
    """Logging in, the live socket, a command, a log and a reload."""
    public = f"http://w.localhost:{forwarder.port}/at/home"
    daemon.add("quick", seconds=300)
    daemon.start(DOWNLOADER="someone", SELECTED_PROJECT="quick", CONCURRENT_ITEMS="1",
                 HTTP_PASSWORD="the password", WARRIOR_PUBLIC_URL=public)
    forwarder.target = int(daemon.url.rstrip("/").rpartition(":")[2])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws://", "http://")))
    page.goto(f"{public}/")
    page.get_by_label("Password").fill("the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("button", name="One item more at once").click()
    expect(page.locator(".row")).to_have_count(2)
    view(page, "About")
    expect(page.locator(".text-log .log")).to_contain_text("The page is at")
    page.reload()
    expect(sentence(page)).to_contain_text("Working on 2 items")
    assert any("/sockjs/" in url for url in asked)
    assert [url for url in asked if not url.startswith(f"{public}/")] == []

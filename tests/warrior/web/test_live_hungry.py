"""Pages that ask for much and read nothing, against a console that really listens."""

from __future__ import annotations

import contextlib
import json
import struct
import time

import pytest

from tests.warrior.web.conftest import MakeConsole, RunningConsole
from tests.warrior.web.longlog import until, with_a_long_log
from warrior.web.live.logs import FEWEST_FIRST_CHARACTERS, MAX_UNREAD
from warrior.web.live.sockets import PAGES_EACH


def test_a_page_that_opens_logs_without_reading(make_running: MakeConsole) -> None:
    """It gets the log once, when it reads; a page that keeps asking is closed."""
    console, item_id = with_a_long_log(make_running)
    session = console.session()
    page = console.open_page(session["Cookie"], receive_buffer=4096)
    for _ in range(50):
        page.say(type="watch", item=item_id)
        page.say(type="unwatch", item=item_id)
    page.say(type="watch", item=item_id)

    page.sock.settimeout(60)
    found = page.until(lambda message: message["type"] == "log" and message.get("start"))
    assert len(found["text"]) > 100_000
    page.close()
    readers = console.console._parts.hub.readers
    until(lambda: not readers)
    greedy = console.open_page(session["Cookie"], receive_buffer=4096)
    until(lambda: readers)
    (reader,) = readers

    def is_full() -> bool:
        """Open one more log; whether the system's buffers are full then."""
        greedy.say(type="watch", item=item_id)
        until(lambda: item_id in reader.watched)
        until(lambda: not reader.unopened or not console.on_loop(reader.channel.ready))
        greedy.say(type="unwatch", item=item_id)
        until(lambda: item_id not in reader.watched)
        return not any(console.on_loop(reader.channel.ready) for _ in range(50))

    until(is_full)
    with pytest.raises(ConnectionError):
        for number in range(5000):
            greedy.say(type="watch", item=f"none-{number}")
        while True:
            greedy._recv()


def test_pings_of_a_page_that_does_not_read(console: RunningConsole) -> None:
    """Their answers do not pile up: the page is closed."""
    page = console.open_page(receive_buffer=4096)
    pings = (b"\x89\xfd" + b"\0\0\0\0" + b"p" * 125) * 500
    end = time.monotonic() + 60
    with pytest.raises(OSError):
        while time.monotonic() < end:
            page.sock.sendall(pings)
    assert time.monotonic() < end
    until(lambda: not console.console._parts.hub.readers)


def test_logs_that_are_opened_and_not_read_are_shorter(make_running: MakeConsole) -> None:
    """All pages together have a bounded number of characters on their way; each gets at least
    the end of the log."""
    console, item_id = with_a_long_log(make_running)
    cookie = console.session()["Cookie"]
    hub = console.console._parts.hub
    pages = [console.open_page(cookie, receive_buffer=4096) for _ in range(PAGES_EACH)]
    for page in pages:
        page.say(type="watch", item=item_id)

    def all_have_begun() -> bool:
        return [len(reader.watched) - len(reader.unopened) for reader in hub.readers
                ] == [1] * PAGES_EACH

    until(lambda: console.on_loop(all_have_begun))
    assert console.on_loop(hub._unread) < 2 * MAX_UNREAD
    for page in pages[::6]:
        found = page.until(lambda message: message["type"] == "log" and message.get("start"))
        assert len(found["text"]) > FEWEST_FIRST_CHARACTERS // 2


def test_a_page_that_asks_for_everything_again_and_again(make_running: MakeConsole) -> None:
    """It gets a snapshot in its turn; others are answered meanwhile."""
    console, _ = with_a_long_log(make_running)
    page = console.open_page()
    page.next()
    payload = json.dumps([json.dumps({"type": "resync"})] * 200).encode()
    frame = struct.pack(">BBH", 0x81, 0xFE, len(payload)) + b"\0\0\0\0" + payload
    page.sock.sendall(frame * 50)  # ten thousand
    assert console.ask("GET", "/healthz").status == 200
    snapshots = 0
    page.sock.settimeout(2)  # there is silence when all has been said
    with contextlib.suppress(TimeoutError):
        while True:
            snapshots += page.next()["type"] == "snapshot"
    assert 1 <= snapshots < 500

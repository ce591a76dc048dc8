"""Requests: bounded, and led only where they may go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import psutil
import pytest

from pipeline_core import http
from tests.support.scripted_tracker import Answer, ScriptedTracker, redirect


@pytest.fixture
def tracker() -> Iterator[ScriptedTracker]:
    with ScriptedTracker() as tracker:
        yield tracker


@pytest.mark.parametrize("answer", [
    Answer(200, b"x" * (1 << 20), repeat=1024), Answer(200, b"x" * ((1 << 20) + 1)),
    Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}"),
    Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n120000\r\n"
           + b"x" * 0x120000 + b"\r\n0\r\n\r\n")],
    ids=["gigabyte", "a byte more", "5000 digits", "chunked"])
def test_too_large_is_told_as_that(tracker: ScriptedTracker, answer: Answer) -> None:
    """Whatever is over the limit, by its own word or not, is called so, and not kept."""
    tracker.always("request", answer)
    response = asyncio.run(http.post(tracker.url + "/request", "{}"))
    assert response.code == 599
    assert http.describe_trouble(response) == (
        "Unexpected answer from the tracker: it is over 1 MiB.")


def test_limits_of_ones_own(tracker: ScriptedTracker) -> None:
    """Size, time and redirects follow what is asked for."""
    tracker.always("request", Answer(200, b"x" * (3 << 20)))
    url = tracker.url + "/request"
    response = asyncio.run(http.post(url, "{}", http.Limits(largest_body=4 << 20)))
    assert response.code == 200 and len(response.body) == 3 << 20
    tracker.always("request", Answer(hang=True))
    response = asyncio.run(http.post(url, "{}", http.Limits(deadline=0.2)))
    assert response.code == 599
    tracker.always("request", redirect(url))
    response = asyncio.run(http.post(url, "{}", http.Limits(most_redirects=0)))
    assert str(response.error) == "more than 0 redirects"


@pytest.mark.parametrize("answer", [
    Answer(hang=True), Answer(200, b"{}" + b" " * 10000, byte_delay=0.1)], ids=["hang", "slow"])
def test_a_request_that_is_given_up(tracker: ScriptedTracker, answer: Answer) -> None:
    """Its connection is closed at once, and nothing is logged, then or when the loop ends."""
    tracker.always("request", answer)
    connections = psutil.Process().net_connections

    def ours() -> int:
        return sum(c.raddr != () and c.raddr.port == tracker.port for c in connections())

    async def main() -> None:
        asking = asyncio.ensure_future(http.post(tracker.url + "/request", "{}"))
        deadline = time.monotonic() + 20
        while not tracker.requests("request"):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert ours() == 1
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert ours() == 0
    asyncio.run(main())


def test_what_began_secure_may_stay_so() -> None:
    """With stay_secure, https is not left for http; a tracker may."""
    secure = http.Limits(stay_secure=True)
    with pytest.raises(ValueError, match="not secure"):
        http._check_redirect("https://h/a", "http://h/a", secure)
    http._check_redirect("https://h/a", "https://h/b", secure)
    http._check_redirect("http://h/a", "http://h/b", secure)
    http._check_redirect("https://h/a", "http://h/a", http.TRACKER_LIMITS)

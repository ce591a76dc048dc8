"""Requests: bounded, and led only where they may go."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc

import psutil
import pytest
from tornado.httpclient import HTTPResponse

from pipeline_core.net import http
from pipeline_core.net.address_scope import AddressScope
from pipeline_core.net.governor import Governor
from tests.support.scripted_tracker import Answer, ScriptedTracker, redirect


async def post(url: str, body: str, limits: http.Limits = http.TRACKER_LIMITS) -> HTTPResponse:
    """POST with a turn that nobody else wants."""
    turn = Governor().tracker(url).try_turn()
    assert turn is not None
    return await http.post(turn, url, body, limits)


@pytest.mark.parametrize("answer", [
    Answer(200, b"x" * (1 << 20), repeat=1024), Answer(200, b"x" * ((1 << 20) + 1)),
    Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}"),
    Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n120000\r\n"
           + b"x" * 0x120000 + b"\r\n0\r\n\r\n"),
    Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 0x120000)],
    ids=["gigabyte", "a byte more", "5000 digits", "chunked", "until it hangs up"])
def test_too_large_is_told_as_that(tracker: ScriptedTracker, answer: Answer) -> None:
    """Whatever is over the limit, by its own word or not, is called so, and not kept."""
    tracker.always("request", answer)
    response = asyncio.run(post(tracker.url + "/request", "{}"))
    assert response.code == 599
    assert http.describe_trouble(response) == (
        "Unexpected answer from the tracker: it is over 1 MiB.")


def test_limits_of_ones_own(tracker: ScriptedTracker) -> None:
    """Size and time follow what is asked for, and redirects end."""
    tracker.always("request", Answer(200, b"x" * (3 << 20)))
    url = tracker.url + "/request"
    response = asyncio.run(post(url, "{}", http.Limits(largest_body=4 << 20)))
    assert response.code == 200 and len(response.body) == 3 << 20
    tracker.always("request", Answer(hang=True))
    response = asyncio.run(post(url, "{}", http.Limits(deadline=0.2)))
    assert response.code == 599
    tracker.always("request", redirect(url))
    response = asyncio.run(post(url, "{}", http.Limits()))
    assert str(response.error) == "more than 3 redirects"
    assert len(tracker.requests("request")) == 6


@pytest.mark.parametrize("answer", [
    Answer(hang=True), Answer(200, b"{}" + b" " * 10000, byte_delay=0.1)], ids=["hang", "slow"])
def test_a_request_that_is_given_up(tracker: ScriptedTracker, answer: Answer) -> None:
    """Its connection is closed at once, and nothing is logged, then or when the loop ends."""
    tracker.always("request", answer)
    connections = psutil.Process().net_connections

    def ours() -> int:
        return sum(c.raddr != () and c.raddr.port == tracker.port for c in connections())

    async def main() -> None:
        asking = asyncio.ensure_future(post(tracker.url + "/request", "{}"))
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
        http.redirected("https://h/a", "http://h/a", secure)
    http.redirected("https://h/a", "https://h/b", secure)
    http.redirected("http://h/a", "http://h/b", secure)
    http.redirected("https://h/a", "http://h/a", http.TRACKER_LIMITS)


@pytest.mark.parametrize(("head", "piece"), [
    (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096),
    (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 4096),
    (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    # Tornado stumbles over that and says nothing more: the deadline ends it.
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"f" * 4096,
                 marks=pytest.mark.logs_errors("Uncaught exception")),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"", b"x" * 4096),
], ids=["body", "a field", "fields", "chunks", "length of a chunk", "1xx", "no HTTP"])
def test_nothing_endless_is_kept(tracker: ScriptedTracker, head: bytes, piece: bytes) -> None:
    """Whatever part of an answer goes on for ever: it is given up soon, and little was held."""
    raw = head + piece * ((64 << 20) // len(piece))
    tracker.always("request", Answer(raw=raw))
    tracemalloc.start()  # what the server sends was made before
    try:
        response = asyncio.run(post(tracker.url + "/request", "{}", http.Limits(deadline=5)))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.code == 599
    assert most < 16 << 20


def test_a_packed_answer_is_not_unpacked(tracker: ScriptedTracker) -> None:
    """gzip is neither asked for nor read: a small answer stays small."""
    bomb = gzip.compress(b"x" * (50 << 20))
    tracker.always("request", Answer(200, bomb, (("Content-Encoding", "gzip"),)))
    response = asyncio.run(post(tracker.url + "/request", "{}"))
    assert response.code == 200 and response.body == bomb
    assert "accept-encoding" not in tracker.requests("request")[0].headers


# -- redirects -------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0.0.0.0", "localhost",
                                  "[::ffff:127.0.0.1]", "user:secret@127.1", "127.0.0.1."])
def test_nobody_far_leads_to_this_machine(
    tracker: ScriptedTracker, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """A redirect to this machine, however it is written, is not followed from elsewhere."""
    # All that can be reached here is this machine.
    monkeypatch.setattr(http, "scope_of", lambda address: AddressScope.PUBLIC)
    tracker.always("request", redirect(f"http://{host}:{tracker.port}/project/other"))
    response = asyncio.run(post(tracker.url + "/request", "{}"))
    assert response.code == 599
    assert "redirects to" in str(response.error) or host == "127.0.0.1."  # not a name everywhere
    assert [request.command for request in tracker.requests()] == ["request"]


def test_who_is_here_leads_to_here(tracker: ScriptedTracker) -> None:
    """A tracker that was configured on this machine may send on to this machine."""
    tracker.always("request", redirect(f"http://localhost:{tracker.port}/project/other"))
    tracker.always("other", Answer(200, b"[]"))
    response = asyncio.run(post(tracker.url + "/request", "{}"))
    assert (response.code, response.body) == (200, b"[]")


def test_nobody_leads_to_a_link_local_address(tracker: ScriptedTracker) -> None:
    """There a cloud tells its machines their secrets; nothing is connected to."""
    tracker.always("request", redirect("http://169.254.169.254/latest/meta-data/"))
    response = asyncio.run(post(tracker.url + "/request", "{}"))
    assert str(response.error) == ("it redirects to 169.254.169.254, which is a link-local "
                                   "address, as the services of a cloud have")
    assert isinstance(response.error, ValueError)


def test_a_reason_is_short(tracker: ScriptedTracker) -> None:
    """It can hold what the tracker sent."""
    tracker.always("request", redirect("gopher://h/" + "x" * 30_000))
    response = asyncio.run(post(tracker.url + "/request", "{}"))
    assert response.code == 599 and len(http.describe_trouble(response)) < 400

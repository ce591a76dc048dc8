"""Requests to trackers and to Warrior HQ: bounded in time, in size and in redirects."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import ipaddress
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from tornado import httpclient, httputil
from tornado.iostream import IOStream
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient

import pipeline_core

if TYPE_CHECKING:
    from pipeline_core.lifetime import Lifetime

DEADLINE = 60.0
LARGEST_BODY = 1 << 20
MOST_REDIRECTS = 3


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one request may take: seconds in all, bytes of the answer, redirects.

    ``stay_secure``: what began with https must not be redirected to plain http.
    """

    deadline: float = DEADLINE
    largest_body: int = LARGEST_BODY
    most_redirects: int = MOST_REDIRECTS
    stay_secure: bool = False


#: What a tracker gets.
TRACKER_LIMITS = Limits()


def user_agent() -> str:
    """What a tracker and Warrior HQ see of us."""
    return (f"ArchiveTeam Warrior/{pipeline_core.__version__} {pipeline_core.runner_type} "
            f"{pipeline_core.warrior_build}").strip()


def post_json(
    life: Lifetime,
    url: str,
    data: Any,
    then: Callable[[httpclient.HTTPResponse], Any],
) -> asyncio.Task[Any]:
    """POST ``data`` as JSON; ``then(response)`` follows unless the item has ended.

    Trouble on the way is a response with the code 599 and ``error`` set.
    """
    body = json.dumps(data)

    async def ask() -> None:
        response = await post(url, body)
        life.not_at_end(task.cancel)
        life.guard(then, response)

    task = asyncio.ensure_future(ask())
    life.at_end(task.cancel)
    return task


async def post(
    url: str, body: str, limits: Limits = TRACKER_LIMITS
) -> httpclient.HTTPResponse:
    """POST ``body``, a JSON text. Never raises: trouble is the code 599 and ``error``."""
    request = httpclient.HTTPRequest(url)
    client: SimpleAsyncHTTPClient | None = None
    try:
        # Made for this one request; it holds no connections.
        client = SimpleAsyncHTTPClient(force_instance=True, max_clients=1,
                                       max_body_size=2 * limits.largest_body)
        return await _follow(client, url, body, limits)
    except Exception as raised:
        # Whatever the network or the answer did: the request failed, and is tried again.
        return httpclient.HTTPResponse(request, 599, error=raised)
    finally:
        if client is not None:
            client.close()


class BodyTooLarge(ValueError):
    """The answer is larger than what is read."""


class _Body:
    """Takes an answer in, up to the largest that is read."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.data = bytearray()
        self.too_large = False

    def look(self, line: str) -> None:
        """A line of the head."""
        name, _, value = line.partition(":")
        digits = value.strip()
        if name.lower() == "content-length" and digits.isascii() and digits.isdigit():
            # int() refuses thousands of digits.
            self.too_large |= len(digits) > 15 or int(digits) > self.largest

    def check(self) -> None:
        """Raise BodyTooLarge if it is."""
        if self.too_large:
            raise BodyTooLarge(f"it is over {self.largest >> 20} MiB")

    def take(self, chunk: bytes) -> None:
        if len(self.data) + len(chunk) > self.largest:
            self.too_large = True
        else:
            self.data += chunk


class _Connection(TCPClient):
    """Connects, and can be given up at any moment."""

    stream: IOStream | None = None
    given_up = False

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        self.stream = await super().connect(*args, **kwargs)
        if self.given_up:
            self.stream.close()
        return self.stream

    def give_up(self) -> None:
        self.given_up = True
        if self.stream is not None:
            self.stream.close()


async def _fetch(
    client: SimpleAsyncHTTPClient, request: httpclient.HTTPRequest
) -> httpclient.HTTPResponse:
    """One answer. When this is cancelled, the connection is closed at once."""
    connection = client.tcp_client = _Connection(resolver=client.resolver)
    # Not awaited itself: Tornado logs an error that comes after a cancellation.
    fetching = client.fetch(request, raise_error=False)
    fetching.add_done_callback(lambda future: future.cancelled() or future.exception())
    try:
        await asyncio.wait([fetching])
    finally:
        connection.give_up()
    return fetching.result()


async def _follow(
    client: SimpleAsyncHTTPClient, url: str, body: str, limits: Limits
) -> httpclient.HTTPResponse:
    ends = time.monotonic() + limits.deadline
    for _ in range(limits.most_redirects + 1):
        left = max(ends - time.monotonic(), 0.001)
        received = _Body(limits.largest_body)
        request = httpclient.HTTPRequest(
            url, method="POST", body=body, follow_redirects=False, decompress_response=False,
            streaming_callback=received.take, header_callback=received.look,
            connect_timeout=left, request_timeout=left, user_agent=user_agent(),
            headers=httputil.HTTPHeaders({"Content-Type": "application/json"}))
        try:
            response = await _fetch(client, request)
        except Exception:
            # Tornado hangs up on a length that it refuses, and tells only of the hanging up.
            received.check()
            raise
        received.check()
        if response.code == 599:
            return response
        response.buffer = io.BytesIO(received.data)
        response._body = None
        if (response.code not in (301, 302, 303, 307, 308)
                or not response.headers.get("Location")):
            return response
        target = urljoin(url, response.headers.get("Location", ""))
        _check_redirect(url, target, limits)
        url = target
    raise ValueError(f"more than {limits.most_redirects} redirects")


def _check_redirect(source: str, target: str, limits: Limits) -> None:
    scheme = urlsplit(target).scheme
    if scheme not in ("http", "https"):
        raise ValueError(f"it redirects to {target}, which is not HTTP")
    if limits.stay_secure and scheme == "http" and urlsplit(source).scheme == "https":
        raise ValueError(f"it redirects to {target}, which is not secure")
    if _is_local(target) and not _is_local(source):
        raise ValueError(f"it redirects to {target}, which is this machine")


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or address.is_link_local


def describe_trouble(response: httpclient.HTTPResponse) -> str:
    """A sentence for an answer that is of no use."""
    if isinstance(response.error, BodyTooLarge):
        return f"Unexpected answer from the tracker: {response.error}."
    if response.code == 599:
        return f"The tracker cannot be reached: {response.error}."
    return f"The tracker has trouble (it answered {response.code})."

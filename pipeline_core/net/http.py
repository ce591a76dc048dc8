"""Requests to trackers, Warrior HQ and git hosts: bounded in time, in size and in redirects."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from tornado import httpclient, httputil
from tornado.iostream import IOStream
from tornado.netutil import Resolver
from tornado.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
)
from tornado.tcpclient import TCPClient

import pipeline_core
from pipeline_core.engine.terminal import shown
from pipeline_core.net.address_scope import (
    AddressScope,
    ScopedResolver,
    ScopeRefused,
    names_one_host,
    nearness_of,
)

if TYPE_CHECKING:
    from pipeline_core.net.turns import Turn

DEADLINE = 60.0
LARGEST_BODY = 1 << 20
#: Bytes of the status line and the header fields of an answer.
LARGEST_HEAD = 64 << 10
MOST_REDIRECTS = 3
#: Characters of an error that are told.
LONGEST_REASON = 300


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


async def post(
    turn: Turn, url: str, body: str, limits: Limits = TRACKER_LIMITS
) -> httpclient.HTTPResponse:
    """POST ``body``, a JSON text. Never raises: trouble is the code 599 and ``error``.

    ``turn`` is the governor's leave to ask; what came of it is the caller's to tell.
    """
    turn.spend()
    found = await _ask(
        url, limits, method="POST", body=body, user_agent=user_agent(),
        headers=httputil.HTTPHeaders({"Content-Type": "application/json"}))
    return found.response


@dataclasses.dataclass(frozen=True)
class Found:
    """What answered at the end of the redirects: the URL, and the IP address that was
    connected to ('' where there was none)."""

    response: httpclient.HTTPResponse
    url: str
    address: str


async def find(url: str, headers: Mapping[str, str], limits: Limits) -> Found:
    """GET the head of the answer; its body is not read. Never raises, as :func:`post`."""
    return await _ask(url, limits, head_only=True, headers=httputil.HTTPHeaders(headers))


async def _ask(url: str, limits: Limits, head_only: bool = False, **asked: Any) -> Found:
    request = httpclient.HTTPRequest(url)
    client: SimpleAsyncHTTPClient | None = None
    try:
        # Made for this one request; it holds no connections. The size of the buffer counts
        # for an answer that does not say how long it is.
        client = SimpleAsyncHTTPClient(
            force_instance=True, max_clients=1, max_header_size=LARGEST_HEAD,
            max_body_size=2 * limits.largest_body,
            max_buffer_size=2 * limits.largest_body + LARGEST_HEAD)
        return await _follow(client, url, limits, head_only, asked)
    except Exception as raised:
        # Whatever the network or the answer did: the request failed, and is tried again.
        return Found(httpclient.HTTPResponse(request, 599, error=raised), url, "")
    finally:
        if client is not None:
            client.close()


class RedirectRefused(ValueError):
    """An answer leads where it is not followed; ``str()`` says where ("it redirects to …")."""


class BodyTooLarge(ValueError):
    """The answer is larger than what is read."""


class _Body:
    """Takes an answer in, up to the largest that is read."""

    def __init__(self, largest: int, head_only: bool) -> None:
        self.largest = largest
        self.data = bytearray()
        self.too_large = False
        #: Its result is the head that is enough.
        self.head: asyncio.Future[tuple[int, httputil.HTTPHeaders]] = (
            asyncio.get_running_loop().create_future())
        self._head_only = head_only
        self._code = 0
        self._headers = httputil.HTTPHeaders()

    def look(self, line: str) -> None:
        """A line of the head."""
        if self._head_only:
            self._collect(line)
            return
        name, _, value = line.partition(":")
        digits = value.strip()
        if name.lower() == "content-length" and digits.isascii() and digits.isdigit():
            # int() refuses thousands of digits.
            self.too_large |= len(digits) > 15 or int(digits) > self.largest

    def _collect(self, line: str) -> None:
        if line.startswith("HTTP/"):
            self._code, self._headers = int(line.split()[1]), httputil.HTTPHeaders()
        elif line.strip():
            self._headers.parse_line(line)
        elif self._code >= 200 and not self.head.done():
            self.head.set_result((self._code, self._headers))

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
    """Connects, and can be given up at any moment.

    ``redirected_by`` says how near the one lies who sent us there; None when nobody did.
    """

    def __init__(self, resolver: Resolver, redirected_by: AddressScope | None) -> None:
        super().__init__(
            resolver if redirected_by is None else ScopedResolver(resolver, redirected_by))
        self.stream: IOStream | None = None
        self.given_up = False
        #: The address of the host that was reached, and how near that is.
        self.address = ""
        self.reached = AddressScope.PUBLIC

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        self.stream = await super().connect(*args, **kwargs)
        # It raises OSError where the connection is gone already: then there is no answer.
        self.reached = _how_near(self.stream)
        self.address = str(self.stream.socket.getpeername()[0])
        if self.given_up:
            self.stream.close()
        return self.stream

    def give_up(self) -> None:
        self.given_up = True
        if self.stream is not None:
            self.stream.close()


def _how_near(stream: IOStream) -> AddressScope:
    return nearness_of(str(stream.socket.getpeername()[0]))


async def _fetch(
    client: SimpleAsyncHTTPClient, request: httpclient.HTTPRequest, connection: _Connection,
    received: _Body,
) -> httpclient.HTTPResponse:
    """One answer, or its head where that is enough. The connection is closed at once when
    that is there, and when this is cancelled."""
    client.tcp_client = connection
    # Not awaited itself: Tornado logs an error that comes after a cancellation.
    fetching = client.fetch(request, raise_error=False)
    fetching.add_done_callback(lambda future: future.cancelled() or future.exception())
    either: list[asyncio.Future[Any]] = [fetching, received.head]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.give_up()
    if received.head.done():
        # The client makes only one request at a time.
        await asyncio.wait([fetching])
        code, headers = received.head.result()
        return httpclient.HTTPResponse(request, code, headers)
    return fetching.result()


async def _follow(
    client: SimpleAsyncHTTPClient, url: str, limits: Limits, head_only: bool,
    asked: dict[str, Any],
) -> Found:
    ends = time.monotonic() + limits.deadline
    redirected_by: AddressScope | None = None
    for _ in range(limits.most_redirects + 1):
        left = max(ends - time.monotonic(), 0.001)
        received = _Body(limits.largest_body, head_only)
        request = httpclient.HTTPRequest(
            url, follow_redirects=False, decompress_response=False,
            streaming_callback=received.take, header_callback=received.look,
            connect_timeout=left, request_timeout=left, **asked)
        connection = _Connection(client.resolver, redirected_by)
        try:
            response = await _fetch(client, request, connection, received)
        except ScopeRefused as error:
            raise RedirectRefused(f"it redirects to {error}") from None
        except Exception:
            # Tornado hangs up on a length that it refuses, and tells only of the hanging up.
            received.check()
            raise
        received.check()
        found = Found(response, url, connection.address)
        if response.code == 599:
            return found
        response.buffer = io.BytesIO(received.data)
        response._body = None
        if (response.code not in (301, 302, 303, 307, 308)
                or not response.headers.get("Location")):
            return found
        target = redirected(url, response.headers.get("Location", ""), limits)
        url, redirected_by = target, connection.reached
    raise RedirectRefused(f"more than {limits.most_redirects} redirects")


def redirected(source: str, location: str, limits: Limits) -> str:
    """The address that ``source`` redirects to; RedirectRefused where it may not be followed.

    Whether the address lies nearer is for the resolver to say (:class:`ScopedResolver`).
    """
    try:
        target = urljoin(source, location)
        old, new = urlsplit(source), urlsplit(target)
    except ValueError:
        raise RedirectRefused(f"it redirects to {location}, which is no address") from None
    if new.scheme not in ("http", "https"):
        raise RedirectRefused(f"it redirects to {target}, which is not HTTP")
    if limits.stay_secure and new.scheme == "http" and old.scheme == "https":
        raise RedirectRefused(f"it redirects to {target}, which is not secure")
    if not names_one_host(new.netloc):
        raise RedirectRefused(f"it redirects to {target}, which is no address")
    if "@" in old.netloc and new[:2] == (old.scheme, old.netloc.rpartition("@")[2]):
        # The same server: it knows the name and the password already.
        return new._replace(netloc=old.netloc).geturl()
    return target


#: Errors of the way; all others are about what came back.
_UNREACHED = (OSError, HTTPTimeoutError, HTTPStreamClosedError)


def has_answered(response: httpclient.HTTPResponse) -> bool:
    """Whether somebody was there, however wrong the answer."""
    return not isinstance(response.error, _UNREACHED)


def describe_trouble(response: httpclient.HTTPResponse) -> str:
    """A sentence for an answer that is of no use."""
    if isinstance(response.error, BodyTooLarge):
        return f"Unexpected answer from the tracker: {response.error}."
    if response.code == 599:
        # It can hold what the tracker sent, an address of 64 KiB for example.
        told = " ".join(shown(str(response.error)).split())
        return f"The tracker cannot be reached: {told[:LONGEST_REASON].rstrip('.')}."
    return f"The tracker has trouble (it answered {response.code})."

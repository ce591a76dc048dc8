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
#: The most bytes in the status line and header fields of an answer.
LARGEST_HEAD = 64 << 10
MOST_REDIRECTS = 3
#: The most characters of an error that are shown.
LONGEST_REASON = 300


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of one request: total seconds, bytes of the answer, redirects.

    ``stay_secure``: a request that started with https must not be redirected to http.
    """

    deadline: float = DEADLINE
    largest_body: int = LARGEST_BODY
    most_redirects: int = MOST_REDIRECTS
    stay_secure: bool = False


#: The limits of requests to a tracker.
TRACKER_LIMITS = Limits()


def user_agent() -> str:
    """Return the User-Agent for requests to trackers and Warrior HQ."""
    return (f"ArchiveTeam Warrior/{pipeline_core.__version__} {pipeline_core.runner_type} "
            f"{pipeline_core.warrior_build}").strip()


async def post(
    turn: Turn, url: str, body: str, limits: Limits = TRACKER_LIMITS
) -> httpclient.HTTPResponse:
    """POST ``body``, a JSON text. Never raises: a failed request has code 599 and ``error``.

    ``turn`` is a turn from the governor. The caller reports its result.
    """
    turn.spend()
    found = await _ask(
        url, limits, method="POST", body=body, user_agent=user_agent(),
        headers=httputil.HTTPHeaders({"Content-Type": "application/json"}))
    return found.response


@dataclasses.dataclass(frozen=True)
class Found:
    """The answer after all redirects, its URL, and the IP address that was connected to ('' when
    there was no connection)."""

    response: httpclient.HTTPResponse
    url: str
    address: str


async def find(url: str, headers: Mapping[str, str], limits: Limits) -> Found:
    """GET the head of the answer without its body. Never raises, like :func:`post`."""
    return await _ask(url, limits, head_only=True, headers=httputil.HTTPHeaders(headers))


async def _ask(url: str, limits: Limits, head_only: bool = False, **asked: Any) -> Found:
    request = httpclient.HTTPRequest(url)
    client: SimpleAsyncHTTPClient | None = None
    try:
        # A client for this one request; it keeps no connections. max_buffer_size limits an
        # answer without a Content-Length.
        client = SimpleAsyncHTTPClient(
            force_instance=True, max_clients=1, max_header_size=LARGEST_HEAD,
            max_body_size=2 * limits.largest_body,
            max_buffer_size=2 * limits.largest_body + LARGEST_HEAD)
        return await _follow(client, url, limits, head_only, asked)
    except Exception as raised:
        # Any error of the network or the answer means that the request failed; callers retry.
        return Found(httpclient.HTTPResponse(request, 599, error=raised), url, "")
    finally:
        if client is not None:
            client.close()


class RedirectRefused(ValueError):
    """A redirect that is not followed; ``str()`` says where it leads ("it redirects to …")."""


class BodyTooLarge(ValueError):
    """The answer is larger than the limit."""


class _Body:
    """Receives the body of an answer, up to the limit ``largest``."""

    def __init__(self, largest: int, head_only: bool) -> None:
        self.largest = largest
        self.data = bytearray()
        self.too_large = False
        #: With ``head_only``: set to the head of the answer when that is complete.
        self.head: asyncio.Future[tuple[int, httputil.HTTPHeaders]] = (
            asyncio.get_running_loop().create_future())
        self._head_only = head_only
        self._code = 0
        self._headers = httputil.HTTPHeaders()

    def look(self, line: str) -> None:
        """Handle a line of the head."""
        if self._head_only:
            self._collect(line)
            return
        name, _, value = line.partition(":")
        digits = value.strip()
        if name.lower() == "content-length" and digits.isascii() and digits.isdigit():
            # The length is checked first: int() refuses thousands of digits.
            self.too_large |= len(digits) > 15 or int(digits) > self.largest

    def _collect(self, line: str) -> None:
        if line.startswith("HTTP/"):
            self._code, self._headers = int(line.split()[1]), httputil.HTTPHeaders()
        elif line.strip():
            self._headers.parse_line(line)
        elif self._code >= 200 and not self.head.done():
            self.head.set_result((self._code, self._headers))

    def check(self) -> None:
        """Raise BodyTooLarge if the body exceeds the limit."""
        if self.too_large:
            raise BodyTooLarge(f"it is over {self.largest >> 20} MiB")

    def take(self, chunk: bytes) -> None:
        if len(self.data) + len(chunk) > self.largest:
            self.too_large = True
        else:
            self.data += chunk


class _Connection(TCPClient):
    """Connects to a host, and can be closed at any moment.

    ``redirected_by`` is the scope of the server that redirected us here; None without one.
    """

    def __init__(self, resolver: Resolver, redirected_by: AddressScope | None) -> None:
        super().__init__(
            resolver if redirected_by is None else ScopedResolver(resolver, redirected_by))
        self.stream: IOStream | None = None
        self.given_up = False
        #: The address that was connected to, and its scope.
        self.address = ""
        self.reached = AddressScope.PUBLIC

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        self.stream = await super().connect(*args, **kwargs)
        # Raises OSError when the connection is already gone: then there is no answer.
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
    """Return one answer, or only its head for a ``head_only`` request. The connection is closed
    as soon as that has arrived, or when this is cancelled."""
    client.tcp_client = connection
    # Not awaited directly: Tornado logs errors that come after a cancellation.
    fetching = client.fetch(request, raise_error=False)
    fetching.add_done_callback(lambda future: future.cancelled() or future.exception())
    either: list[asyncio.Future[Any]] = [fetching, received.head]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.give_up()
    if received.head.done():
        # The client makes one request at a time, so this one must end first.
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
            # Tornado closes the connection of an answer that is too long, and reports only
            # the closing.
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
    """Return the address that ``source`` redirects to. Raises RedirectRefused when it must not
    be followed.

    The resolver checks whether the address is nearer (:class:`ScopedResolver`).
    """
    try:
        target = urljoin(source, location)
        old, new = urlsplit(source), urlsplit(target)
    except ValueError:
        raise RedirectRefused(
            f"it redirects to {location}, which is not a valid address") from None
    if new.scheme not in ("http", "https"):
        raise RedirectRefused(f"it redirects to {target}, which is not HTTP")
    if limits.stay_secure and new.scheme == "http" and old.scheme == "https":
        raise RedirectRefused(f"it redirects to {target}, which is not secure")
    if not names_one_host(new.netloc):
        raise RedirectRefused(f"it redirects to {target}, which is not a valid address")
    if "@" in old.netloc and new[:2] == (old.scheme, old.netloc.rpartition("@")[2]):
        # The same server, which already knows the name and the password.
        return new._replace(netloc=old.netloc).geturl()
    return target


#: Errors of the connection; all other errors are about the answer.
_UNREACHED = (OSError, HTTPTimeoutError, HTTPStreamClosedError)


def has_answered(response: httpclient.HTTPResponse) -> bool:
    """Return whether the server answered at all, even if the answer is invalid."""
    return not isinstance(response.error, _UNREACHED)


def describe_trouble(response: httpclient.HTTPResponse) -> str:
    """Return a sentence about an answer that cannot be used."""
    if isinstance(response.error, BodyTooLarge):
        return f"Unexpected answer from the tracker: {response.error}."
    if response.code == 599:
        # The error can contain text that the tracker sent, such as an address of 64 KiB.
        told = " ".join(shown(str(response.error)).split())
        return f"The tracker cannot be reached: {told[:LONGEST_REASON].rstrip('.')}."
    return f"The tracker has trouble (it answered {response.code})."

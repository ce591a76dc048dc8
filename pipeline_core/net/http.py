"""Requests to trackers, Warrior HQ and git hosts: bounded in time, in size and in redirects."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import functools
import io
import time
from collections.abc import Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from tornado import httpclient, httputil
from tornado.iostream import IOStream
from tornado.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
)
from tornado.tcpclient import TCPClient

import pipeline_core
from pipeline_core.engine.terminal import shown
from pipeline_core.net.address_scope import (
    ScopedResolver,
    ScopeRefused,
    names_one_host,
    scope_of,
)

if TYPE_CHECKING:
    from pipeline_core.net.turns import Turn

DEADLINE = 60.0
LARGEST_BODY = 1 << 20
#: The most bytes in the status line and header fields of an answer.
LARGEST_HEAD = 64 << 10
#: The most lines of answers' heads that are kept: as many as an answer of LARGEST_HEAD can have.
#: Any number of answers with status 1xx may come before the answer itself.
MOST_LINES = LARGEST_HEAD // 4
MOST_REDIRECTS = 3
#: The most characters of an error that are shown.
LONGEST_REASON = 300


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of one request: total seconds, and bytes of the answer.

    ``stay_secure``: a request that started with https must not be redirected to http.
    """

    deadline: float = DEADLINE
    largest_body: int = LARGEST_BODY
    stay_secure: bool = False


#: The limits of requests to a tracker.
TRACKER_LIMITS = Limits()


def user_agent() -> str:
    """Return the User-Agent for requests to trackers and Warrior HQ."""
    return (f"ArchiveTeam Warrior/{pipeline_core.__version__} {pipeline_core.runner_type} "
            f"{pipeline_core.warrior_build}").strip()


def post(
    turn: Turn, url: str, body: str, limits: Limits = TRACKER_LIMITS
) -> Coroutine[Any, Any, httpclient.HTTPResponse]:
    """POST ``body``, a JSON text. Awaiting it never raises: a failed request has code 599 and
    ``error``.

    ``turn`` is a turn from the governor. The caller reports its result.
    """
    turn.spend()
    return _ask(url, limits, method="POST", body=body, user_agent=user_agent(),
                headers=httputil.HTTPHeaders({"Content-Type": "application/json"}))


@dataclasses.dataclass(frozen=True)
class Found:
    """The answer after all redirects, its URL, and the IP address that was connected to ('' when
    there was no connection)."""

    response: httpclient.HTTPResponse
    url: str
    address: str


async def find(url: str, headers: Mapping[str, str], limits: Limits) -> Found:
    """GET the head of the answer without its body. Never raises, like :func:`post`."""
    connections: list[_Connection] = []
    response = await _ask(url, limits, connections, headers=httputil.HTTPHeaders(headers))
    return Found(response, response.effective_url, connections[-1].address if connections else "")


class RedirectRefused(ValueError):
    """A redirect that is not followed; ``str()`` says where it leads ("it redirects to …")."""


class BodyTooLarge(ValueError):
    """The answer is larger than the limit."""


class _Connection(TCPClient):
    """Connects to a host, and can be closed at any moment."""

    stream: IOStream | None = None
    closed = False
    #: The address that was connected to.
    address = ""

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        self.stream = await super().connect(*args, **kwargs)
        # Raises OSError when the connection is already gone: then there is no answer.
        self.address = str(self.stream.socket.getpeername()[0])
        if self.closed:
            self.stream.close()
        return self.stream

    def close(self) -> None:
        """Close the connection, or keep it from being made. The resolver is not closed."""
        self.closed = True
        if self.stream is not None:
            self.stream.close()


async def _ask(
    url: str, limits: Limits, heads_of: list[_Connection] | None = None, **asked: Any
) -> httpclient.HTTPResponse:
    """Make a request, and follow its redirects. Never raises.

    ``heads_of``: read only the heads of the answers, and add the connections to this list.
    """
    first, ends = url, time.monotonic() + limits.deadline
    client: SimpleAsyncHTTPClient | None = None
    head: collections.deque[str] = collections.deque()
    body = bytearray()
    try:
        # A client for this one request; it keeps no connections. It reports an answer above its
        # limits only as a closed connection.
        client = SimpleAsyncHTTPClient(
            force_instance=True, max_clients=1, max_header_size=LARGEST_HEAD,
            max_body_size=2 * limits.largest_body,
            max_buffer_size=2 * limits.largest_body + LARGEST_HEAD)
        resolver = client.resolver
        for _ in range(MOST_REDIRECTS + 1):
            head, body = collections.deque(maxlen=MOST_LINES), bytearray()
            left = max(ends - time.monotonic(), 0.001)
            connection = client.tcp_client = _Connection(resolver)
            take_line = head.append
            if heads_of is not None:
                heads_of.append(connection)
                take_line = functools.partial(_take_head, head, connection)
            request = httpclient.HTTPRequest(
                url, follow_redirects=False, decompress_response=False,
                header_callback=take_line, streaming_callback=body.extend,
                connect_timeout=left, request_timeout=left, **asked)
            fetching = client.fetch(request, raise_error=False)
            try:
                # Not awaited directly: Tornado logs errors that come after a cancellation.
                await asyncio.wait([fetching])
            except asyncio.CancelledError:
                fetching.add_done_callback(lambda future: future.exception())
                raise
            response = (fetching.result() if heads_of is None or not fetching.exception()
                        else _parse_head(head, request, fetching))
            if len(body) > limits.largest_body:
                raise BodyTooLarge
            response.buffer = io.BytesIO(body)
            location = response.headers.get("Location")
            if response.code not in (301, 302, 303, 307, 308) or not location:
                return response
            url = redirected(url, location, limits)
            resolver = ScopedResolver(client.resolver, scope_of(connection.address))
        raise RedirectRefused(f"more than {MOST_REDIRECTS} redirects")
    except Exception as raised:
        # Any error of the network or the answer means that the request failed; callers retry.
        error = raised
        if isinstance(raised, ScopeRefused):
            error = RedirectRefused(f"it redirects to {raised}")
        elif heads_of is None and _is_too_large(head, body, limits.largest_body):
            error = BodyTooLarge(f"it is over {limits.largest_body >> 20} MiB")
        return httpclient.HTTPResponse(httpclient.HTTPRequest(first), 599, error=error)
    finally:
        if client is not None:
            client.close()  # this closes the connection as well


def _take_head(head: collections.deque[str], connection: _Connection, line: str) -> None:
    """Take a line of the head, and close the connection after the last one."""
    if line.startswith("HTTP/"):
        head.clear()
    head.append(line)
    if not line.strip() and not head[0].split()[1].startswith("1"):
        connection.close()


def _parse_head(
    head: collections.deque[str], request: httpclient.HTTPRequest,
    fetching: asyncio.Future[httpclient.HTTPResponse],
) -> httpclient.HTTPResponse:
    """Return the answer to which this head belongs. Raises the error of the request when the
    head is not complete."""
    if not head or head[-1].strip() or head[0].split()[1].startswith("1"):
        return fetching.result()
    headers = httputil.HTTPHeaders()
    for line in list(head)[1:-1]:
        headers.parse_line(line)
    return httpclient.HTTPResponse(request, int(head[0].split()[1]), headers)


def _is_too_large(head: Iterable[str], body: bytearray, largest: int) -> bool:
    """Return whether the body is larger than the limit, or the head announces that it is."""
    if len(body) > largest:
        return True
    for line in head:
        name, _, value = line.partition(":")
        digits = value.strip()
        # The number of digits is checked first: int() refuses thousands of them.
        if (name.lower() == "content-length" and digits.isascii() and digits.isdigit()
                and (len(digits) > 15 or int(digits) > largest)):
            return True
    return False


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
        reason = " ".join(shown(str(response.error)).split())
        return f"The tracker cannot be reached: {reason[:LONGEST_REASON].rstrip('.')}."
    return f"The tracker has trouble (it answered {response.code})."

"""The headers of every answer, and how a refusal is sent."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping
from http.client import responses
from typing import Any, TypeVar, cast

from tornado import httputil
from tornado.http1connection import HTTP1Connection
from tornado.web import OutputTransform

logger = logging.getLogger(__name__)

T = TypeVar("T")
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "warrior",
}

#: The largest body of a command, in bytes.
MAX_BODY = 64 * 1024
#: Characters of a path that are logged, so that a foreign page cannot fill the log.
LOGGED = 200
#: A refused body is read up to this size in bytes, so that the sender can read our answer.
MAX_DISCARDED = 1024 * 1024


class SecurityHeaders(OutputTransform):
    """Adds the headers to the answers of all handlers, also those of libraries."""

    def __init__(self, request: httputil.HTTPServerRequest) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: httputil.HTTPHeaders, chunk: bytes,
        include_footers: bool,
    ) -> tuple[int, httputil.HTTPHeaders, bytes]:
        for name, value in SECURITY_HEADERS.items():
            headers[name] = value
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        return chunk


@dataclasses.dataclass(frozen=True)
class Refusal:
    """An answer of one line that says what to change."""

    status: int
    text: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class RefusalDelegate(httputil.HTTPMessageDelegate):
    """Reads the rest of a refused request, then sends the refusal."""

    def __init__(self, request: httputil.HTTPServerRequest, refusal: Refusal) -> None:
        self._request = request
        self._refusal = refusal
        self._answered = False

    def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> Awaitable[None] | None:
        length = content_length(headers)
        if length is None or length > MAX_DISCARDED:
            # Too long to read: answer at once, which also closes the connection. The limit is
            # raised so that Tornado does not answer a second time.
            if length is not None:
                cast(HTTP1Connection, self._request.connection).set_max_body_size(length)
            self._answer()
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None

    def finish(self) -> None:
        self._answer()

    def on_connection_close(self) -> None:
        self._answered = True

    def _answer(self) -> None:
        if self._answered:
            return
        self._answered = True
        refusal, request = self._refusal, self._request
        logger.info("Refused with %d: %s %s from %s: %s", refusal.status, request.method,
                    request.path[:LOGGED], request.remote_ip, refusal.text)
        body = (refusal.text + "\n").encode("utf-8")
        headers = httputil.HTTPHeaders({
            **SECURITY_HEADERS, "Cache-Control": "no-store",
            "Content-Type": "text/plain; charset=UTF-8", "Content-Length": str(len(body)),
            **refusal.headers,
        })
        reason = responses.get(refusal.status, "Refused")
        start = httputil.ResponseStartLine("HTTP/1.1", refusal.status, reason)
        connection = cast(HTTP1Connection, request.connection)
        connection.write_headers(start, headers, b"" if request.method == "HEAD" else body)
        connection.finish()


class LaterDelegate(httputil.HTTPMessageDelegate):
    """Waits for an outcome (of checking a password), then passes the request to
    ``choose(outcome)``."""

    def __init__(
        self, outcome: Awaitable[T], choose: Callable[[T], httputil.HTTPMessageDelegate]
    ) -> None:
        self._outcome: Awaitable[Any] = outcome
        self._choose = choose
        self._chosen: Any = None
        self._closed = False

    async def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        chosen = self._choose(await self._outcome)
        if self._closed:
            return
        self._chosen = chosen
        started = chosen.headers_received(start_line, headers)
        if started is not None:
            await started

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return cast("Awaitable[None] | None", self._chosen.data_received(chunk))

    def finish(self) -> None:
        self._chosen.finish()

    def on_connection_close(self) -> None:
        self._closed = True
        if self._chosen is not None:
            self._chosen.on_connection_close()


def content_length(headers: httputil.HTTPHeaders) -> int | None:
    """The announced length of the body in bytes, 0 without one, None if it is unknown."""
    if "Transfer-Encoding" in headers:
        return None
    text = headers.get("Content-Length", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

"""Connections on which broken HTTP is answered like everything else that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornado.iostream import IOStream

from warrior.web.headers import SECURITY_HEADERS

if TYPE_CHECKING:
    import asyncio

_BODY = b"The request is malformed: check its first line, its headers (Host once) and its length.\n"
#: What Tornado sends by itself, and what goes out instead.
_BARE = b"HTTP/1.1 400 Bad Request\r\n\r\n"
_FULL = _BARE[:-2] + "".join(f"{name}: {value}\r\n" for name, value in {
    **SECURITY_HEADERS, "Cache-Control": "no-store", "Connection": "close",
    "Content-Type": "text/plain; charset=UTF-8", "Content-Length": str(len(_BODY)),
}.items()).encode("ascii") + b"\r\n" + _BODY


class ConsoleStream(IOStream):
    """Tornado refuses what it cannot read before any handler sees it, without headers.

    ``written`` is the number of bytes that have gone out.
    """

    written = 0

    @classmethod
    def instead_of(cls, stream: IOStream) -> ConsoleStream:
        """One for the socket of a stream that has not been used yet."""
        return cls(stream.socket, max_buffer_size=stream.max_buffer_size,
                   read_chunk_size=stream.read_chunk_size)

    def write_to_fd(self, data: memoryview) -> int:
        count = super().write_to_fd(data)
        self.written += count
        return count

    def write(self, data: bytes | memoryview) -> asyncio.Future[None]:
        return super().write(_FULL if data == _BARE else data)

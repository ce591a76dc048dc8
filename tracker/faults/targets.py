"""Upload targets that fail on purpose: an rsync daemon without modules, and an HTTP 500."""

from __future__ import annotations

import asyncio

from tracker.errors import CannotListen, Refusal
from tracker.web.handlers import StreamingHandler

REFUSING_PORT = 1
"""A port that refuses connections, because nothing listens there (tcpmux)."""

HTTP_500 = "/_faults/http500/"
"""Path of the failing HTTP target; no project's name begins with an underscore."""

MODULE = "no-such-module"
GREETING = b"@RSYNCD: 31.0\n"
LONGEST_LINE = 1024
TALK_SECONDS = 30.0


async def start_rsync(address: str) -> asyncio.Server:
    """Start a server at *address*, on any free port, that behaves as an rsync daemon just as far
    as to say that it does not have the module. Raises CannotListen."""
    try:
        return await asyncio.start_server(_talk, address, 0, limit=LONGEST_LINE)
    except OSError as error:
        raise CannotListen(
            f"Cannot listen on {address} for the upload targets of --faults: {error.strerror}."
        ) from error


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one client, but not for long."""
    try:
        await asyncio.wait_for(_refuse(reader, writer), TALK_SECONDS)
    except (OSError, ValueError, asyncio.TimeoutError):
        pass  # a client that hangs up, stays silent or sends too much fails in any case
    except asyncio.CancelledError:
        pass  # the loop ends; before Python 3.12 asyncio logs a cancelled task as an error
    finally:
        writer.close()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greet the client, read which module it wants, and say that there is none."""
    writer.write(GREETING)
    await reader.readline()
    await reader.readline()
    writer.write(f"@ERROR: Unknown module '{MODULE}'\n".encode())
    await writer.drain()


class Http500Handler(StreamingHandler):
    """Takes a file, discards it, and answers 500."""

    METHOD = "PUT"

    async def begin(self, length: int | None) -> None:
        """Allow any size: a refusal of the body would be a different fault."""
        self.http.set_max_body_size(1 << 50)

    async def receive(self, chunk: bytes) -> None:
        """Discard the data."""

    def put(self, name: str) -> None:
        """Fail when the file has arrived."""
        self.unread = False
        raise Refusal(500, "This upload target fails on purpose (--faults).")

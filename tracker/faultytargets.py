"""Upload targets that fail on purpose: an rsync daemon without modules, and an http 500."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.web import stream_request_body

from tracker.handlers import Handler, Refusal

REFUSING_PORT = 1
"""A port that nothing listens at (tcpmux): connections to it are refused."""

HTTP_500 = "/_faults/http500/"
"""Path of the failing http target; no project's name begins with an underscore."""

MODULE = "no-such-module"
GREETING = b"@RSYNCD: 31.0\n"
LONGEST_LINE = 1024
TALK_SECONDS = 30.0


class ModulelessRsync:
    """As much of an rsync daemon as it takes to say that it has no such module."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, address: str) -> None:
        """Listen at *address* on any free port, then known as ``port``; raises OSError."""
        self._server = await asyncio.start_server(self._met, address, 0, limit=LONGEST_LINE)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end what is being said."""
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.ensure_future(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet, hear which module is wanted, and say that there is none."""
        try:
            await asyncio.wait_for(self._refuse(reader, writer), TALK_SECONDS)
        except (OSError, ValueError, asyncio.TimeoutError):
            pass  # whoever hangs up, stays silent or chatters (ValueError) has its failure too
        finally:
            writer.close()

    @staticmethod
    async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        await reader.readline()
        await reader.readline()
        writer.write(f"@ERROR: Unknown module '{MODULE}'\n".encode())
        await writer.drain()


@stream_request_body
class Http500Handler(Handler):
    """Takes a file, forgets it, and answers 500."""

    STREAMS = True

    def prepare(self) -> None:
        """Let a file of any size come: a refusal before its end would be another fault."""
        super().prepare()
        connection: Any = self.request.connection
        connection.set_max_body_size(1 << 50)

    def data_received(self, chunk: bytes) -> None:
        """Forget what came."""

    def put(self, name: str) -> None:
        """Fail, now that all has come."""
        self.unread = False
        raise Refusal(500, "This upload target fails on purpose (--faults).")

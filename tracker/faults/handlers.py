"""The commands of the protocol, and upload targets, with the faults of ``--faults``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http.client import responses
from typing import Any

from tornado.iostream import StreamClosedError

from tracker.errors import CannotListen, Refusal
from tracker.faults.plan import Fault, Faults
from tracker.web.handlers import StreamingHandler
from tracker.web.protocol import CommandHandler

log = logging.getLogger("tracker")

MIB = 1024 * 1024

REFUSING_PORT = 1
"""A port that refuses connections, because nothing listens there (tcpmux)."""

HTTP_500 = "/_faults/http500/"
"""Path of the failing HTTP target; no project's name begins with an underscore."""

MODULE = "no-such-module"
GREETING = b"@RSYNCD: 31.0\n"
LONGEST_LINE = 1024
TALK_SECONDS = 30.0

HTML = "<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"

WRONG_TYPES: Mapping[str, object] = {
    "request": {"item_name": 5, "items": {}, "queues": "todo"},
    "upload": {"upload_target": ["rsync://127.0.0.1/"]},
    "done": {"OK": True},
    "release": {"items": "all"},
}

Work = Callable[[], Awaitable[bytes]]
"""Carries out the command and returns its answer, which is not sent; a refusal is raised."""


class FaultyCommandHandler(CommandHandler):
    """Answers as its parent does, except for the requests that a fault is chosen for."""

    def initialize(self, faults: Faults, rsync_port: int) -> None:
        self._faults = faults
        self._rsync_port = rsync_port
        self._holding = False
        self._held = b""
        self._hung_up = asyncio.Event()

    def on_connection_close(self) -> None:
        """End the pauses: nobody waits for the rest of the answer."""
        super().on_connection_close()
        self._hung_up.set()

    async def post(self, project: str, multi: str | None, command: str) -> None:
        """Carry out the command, or make a fault."""
        self.unread = False
        self.refuse_pages()
        fault = self._faults.choose(command)
        if fault is None:
            await super().post(project, multi, command)
            return

        async def work() -> bytes:
            self._holding = True
            try:
                await super(FaultyCommandHandler, self).post(project, multi, command)
            finally:
                self._holding = False
            return self._held

        forms: dict[str, Callable[[Work], Awaitable[None]]] = {
            "delay": self._delay,
            "trickle": self._trickle,
            "cut": self._cut,
            "lost-whole": self._lose,
            "lost-half": self._lose_half,
        }
        if fault.form in forms:
            await forms[fault.form](work)
        elif fault.form in ("refused", "module", "http500"):
            self._name_dead_target(fault.form, json.loads(await work()))
        else:
            self._answer_wrong(command, fault)
        self._faults.count(command, fault)
        log.warning("%s %s: fault: %s", self.request.method, self.request.path, fault.form)

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> asyncio.Future[None]:
        """Answer, or keep the answer for a fault that changes it."""
        if not self._holding:
            return super().finish(chunk)
        self._held = chunk.encode() if isinstance(chunk, str) else b""  # commands answer text
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kept.set_result(None)
        return kept

    def _answer_wrong(self, command: str, fault: Fault) -> None:
        """Answer a status or garbage, and do nothing."""
        garbage: dict[str, object] = {
            "null": None,
            "list": ["a", "b"],
            "types": WRONG_TYPES[command],
            "big": {"padding": "x" * MIB},  # names no item, in case a client reads all of it
        }
        if fault.form == "html":
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish(HTML)
        elif fault.form in garbage:
            self.json(garbage[fault.form])
        else:
            status = int(fault.form)
            if status == 429:
                self.set_header("Retry-After", str(self._faults.plan.retry_after))
            self.set_status(status, responses.get(status, "Fault"))
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"{status}, on purpose (--faults).\n")

    async def _delay(self, work: Work) -> None:
        """Wait, then carry out the command, unless the client has hung up."""
        await self._pause(self._faults.plan.delay_seconds)
        if not self.gone:
            self.finish(await work())

    async def _trickle(self, work: Work) -> None:
        """Carry out the command, and answer one byte at a time."""
        body = await work()
        self.set_header("Content-Length", str(len(body)))
        with contextlib.suppress(StreamClosedError):
            for position in range(len(body)):
                self.write(body[position : position + 1])
                await self.flush()
                await self._pause(self._faults.plan.byte_seconds)
                if self.gone:
                    return
            self.finish()

    async def _cut(self, work: Work) -> None:
        """Close the connection, and do nothing."""
        self._take_stream().close()

    async def _lose(self, work: Work) -> None:
        """Carry out the command, and close the connection before the answer."""
        await work()
        if not self.gone:
            self._take_stream().close()

    async def _lose_half(self, work: Work) -> None:
        """Carry out the command, and close the connection in the middle of the answer."""
        body = await work()
        if self.gone:
            return
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {self._headers['Content-Type']}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        stream = self._take_stream()
        with contextlib.suppress(StreamClosedError):
            await stream.write(head.encode() + body[: len(body) // 2])
        stream.close()

    def _name_dead_target(self, form: str, answer: dict[str, Any]) -> None:
        """Answer ``upload`` with a target that cannot take the files."""
        host = self.request.host_name
        where = f"[{host}]" if ":" in host else host
        targets = {
            "refused": f"http://{where}:{REFUSING_PORT}/",
            "module": f"rsync://{where}:{self._rsync_port}/{MODULE}/",
            "http500": f"{self.request.protocol}://{self.request.host}{HTTP_500}",
        }
        self.json({**answer, "upload_target": targets[form]})

    def _take_stream(self) -> Any:
        """Detach the connection's stream from the server, and return it."""
        self.parts.in_flight.discard(self)
        return self.detach()

    async def _pause(self, seconds: float) -> None:
        """Sleep, but no longer than until the client hangs up."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hung_up.wait(), seconds)


async def start_rsync(address: str) -> asyncio.Server:
    """Start an rsync daemon without modules at *address*, on any free port.

    It speaks just enough of the protocol to refuse a module. Raises CannotListen.
    """
    try:
        return await asyncio.start_server(_talk, address, 0, limit=LONGEST_LINE)
    except OSError as error:
        raise CannotListen(
            f"Cannot listen on {address} for the upload targets of --faults: {error.strerror}."
        ) from error


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await asyncio.wait_for(_refuse(reader, writer), TALK_SECONDS)
    except (OSError, ValueError, asyncio.TimeoutError):
        pass  # a client that hangs up, stays silent or sends too much fails in any case
    except asyncio.CancelledError:
        pass  # the loop ends; before Python 3.12 asyncio logs a cancelled task as an error
    finally:
        writer.close()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greet the client, read the name of a module, and answer that there is no such module."""
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
        self.unread = False
        raise Refusal(500, "This upload target fails on purpose (--faults).")

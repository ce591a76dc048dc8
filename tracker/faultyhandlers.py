"""The commands of the protocol with faults put in on purpose (``run-tracker --faults``)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http.client import responses
from types import MappingProxyType
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.web import Application

from tracker.faults import Fault, Faults
from tracker.faultytargets import HTTP_500, MODULE, REFUSING_PORT, ModulelessRsync
from tracker.protocol import CommandHandler

log = logging.getLogger("tracker")

MIB = 1024 * 1024

HTML = "<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"

WRONG_TYPES: Mapping[str, object] = MappingProxyType(
    {
        "request": {"item_name": 5, "items": {}, "queues": "todo"},
        "upload": {"upload_target": ["rsync://127.0.0.1/"]},
        "done": {"OK": True},
        "release": {"items": "all"},
    }
)


class FaultyCommandHandler(CommandHandler):
    """Answers as its parent does, but for the requests that meet a fault."""

    _fault: Fault

    def __init__(
        self,
        application: Application,
        request: HTTPServerRequest,
        faults: Faults,
        rsync: ModulelessRsync,
        **more: Any,
    ) -> None:
        super().__init__(application, request, **more)
        self._faults = faults
        self._rsync = rsync
        self._held: bytes | None = None
        self._holding = False
        self._hung_up = asyncio.Event()

    def on_connection_close(self) -> None:
        """End the pauses: nobody waits for what comes after them."""
        super().on_connection_close()
        self._hung_up.set()

    async def post(self, project: str, multi: str | None, command: str) -> None:
        """Carry out the command, or the fault it meets."""
        self.unread = False
        self.refuse_pages()
        fault = self._faults.choose(command)
        if fault is None:
            await super().post(project, multi, command)
            return

        async def work() -> None:
            """Do what was asked for; its answer is held back. A refusal is answered as it is."""
            self._holding = True
            try:
                await super(FaultyCommandHandler, self).post(project, multi, command)
            finally:
                self._holding = False

        forms: dict[str, Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]] = {
            "delay": self._delay,
            "trickle": self._trickle,
            "cut": self._cut,
            "lost-whole": self._lose,
            "lost-half": self._lose_half,
            "refused": self._name_dead_target,
            "module": self._name_dead_target,
            "http500": self._name_dead_target,
        }
        self._fault = fault
        if fault.form in forms:
            await forms[fault.form](work)
        else:
            self._answer_wrong(command, fault)
        self._faults.count(command, fault)
        log.warning("%s %s: fault put in: %s", self.request.method, self.request.path, fault.form)

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> asyncio.Future[None]:
        """Answer; or keep the answer for the fault that alters it."""
        if not self._holding:
            return super().finish(chunk)
        self._held = chunk.encode() if isinstance(chunk, str) else b""  # commands answer text
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kept.set_result(None)
        return kept

    def _answer_wrong(self, command: str, fault: Fault) -> None:
        """Answer a status or garbage; nothing is done."""
        garbage: dict[str, object] = {
            "null": None,
            "list": ["a", "b"],
            "types": WRONG_TYPES[command],
            "big": {"padding": "x" * MIB},  # a client that reads it all finds nothing to act on
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
            self.finish(f"{status}, put in on purpose (--faults).\n")

    async def _delay(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait, then do what was asked for; nothing when nobody waited as long."""
        await self._pause(self._faults.plan.delay_seconds)
        if self.gone:
            return
        await work()
        self.finish(self._held)

    async def _trickle(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what was asked for, and answer a byte at a time."""
        await work()
        body = self._held or b""
        self.set_header("Content-Length", str(len(body)))
        with contextlib.suppress(StreamClosedError):
            for position in range(len(body)):
                self.write(body[position : position + 1])
                await self.flush()
                await self._pause(self._faults.plan.byte_seconds)
                if self.gone:
                    return
            self.finish()

    async def _cut(self, work: Callable[[], Awaitable[None]]) -> None:
        """Close the connection; nothing is done."""
        self._take_stream().close()

    async def _lose(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what was asked for, and close the connection without an answer."""
        await work()
        if not self.gone:
            self._take_stream().close()

    async def _lose_half(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what was asked for, and close the connection in the middle of the answer."""
        await work()
        if self.gone:
            return
        body = self._held or b""
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {self._headers['Content-Type']}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        stream = self._take_stream()
        with contextlib.suppress(StreamClosedError):
            await stream.write(head.encode() + body[: len(body) // 2])
        stream.close()

    async def _name_dead_target(self, work: Callable[[], Awaitable[None]]) -> None:
        """Answer ``upload`` with a target that cannot take the files."""
        await work()
        host = self.request.host_name
        where = f"[{host}]" if ":" in host else host
        targets = {
            "refused": f"http://{where}:{REFUSING_PORT}/",
            "module": f"rsync://{where}:{self._rsync.port}/{MODULE}/",
            "http500": f"{self.request.protocol}://{self.request.host}{HTTP_500}",
        }
        answer = {**json.loads(self._held or b"{}"), "upload_target": targets[self._fault.form]}
        self.json(answer)

    def _take_stream(self) -> Any:
        """Return the connection's stream, which is no longer the server's."""
        self.parts.in_flight.discard(self)
        return self.detach()

    async def _pause(self, seconds: float) -> None:
        """Sleep, until the client hangs up at most."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hung_up.wait(), seconds)

"""The commands of the protocol, with the faults of ``run-tracker --faults``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http.client import responses
from typing import Any

from tornado.iostream import StreamClosedError

from tracker.faults.plan import Fault, Faults
from tracker.faults.targets import HTTP_500, MODULE, REFUSING_PORT
from tracker.web.protocol import CommandHandler

log = logging.getLogger("tracker")

MIB = 1024 * 1024

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
        """Take what all requests of a server share."""
        self._faults = faults
        self._rsync_port = rsync_port
        self._holding = False
        self._held = b""
        self._hung_up = asyncio.Event()

    def on_connection_close(self) -> None:
        """End the pauses: nobody waits for what follows them."""
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
            "big": {"padding": "x" * MIB},  # has nothing to act on for a client that reads it all
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
        """Wait, then carry out the command, unless the client has hung up meanwhile."""
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
        """Return the connection's stream, with which the server does nothing more."""
        self.parts.in_flight.discard(self)
        return self.detach()

    async def _pause(self, seconds: float) -> None:
        """Sleep, but no longer than until the client hangs up."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hung_up.wait(), seconds)

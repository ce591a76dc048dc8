"""Constructs the server's parts and connects them with addresses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from tracker.admin.routes import admin_routes
from tracker.errors import CannotListen
from tracker.faults.handlers import FaultyCommandHandler
from tracker.faults.plan import Faults, Plan
from tracker.faults.targets import HTTP_500, Http500Handler, ModulelessRsync
from tracker.names import SITE_FOLDER
from tracker.practice.handler import SiteHandler
from tracker.practice.items import stock
from tracker.store.schema import DATABASE
from tracker.store.threads import Reader, Writer
from tracker.web.handlers import Handler, NotHere, Parts
from tracker.web.page import page_routes
from tracker.web.protocol import CommandHandler, StatusHandler
from tracker.web.turns import Turns
from tracker.web.uploadhandler import UploadHandler
from tracker.web.uploads import UploadFolder

UPLOADS = "uploads"
MAX_BODY_BYTES = 1 << 20
"""Longest body, except for handlers that take it piece by piece and have limits of their own."""

GRACE_SECONDS = 5.0
"""How long the server waits at its end until the requests in flight are answered."""


@dataclass(frozen=True)
class Settings:
    """What the operator chose."""

    data_dir: Path
    address: str
    port: int
    turns: Turns
    max_upload_bytes: int
    practice_items: int | None
    """Practice items that wait at the start; None if the practice project is not served."""
    behind_proxy: bool = False
    """Whether clients' addresses are those in a proxy's headers."""
    faults: Plan | None = None
    """Faults to make on purpose."""


class Tracker:
    """A tracker that listens at *urls*."""

    def __init__(self, parts: Parts, server: HTTPServer, urls: list[str]) -> None:
        self.urls = urls
        self._parts = parts
        self._server = server

    async def drain(self, at_once: asyncio.Event) -> None:
        """Stop listening, and wait until the requests in flight are answered, but not for long.

        A second signal sets *at_once*, which ends the waiting.
        """
        self._server.stop()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GRACE_SECONDS
        while self._parts.in_flight and loop.time() < deadline and not at_once.is_set():
            await asyncio.sleep(0.02)
        await self._server.close_all_connections()


@contextlib.asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[Tracker]:
    """Open the database and the folders, listen, and close everything at the end.

    Raises CannotListen (then nothing was opened), FolderUnusable, StoreUnavailable.
    """
    async with contextlib.AsyncExitStack() as closing:
        sockets = _bind(settings)
        for bound in sockets:
            closing.callback(bound.close)
        folder = UploadFolder(settings.data_dir / UPLOADS, settings.max_upload_bytes)
        await asyncio.to_thread(folder.prepare)
        writer, reader = Writer(settings.data_dir / DATABASE), Reader(settings.data_dir / DATABASE)
        for thread in writer, reader:  # the writer makes the database
            closing.push_async_callback(thread.close)
            await thread.start()
        waiting = settings.practice_items
        if waiting is not None:
            await writer.run(lambda store: stock(store, waiting))
        faults = Faults(settings.faults) if settings.faults else None
        rsync = ModulelessRsync()
        if faults is not None:
            closing.callback(rsync.stop)
            await rsync.start(settings.address)
        parts = Parts(writer, reader, folder, settings.turns)
        server = HTTPServer(
            _application(parts, waiting is not None, faults, rsync.port),
            max_body_size=MAX_BODY_BYTES,
            idle_connection_timeout=60,
            xheaders=settings.behind_proxy,
        )
        server.add_sockets(sockets)
        yield Tracker(parts, server, [_url(bound) for bound in sockets])


def _bind(settings: Settings) -> list[socket.socket]:
    """Return the bound sockets; raises CannotListen."""
    try:
        return bind_sockets(settings.port, settings.address)
    except (OSError, UnicodeError) as error:  # the latter if it cannot be a host's name
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotListen(
            f"cannot listen on {settings.address}, port {settings.port}: {reason}. Stop the "
            "program that listens there, or choose another --address or --port (--port 0 takes "
            "any free port)."
        ) from error


def _application(
    parts: Parts, practice: bool, faults: Faults | None, rsync_port: int
) -> Application:
    """Return the addresses of the server."""
    commands = r"/([^/]+)(?:/(multi=[^/]*))?/(request|release|upload|done)"
    routes: list[Any] = [(commands, CommandHandler)]
    if faults is not None:
        more = {"faults": faults, "rsync_port": rsync_port}
        routes = [(commands, FaultyCommandHandler, more), (rf"{HTTP_500}(.*)", Http500Handler)]
    if practice:
        routes.append((rf"/{SITE_FOLDER}/([0-9]+)/(.*)", SiteHandler))
    threads = ThreadPoolExecutor(4, "tracker-upload")
    return Application(
        [
            *admin_routes(),
            *page_routes(),
            *routes,
            (r"/([^/]+)/status", StatusHandler),
            (r"/([^/]+)/upload/(.*)", UploadHandler, {"threads": threads}),
        ],
        default_handler_class=NotHere,
        parts=parts,
        faults=faults,
        log_function=_log_nothing,
    )


def _log_nothing(handler: Handler) -> None:
    """Keep no access log. ``Handler`` logs refusals."""


def _url(bound: socket.socket) -> str:
    """Return the address at which *bound* listens, as browsers write it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

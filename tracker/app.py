"""Makes the tracker's parts and wires them to addresses."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from tracker.admin.routes import admin_routes
from tracker.errors import CannotListen
from tracker.faults import Plan
from tracker.faultyparts import FaultyParts
from tracker.handlers import Handler, NotHere, Parts
from tracker.names import SITE_FOLDER
from tracker.page import page_routes
from tracker.practice.handler import SiteHandler
from tracker.practice.items import stock
from tracker.protocol import CommandHandler, StatusHandler
from tracker.reader import Reader
from tracker.schema import DATABASE
from tracker.targets import UploadTargets
from tracker.uploadhandler import UploadHandler
from tracker.uploads import UploadFolder
from tracker.writer import Writer

UPLOADS = "uploads"
MAX_BODY_BYTES = 1 << 20
"""Longest body but for handlers that take it as it comes, and have limits of their own."""

GRACE_SECONDS = 5.0
"""At the end, requests at work get so long to be answered."""


@dataclass(frozen=True)
class Settings:
    """What the operator chose."""

    data_dir: Path
    address: str
    port: int
    upload_targets: UploadTargets
    max_upload_bytes: int
    practice_items: int | None
    """Practice items to keep waiting; None when the practice project is not served."""
    behind_proxy: bool = False
    """Whether clients' addresses are those that a proxy names in its headers."""
    faults: Plan | None = None
    """Faults to put in on purpose."""


class Tracker:
    """A tracker that listens; made by ``start``, ended by ``stop``."""

    def __init__(
        self, parts: Parts, server: HTTPServer, urls: list[str], faulty: FaultyParts | None
    ) -> None:
        self.urls = urls
        self._faulty = faulty
        self._parts = parts
        self._server = server

    @classmethod
    async def start(cls, settings: Settings) -> Tracker:
        """Open the database and folders, then listen.

        Raises CannotListen (then nothing was started), FolderUnusable, StoreTrouble.
        """
        sockets = _bind(settings)
        try:
            folder = UploadFolder(settings.data_dir / UPLOADS, settings.max_upload_bytes)
            await asyncio.to_thread(folder.prepare)
            writer = Writer(settings.data_dir / DATABASE)
            await writer.start()
            reader = Reader(settings.data_dir / DATABASE)
            await reader.start()
            waiting = settings.practice_items
            if waiting is not None:
                await writer.run(lambda store: stock(store, waiting))
            plan = settings.faults
            faulty = await FaultyParts.start(plan, settings.address) if plan else None
        except BaseException:
            for bound in sockets:
                bound.close()
            raise
        parts = Parts(writer, reader, folder, settings.upload_targets)
        application = _application(parts, waiting is not None, faulty)
        server = HTTPServer(
            application,
            max_body_size=MAX_BODY_BYTES,
            idle_connection_timeout=60,
            xheaders=settings.behind_proxy
        )
        server.add_sockets(sockets)
        return cls(parts, server, [_url(bound) for bound in sockets], faulty)

    async def stop(self, at_once: asyncio.Event) -> None:
        """Stop listening, let requests at work be answered (a while at most), close all.

        *at_once*, set by a second signal, ends the waiting.
        """
        self._server.stop()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GRACE_SECONDS
        while self._parts.in_flight and loop.time() < deadline and not at_once.is_set():
            await asyncio.sleep(0.02)
        await self._server.close_all_connections()
        if self._faulty is not None:
            await self._faulty.stop()
        await self._parts.reader.close()
        await self._parts.writer.close()


def _bind(settings: Settings) -> list[socket.socket]:
    """Return the bound sockets; raises CannotListen saying what to do."""
    try:
        return bind_sockets(settings.port, settings.address)
    except (OSError, UnicodeError) as error:  # the latter: no host can have such a name
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotListen(
            f"cannot listen on {settings.address}, port {settings.port}: {reason}. Stop what "
            "listens there, or choose another with --address and --port (--port 0 takes any "
            "free one)."
        ) from error


def _application(parts: Parts, practice: bool, faulty: FaultyParts | None) -> Application:
    """Return the addresses of the server."""
    commands: tuple[type[CommandHandler], dict[str, Any]] = (
        (faulty.handler, faulty.arguments) if faulty else (CommandHandler, {})
    )
    threads = ThreadPoolExecutor(4, "tracker-upload")
    site = [(rf"/{SITE_FOLDER}/([0-9]+)/(.*)", SiteHandler)] if practice else []
    return Application(
        [
            *admin_routes(),
            *page_routes(),
            *site,
            *(faulty.addresses if faulty else []),
            (r"/([^/]+)(?:/(multi=[^/]*))?/(request|release|upload|done)", *commands),
            (r"/([^/]+)/status", StatusHandler),
            (r"/([^/]+)/upload/(.*)", UploadHandler, {"threads": threads}),
        ],
        default_handler_class=NotHere,
        parts=parts,
        faults=faulty.faults if faulty else None,
        log_function=_log_nothing,
    )


def _log_nothing(handler: Handler) -> None:
    """Keep no access log: refusals are logged where they are made (``Handler``)."""


def _url(bound: socket.socket) -> str:
    """Return the address that *bound* listens at, as a browser takes it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

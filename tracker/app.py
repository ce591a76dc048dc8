"""Makes the tracker's parts and wires them to addresses."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from tracker.errors import CannotListen
from tracker.handlers import Handler, NotHere, Parts
from tracker.names import SITE_FOLDER
from tracker.practice.handler import SiteHandler
from tracker.practice.items import stock
from tracker.protocol import CommandHandler, IndexHandler, StatusHandler
from tracker.targets import UploadTargets
from tracker.uploadhandler import UploadHandler
from tracker.uploads import UploadFolder
from tracker.writer import Writer

DATABASE = "tracker.sqlite3"
UPLOADS = "uploads"
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


class Tracker:
    """A tracker that listens; made by ``start``, ended by ``stop``."""

    def __init__(self, parts: Parts, server: HTTPServer, urls: list[str]) -> None:
        self.urls = urls
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
            waiting = settings.practice_items
            if waiting is not None:
                await writer.run(lambda store: stock(store, waiting))
        except BaseException:
            for bound in sockets:
                bound.close()
            raise
        parts = Parts(writer, folder, settings.upload_targets)
        server = HTTPServer(_application(parts, waiting is not None), idle_connection_timeout=60)
        server.add_sockets(sockets)
        return cls(parts, server, [_url(bound) for bound in sockets])

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


def _application(parts: Parts, practice: bool) -> Application:
    """Return the addresses of the server."""
    threads = ThreadPoolExecutor(4, "tracker-upload")
    site = [(rf"/{SITE_FOLDER}/([0-9]+)/(.*)", SiteHandler)] if practice else []
    return Application(
        [
            (r"/", IndexHandler),
            *site,
            (r"/([^/]+)(?:/(multi=[^/]*))?/(request|release|upload|done)", CommandHandler),
            (r"/([^/]+)/status", StatusHandler),
            (r"/([^/]+)/upload/(.*)", UploadHandler, {"threads": threads}),
        ],
        default_handler_class=NotHere,
        parts=parts,
        log_function=_log_nothing,
    )


def _log_nothing(handler: Handler) -> None:
    """Keep no access log: refusals are logged where they are made (``Handler``)."""


def _url(bound: socket.socket) -> str:
    """Return the address that *bound* listens at, as a browser takes it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

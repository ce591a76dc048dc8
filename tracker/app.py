"""The server: constructs its parts, connects them with addresses, and runs until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from tracker.admin.handlers import admin_routes
from tracker.errors import CannotListen
from tracker.faults.handlers import HTTP_500, FaultyCommandHandler, Http500Handler, start_rsync
from tracker.faults.plan import Faults, Plan
from tracker.names import SITE_FOLDER
from tracker.practice import PROJECT, SiteHandler, stock
from tracker.store.lock import FolderLock
from tracker.store.schema import DATABASE
from tracker.store.threads import Reader, Writer
from tracker.web.handlers import NotHere, Parts
from tracker.web.page import page_routes
from tracker.web.protocol import CommandHandler, StatusHandler
from tracker.web.rotation import Rotation
from tracker.web.uploads import UploadFolder, UploadHandler

UPLOADS = "uploads"
MAX_BODY_BYTES = 1 << 20
"""Longest body, except for handlers that take it piece by piece and have limits of their own."""

GRACE_SECONDS = 5.0
"""How long the server waits for the requests in flight before it ends."""


@dataclass(frozen=True)
class Settings:
    """What the operator chose."""

    data_dir: Path
    address: str
    port: int
    rotation: Rotation
    max_upload_bytes: int
    practice_items: int | None
    """Practice items that wait at the start; None if the practice project is not served."""
    behind_proxy: bool = False
    """Whether clients' addresses are those in a proxy's headers."""
    faults: Plan | None = None
    """Faults to make on purpose."""


def _bind(settings: Settings) -> list[socket.socket]:
    """Return the bound sockets; raises CannotListen."""
    try:
        return bind_sockets(settings.port, settings.address)
    except (OSError, UnicodeError) as error:  # the latter if it cannot be a host's name
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotListen(
            f"Cannot listen on {settings.address}, port {settings.port}: {reason}. Stop the "
            "program that listens there, or choose another --address or --port (--port 0 takes "
            "any free port)."
        ) from error


def _application(
    settings: Settings, parts: Parts, folder: UploadFolder, faults: Faults | None, rsync_port: int
) -> Application:
    """Return the addresses of the server."""
    commands = r"/([^/]+)(?:/multi=([^/]*))?/(request|release|upload|done)"
    routes: list[Any] = [(commands, CommandHandler)]
    if faults is not None:
        more = {"faults": faults, "rsync_port": rsync_port}
        routes = [(commands, FaultyCommandHandler, more), (rf"{HTTP_500}(.*)", Http500Handler)]
    if settings.practice_items is not None:
        routes.append((rf"/{SITE_FOLDER}/([0-9]+)/(.*)", SiteHandler))
    uploads = {"folder": folder, "threads": ThreadPoolExecutor(4, "tracker-upload")}
    return Application(
        [
            *admin_routes(),
            *page_routes(),
            *routes,
            (r"/([^/]+)/status", StatusHandler),
            (r"/([^/]+)/upload/(.*)", UploadHandler, uploads),
        ],
        default_handler_class=NotHere,
        parts=parts,
        faults=faults,
        log_function=lambda handler: None,  # no access log; ``Handler`` logs refusals
    )


def _url(bound: socket.socket) -> str:
    """Return the address at which *bound* listens, as browsers write it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises FolderUnusable, CannotListen, StoreUnavailable.
    """
    with contextlib.closing(FolderLock(settings.data_dir)):
        asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    """Open the database and the folders, listen until a signal, and close everything."""
    stop, at_once = asyncio.Event(), asyncio.Event()
    _handle_signals(stop, at_once)
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
        if settings.practice_items is not None:
            await writer.run(stock, settings.practice_items)
        faults = Faults(settings.faults) if settings.faults else None
        rsync_port = 0
        if faults is not None:
            rsync = await start_rsync(settings.address)
            closing.callback(rsync.close)
            rsync_port = rsync.sockets[0].getsockname()[1]
        parts = Parts(writer, reader, settings.rotation)
        server = HTTPServer(
            _application(settings, parts, folder, faults, rsync_port),
            max_body_size=MAX_BODY_BYTES,
            idle_connection_timeout=60,
            xheaders=settings.behind_proxy,
        )
        server.add_sockets(sockets)
        _announce(settings, [_url(bound) for bound in sockets])
        await stop.wait()
        await _drain(server, parts, at_once)


def _handle_signals(stop: asyncio.Event, at_once: asyncio.Event) -> None:
    """Set *stop* at the first SIGTERM or SIGINT, and *at_once* at the next one."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: at_once.set() if stop.is_set() else stop.set())
    if os.getpid() == 1:
        loop.add_signal_handler(signal.SIGCHLD, _reap)


async def _drain(server: HTTPServer, parts: Parts, at_once: asyncio.Event) -> None:
    """Stop listening. Wait for the requests in flight, but not for long, and not if *at_once*."""
    server.stop()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GRACE_SECONDS
    while parts.in_flight and loop.time() < deadline and not at_once.is_set():
        await asyncio.sleep(0.02)
    await server.close_all_connections()


def _reap() -> None:
    """Reap the orphans that the kernel gives to the first process of a container."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _announce(settings: Settings, urls: list[str]) -> None:
    """Print where the tracker is, and what it serves."""
    lines = [f"Tracker listening at {url}" for url in urls]
    if settings.practice_items is not None:
        lines.append(f"Practice project: {urls[0]}{PROJECT}")
    if settings.faults is not None:
        lines.append(settings.faults.sentence)
    lines.append(f"Uploads arrive in {(settings.data_dir / UPLOADS).resolve()}")
    if not _is_loopback(settings.address):
        lines.append(
            f"Anybody who can reach {settings.address} can claim items and upload files here."
        )
    print("\n".join(lines), flush=True)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost" or address.endswith(".localhost")

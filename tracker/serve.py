"""The life of a tracker server: lock, listen, say where, end on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal

from tracker.app import UPLOADS, Settings, Tracker
from tracker.lock import FolderLock
from tracker.practice.items import PROJECT


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises FolderUnusable (FolderLocked, NewerDatabase), CannotListen, StoreTrouble, each with
    the sentence to show.
    """
    lock = FolderLock(settings.data_dir)
    try:
        asyncio.run(_serve(settings))
    finally:
        lock.release()


async def _serve(settings: Settings) -> None:
    stop, at_once = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # The first signal stops it; another, while requests are still answered, at once.
        loop.add_signal_handler(number, lambda: at_once.set() if stop.is_set() else stop.set())
    if os.getpid() == 1:
        loop.add_signal_handler(signal.SIGCHLD, _collect)
    tracker = await Tracker.start(settings)
    _announce(settings, tracker)
    await stop.wait()
    await tracker.stop(at_once)


def _collect() -> None:
    """Ask for the status of processes that the kernel has given to us, the first process of a
    container; the tracker starts none of its own."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _announce(settings: Settings, tracker: Tracker) -> None:
    """Say where the tracker is, and what for."""
    for url in tracker.urls:
        print(f"Tracker listening at {url}", flush=True)
    if settings.practice_items is not None:
        print(f"Practice project: {tracker.urls[0]}{PROJECT}", flush=True)
    if settings.faults is not None:
        print(settings.faults.sentence, flush=True)
    print(f"Uploads arrive in {(settings.data_dir / UPLOADS).resolve()}", flush=True)
    if not _is_loopback(settings.address):
        print(
            f"Whoever reaches {settings.address} can take items and upload files here.", flush=True
        )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost" or address.endswith(".localhost")

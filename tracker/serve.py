"""Runs a tracker server: takes the lock, listens, says where, and ends on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal

from tracker.app import UPLOADS, Settings, Tracker, listening
from tracker.practice.items import PROJECT
from tracker.store.lock import FolderLock


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises FolderUnusable (FolderLocked, NewerDatabase), CannotListen, StoreUnavailable.
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
        # The first signal stops the server; another one ends the wait for requests in flight.
        loop.add_signal_handler(number, lambda: at_once.set() if stop.is_set() else stop.set())
    if os.getpid() == 1:
        loop.add_signal_handler(signal.SIGCHLD, _reap)
    async with listening(settings) as tracker:
        _announce(settings, tracker)
        await stop.wait()
        await tracker.drain(at_once)


def _reap() -> None:
    """Reap the orphans that the kernel gives to the first process of a container."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _announce(settings: Settings, tracker: Tracker) -> None:
    """Print where the tracker is, and what it serves."""
    for url in tracker.urls:
        print(f"Tracker listening at {url}", flush=True)
    if settings.practice_items is not None:
        print(f"Practice project: {tracker.urls[0]}{PROJECT}", flush=True)
    if settings.faults is not None:
        print(settings.faults.sentence, flush=True)
    print(f"Uploads arrive in {(settings.data_dir / UPLOADS).resolve()}", flush=True)
    if not _is_loopback(settings.address):
        print(
            f"Everybody who can reach {settings.address} can claim items and upload files here.",
            flush=True,
        )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost" or address.endswith(".localhost")

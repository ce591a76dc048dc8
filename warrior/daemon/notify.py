"""Sends the messages of sd_notify(3) to the service manager, without a library.

Without a service manager, nothing is sent. Errors are warnings in the log; nothing here raises.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

from warrior.daemon.lifecycle import Lifecycle, State

if TYPE_CHECKING:
    from warrior.daemon.facade import WarriorFacade

logger = logging.getLogger(__name__)

#: Variables for this process alone: a child that inherited them could send messages for us.
_OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
#: Seconds between two status lines, because each one wakes the service manager.
STATUS_INTERVAL = 1.0
#: Seconds until a message is sent again when the manager's queue is full.
RETRY_AFTER = 0.5
#: The most characters of a status line; the manager reads 4 KiB of a message.
LONGEST_STATUS = 500
#: Watchdog messages per period, and the part of the period by which the loop may lag: with 60 s,
#: a message every 15 s, and a lag of at most 5 s.
FEEDS, LATE = 4, 1 / 12


def runs_as_service(environment: Mapping[str, str]) -> bool:
    """Return whether systemd started this process, and so can restart it.

    A terminal in a desktop session inherits INVOCATION_ID too. systemd 248 and later also name the
    process that they started; then that decides.
    """
    if environment.get("NOTIFY_SOCKET"):
        return True
    started = environment.get("SYSTEMD_EXEC_PID", "")
    return bool(environment.get("INVOCATION_ID")) and started in ("", str(os.getpid()))


class Notifier:
    """Sends messages to the service manager that ``environment`` names. Used on the loop.

    Removes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from ``environment``, so that no child
    inherits them.
    """

    def __init__(
        self, environment: MutableMapping[str, str], loop: asyncio.AbstractEventLoop
    ) -> None:
        taken = {name: environment.pop(name) for name in _OURS if name in environment}
        self._loop = loop
        self._address = _address(taken.get("NOTIFY_SOCKET", ""))
        self._socket = _open_socket() if self._address else None
        self._period = _watchdog_period(taken)
        self._unsent: dict[str, str] = {}
        self._failing = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._status = self._sent_status = ""

    def follow(self, facade: WarriorFacade, lifecycle: Lifecycle) -> None:
        """Send the sentence at the top whenever it changes, and report when the end begins."""
        def changed(section: str) -> None:
            if section == "status" and self._socket is not None:
                self.status(facade.status().text)

        def moved(lifecycle: Lifecycle) -> None:
            if lifecycle.state is State.ENDING:
                self.stopping()

        facade.on_change += changed
        lifecycle.on_change += moved

    def ready(self) -> None:
        """Report that the daemon is ready, and start to feed the watchdog."""
        self._send(READY="1")
        if self._period and "watchdog" not in self._timers and self._socket is not None:
            self._send(WATCHDOG="1")
            self._feed_after(self._period / FEEDS)

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows; at most one a second is sent."""
        text = " ".join(text.split())
        self._status = text if len(text) <= LONGEST_STATUS else text[:LONGEST_STATUS - 1] + "…"
        if self._socket is not None and "status" not in self._timers:
            self._send_status()

    def stopping(self) -> None:
        """Report that the daemon is about to end. Now the manager's TimeoutStopSec starts."""
        self._send_status()
        self._send(STOPPING="1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask the manager to wait at least so many seconds from now for the start or the stop."""
        self._send(EXTEND_TIMEOUT_USEC=str(max(1, round(seconds * 1e6))))

    def close(self) -> None:
        """Send nothing more. Idempotent."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # -- the watchdog ------------------------------------------------------------
    def _feed_after(self, seconds: float) -> None:
        due = self._loop.time() + seconds
        self._timers["watchdog"] = self._loop.call_at(due, self._feed, due)

    def _feed(self, due: float) -> None:
        """Report that the loop is alive, unless the loop is lagging."""
        late = self._loop.time() - due
        if late < self._period * LATE:
            self._send(WATCHDOG="1")
            self._feed_after(self._period / FEEDS)
        else:
            logger.warning("The loop was blocked for %.1f s.", late)
            # Check again soon: a single long step is over then, an overloaded loop is still late.
            self._feed_after(min(1.0, self._period / FEEDS / 4))

    # -- sending -----------------------------------------------------------------
    def _send_status(self) -> None:
        timer = self._timers.pop("status", None)
        if timer is not None:
            timer.cancel()
        if self._socket is not None and self._status != self._sent_status:
            self._sent_status = self._status
            self._send(STATUS=self._status)
            self._timers["status"] = self._loop.call_later(STATUS_INTERVAL, self._send_status)

    def _send(self, **fields: str) -> None:
        """Send these fields, and those that could not be sent before."""
        if self._socket is None:
            return
        self._unsent.update(fields)
        message = "\n".join(f"{name}={value}" for name, value in self._unsent.items())
        try:
            self._socket.sendto(message.encode("utf-8", "replace"), self._address)
        except (BlockingIOError, InterruptedError):
            if "retry" not in self._timers:
                self._timers["retry"] = self._loop.call_later(RETRY_AFTER, self._retry)
        except OSError as error:
            if not self._failing:
                self._failing = True
                _warn(error)
        else:
            self._unsent.clear()
            self._failing = False

    def _retry(self) -> None:
        del self._timers["retry"]
        if self._unsent:
            self._send()


def _address(text: str) -> bytes:
    """Return the socket's address; b'' for none. A leading ``@`` is Linux's abstract namespace."""
    if text.startswith("/"):
        return os.fsencode(text)
    if text.startswith("@") and len(text) > 1:
        return b"\0" + os.fsencode(text[1:])
    if text:
        logger.warning("NOTIFY_SOCKET is %r: neither a path nor an abstract name. The service "
                       "manager gets no messages.", text)
    return b""


def _warn(error: OSError) -> None:
    logger.warning("The service manager cannot be reached: %s.", error.strerror or error)


def _open_socket() -> socket.socket | None:
    try:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError as error:
        _warn(error)
        return None
    opened.setblocking(False)
    return opened


def _watchdog_period(taken: Mapping[str, str]) -> float:
    """Return the seconds within which the manager expects a message; 0 for no watchdog."""
    text = taken.get("WATCHDOG_USEC", "")
    if not text or taken.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        logger.warning("WATCHDOG_USEC is %r, not a number of microseconds: the watchdog is not "
                       "fed.", text)
        return 0.0
    return int(text) / 1e6

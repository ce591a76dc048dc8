"""Tells the service manager how the daemon is: the messages of sd_notify(3), without a library.

Without a service manager everything here does nothing. Nothing here raises into the daemon:
a manager that cannot be told is a warning in the log.
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

#: What the manager meant for this process alone: a child that inherited it could speak
#: in our name.
_OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
#: Seconds between two sentences: each one wakes the service manager.
STATUS_INTERVAL = 1.0
#: Seconds after which a message is tried again when the manager's queue is full.
RETRY_AFTER = 0.5
#: Characters of a sentence; the manager reads 4 KiB of a message.
LONGEST_STATUS = 500
#: The watchdog is fed so many times in its period, and only while the loop is late by less
#: than this part of it: at 60 s, every 15 s and at most 5 s late.
FEEDS, LATE = 4, 1 / 12


def runs_as_service(environment: Mapping[str, str]) -> bool:
    """Whether systemd started this very process, and so starts it again if told to.

    A terminal inside a desktop session inherits INVOCATION_ID too; where the manager
    also names the process that it started (systemd 248), that decides.
    """
    if environment.get("NOTIFY_SOCKET"):
        return True
    started = environment.get("SYSTEMD_EXEC_PID", "")
    return bool(environment.get("INVOCATION_ID")) and started in ("", str(os.getpid()))


class Notifier:
    """Speaks to the service manager that ``environment`` names; all on the loop.

    Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of ``environment``, so that no
    child inherits them; ``taken`` has them, for a process that executes itself anew.
    ``service`` is what :func:`runs_as_service` said before that.
    """

    def __init__(
        self, environment: MutableMapping[str, str], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.service = runs_as_service(environment)
        self.taken = {name: environment.pop(name) for name in _OURS if name in environment}
        self._loop = loop
        self._address = _address(self.taken.get("NOTIFY_SOCKET", ""))
        self._socket = _open_socket() if self._address else None
        self._period = _watchdog_period(self.taken)
        self._unsent: dict[str, str] = {}
        self._in_trouble = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._status = self._told = ""
        self._feeding = False

    @property
    def enabled(self) -> bool:
        """Whether there is a manager to tell."""
        return self._socket is not None

    def follow(self, facade: WarriorFacade, lifecycle: Lifecycle) -> None:
        """Tell the manager the sentence at the top as it changes, and that the end has begun."""
        def changed(section: str) -> None:
            if section == "status" and self.enabled:
                self.status(facade.status().text)

        def moved(lifecycle: Lifecycle) -> None:
            if lifecycle.state is State.ENDING:
                self.stopping()

        facade.on_change += changed
        lifecycle.on_change += moved

    def ready(self) -> None:
        """It works now: what was to be started after it can be. Begins to feed the watchdog."""
        self._send(READY="1")
        if self._period and not self._feeding and self.enabled:
            self._feeding = True
            self._send(WATCHDOG="1")
            self._feed_after(self._period / FEEDS)

    def status(self, text: str) -> None:
        """The sentence that ``systemctl status`` shows; at most one a second is sent."""
        text = " ".join(text.split())
        self._status = text if len(text) <= LONGEST_STATUS else text[:LONGEST_STATUS - 1] + "…"
        if self.enabled and "status" not in self._timers:
            self._tell_status()

    def stopping(self) -> None:
        """It is about to end. From here on the manager counts its TimeoutStopSec."""
        self._tell_status()
        self._send(STOPPING="1")

    def extend_timeout(self, seconds: float) -> None:
        """Starting or stopping takes longer: wait for so many seconds from now at least.

        Holds until then only; say it again before that while it still takes long.
        """
        self._send(EXTEND_TIMEOUT_USEC=str(max(1, round(seconds * 1e6))))

    def close(self) -> None:
        """Say no more. Idempotent."""
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
        """Say that the loop lives, unless it comes to this so late that it hardly does."""
        late = self._loop.time() - due
        if late < self._period * LATE:
            self._send(WATCHDOG="1")
            self._feed_after(self._period / FEEDS)
        else:
            logger.warning("The loop was blocked for %.1f s.", late)
            # Looked at again soon: one long step is over then, an overloaded loop is not.
            self._feed_after(min(1.0, self._period / FEEDS / 4))

    # -- sending -----------------------------------------------------------------
    def _tell_status(self) -> None:
        timer = self._timers.pop("status", None)
        if timer is not None:
            timer.cancel()
        if self.enabled and self._status != self._told:
            self._told = self._status
            self._send(STATUS=self._status)
            self._timers["status"] = self._loop.call_later(STATUS_INTERVAL, self._tell_status)

    def _send(self, **fields: str) -> None:
        """Send these, and what could not be sent before."""
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
            if not self._in_trouble:
                self._in_trouble = True
                logger.warning("The service manager cannot be told how this program is: %s.",
                               error.strerror or error)
        else:
            self._unsent.clear()
            self._in_trouble = False

    def _retry(self) -> None:
        del self._timers["retry"]
        if self._unsent:
            self._send()


def _address(text: str) -> bytes:
    """Where to send to; b'' for nowhere. A leading ``@`` is Linux's abstract namespace."""
    if text.startswith("/"):
        return os.fsencode(text)
    if text.startswith("@") and len(text) > 1:
        return b"\0" + os.fsencode(text[1:])
    if text:
        logger.warning("NOTIFY_SOCKET is %r: neither a path nor an abstract name. The service "
                       "manager is not told how this program is.", text)
    return b""


def _open_socket() -> socket.socket | None:
    try:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError as error:
        logger.warning("The service manager cannot be told how this program is: %s.",
                       error.strerror or error)
        return None
    opened.setblocking(False)
    return opened


def _watchdog_period(taken: Mapping[str, str]) -> float:
    """Seconds within which the manager wants to hear of us; 0 when it does not."""
    text = taken.get("WATCHDOG_USEC", "")
    if not text or taken.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        logger.warning("WATCHDOG_USEC is %r, not a number of microseconds: the watchdog is not "
                       "fed.", text)
        return 0.0
    return int(text) / 1e6

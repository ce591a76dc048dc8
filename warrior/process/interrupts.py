"""How a program reacts to SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

#: A second SIGINT within this many seconds stops at once.
SECOND_INTERRUPT = 5.0

#: Seconds between TERM and KILL for an item's children after a second signal.
QUICK_ITEM_KILL_DELAY = 3.0


class Interrupts:
    """Calls ``stop`` or ``stop_now`` for a signal.

    The first SIGINT or SIGTERM stops gently. A second SIGTERM, or a second SIGINT within five
    seconds, stops at once; a further one kills. SIGHUP stops at once, unless it was ignored when
    the program started (nohup). With ``any_second``, for a daemon, a second SIGINT or SIGTERM stops
    at once whenever it comes.

    ``stop(why, advice)`` and ``stop_now(why)`` get sentences for the log; ``stop_now(why, 0.0)``
    kills.
    """

    def __init__(
        self, stop: Callable[..., None], stop_now: Callable[..., None], *,
        any_second: bool = False,
    ) -> None:
        self._stop = stop
        self._stop_now = stop_now
        self._any_second = any_second
        self._last_interrupt: float | None = None
        self._terminated = False
        self._hurried = False

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Handle the signals on the loop from now on."""
        loop.add_signal_handler(signal.SIGINT, self.interrupt)
        loop.add_signal_handler(signal.SIGTERM, self.terminate)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self.hang_up)

    def forget(self) -> None:
        """Treat the next signal as the first: the program no longer stops."""
        self._last_interrupt = None
        self._terminated = self._hurried = False

    def interrupt(self, now: float | None = None) -> None:
        """Handle SIGINT; ``now`` is a time of ``time.monotonic()``."""
        now = time.monotonic() if now is None else now
        last, self._last_interrupt = self._last_interrupt, now
        if last is not None and now - last < SECOND_INTERRUPT:
            self._hurry("Interrupted twice.")
        elif self._any_second and (last is not None or self._terminated):
            self._hurry("Interrupted again.")
        elif self._any_second:
            self._stop("Interrupted.", " Interrupt again to stop at once.")
        else:
            self._stop("Interrupted.", " Interrupt again within 5 seconds to stop at once.")

    def terminate(self) -> None:
        """Handle SIGTERM."""
        if self._terminated or (self._any_second and self._last_interrupt is not None):
            self._hurry("Asked twice to terminate.")
        else:
            self._terminated = True
            self._stop("Asked to terminate.", " A second SIGTERM stops it at once.")

    def hang_up(self) -> None:
        """Handle SIGHUP."""
        self._hurry("The terminal was closed.")

    def _hurry(self, why: str) -> None:
        self._stop_now(why, *([0.0] if self._hurried else []))
        self._hurried = True

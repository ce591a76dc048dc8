"""The end of the warrior: what signals do, and what follows the last item."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from warrior.daemon.facade import WarriorFacade
from warrior.daemon.lifecycle import Ending, Lifecycle, State
from warrior.daemon.poweroff import Order, PowerOffError, give_order
from warrior.process import exits
from warrior.process.descendants import end_descendants
from warrior.process.interrupts import QUICK_ITEM_KILL_DELAY, Interrupts

if TYPE_CHECKING:
    from warrior.config.config import WarriorOptions
    from warrior.daemon.notify import Notifier

logger = logging.getLogger(__name__)


class Shutdown:
    """On a signal, gives the items the grace time; on a second signal, ends them at once.

    ``environment`` is the one that this process was started with.
    """

    def __init__(
        self, facade: WarriorFacade, lifecycle: Lifecycle, notifier: Notifier,
        options: WarriorOptions, environment: Mapping[str, str],
    ) -> None:
        self._facade = facade
        self._lifecycle = lifecycle
        self._notifier = notifier
        self._options = options
        self._environment = environment
        self._interrupts = Interrupts(self._stop, self._stop_now, any_second=True)
        #: Whether a signal is the reason: then the machine is not switched off.
        self._signalled = False
        self._ended = asyncio.Event()
        lifecycle.on_change += self._lifecycle_changed
        facade.on_keep_running += self._keep_running

    def handle_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Install the signal handlers."""
        self._interrupts.install(loop)

    async def wait(self) -> int:
        """Wait for the end, do what was requested after it, and return the exit status."""
        await self._ended.wait()
        restart = self._lifecycle.ending is Ending.RESTART
        if self._options.real_shutdown and not self._signalled:
            try:
                logger.info("%s", await give_order(
                    Order.REBOOT if restart else Order.POWER_OFF, self._environment))
                return exits.OK
            except PowerOffError as error:
                logger.error("%s", error)
        return exits.RESTART if restart else exits.OK

    def _lifecycle_changed(self, lifecycle: Lifecycle) -> None:
        if lifecycle.state is State.ENDED:
            self._ended.set()

    def _stop(self, why: str, advice: str = "") -> None:
        grace = self._options.grace_time
        active = self._facade.active()
        logger.info("%s %s %.0f seconds to finish.%s", why,
                    "1 item has" if active == 1 else f"{active} items have", grace, advice)
        self._signalled = True
        self._notifier.extend_timeout(grace + 30)
        self._facade.end(why, Ending.SHUT_DOWN)
        asyncio.get_running_loop().call_later(grace, self._grace_is_over)

    def _grace_is_over(self) -> None:
        if self._lifecycle.state is State.ENDING and self._signalled:
            self._stop_now("The grace time is over.")

    def _stop_now(self, why: str, kill_after: float = QUICK_ITEM_KILL_DELAY) -> None:
        logger.info("%s Stopping at once.", why)
        self._signalled = True
        self._facade.end(why, Ending.SHUT_DOWN, now=True, kill_after=kill_after)

    def _keep_running(self) -> None:
        self._signalled = False
        self._interrupts.forget()


async def end_leftover_processes() -> None:
    """End the processes that projects have started and left running."""
    left = await asyncio.to_thread(end_descendants)
    if left:
        logger.info("Ended processes that projects had left running: %s.", ", ".join(left))

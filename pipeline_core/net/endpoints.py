"""Endpoints, and the host that several endpoints share. See governor."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net.turns import Schedule, Turn

if TYPE_CHECKING:
    from pipeline_core.net.backoff import Backoff

#: The shortest delay after a failure, in seconds.
SHORTEST_DELAY = 1.0

#: Called with the reason to wait, whenever the reason or its time changes.
Show = Callable[[Waiting], object]


class Endpoint:
    """One destination of requests; made by :class:`Governor`. For the loop only.

    ``backoff`` gives the delays of callers that have none of their own. ``width`` is how many
    requests may run at the same time at first.
    """

    def __init__(
        self, host: Host, name: str, backoff: Backoff, width: int, patience: float
    ) -> None:
        self.host = host
        self.name = name
        self.backoff = backoff
        self.schedule = Schedule(host.shortest_delay)
        self.used = time.monotonic()
        #: How many requests may run at the same time now, and after how many seconds one no
        #: longer blocks others.
        self.width = width
        self.patience = patience
        #: The number of successes in a row.
        self.successes = 0
        self.turns: set[Turn] = set()
        #: When the last turn was given, and when the last request failed (monotonic).
        self.asked_at = self.failed_at = -math.inf
        #: The concerns given to :meth:`only_for` since the last success, and whether the last
        #: failure had one.
        self.concerns: set[object] = set()
        self.concerns_some = False

    @property
    def held(self) -> Waiting | None:
        """Why no request may be made now; None when one may."""
        now = time.monotonic()
        for schedule in (self.host.schedule, self.schedule):
            if schedule.opens_at > now:
                return schedule.why
        return None

    @property
    def opens_at(self) -> float:
        """The time from which requests are allowed (monotonic)."""
        return max(self.host.schedule.opens_at, self.schedule.opens_at)

    def try_turn(self) -> Turn | None:
        """Return a turn if one is free and no earlier caller waits for it, else None."""
        self.used = time.monotonic()
        host = self.host
        if host.queue:
            host.pump()
            if any(waiter.endpoint is self for waiter in host.queue):
                return None
        if max(self.schedule.opens_at, host.schedule.opens_at) > self.used:
            return None
        if self.turns or not host.has_answered or host.schedule.why is not None:
            return None if self.is_full(self.used) else Turn(self)
        return Turn(self)

    async def turn(
        self, show: Show, *, own: Waiting | None = None, concern: object = None
    ) -> Turn:
        """Wait for a turn, in order of arrival.

        ``show(waiting)`` is called with each reason to wait. ``own`` is a reason that holds only
        this caller back, until its ``next_try``. ``concern``: see :meth:`only_for`.
        """
        self.used = time.monotonic()
        waiter = _Waiter(self, show, own, concern)
        self.host.queue.append(waiter)
        self.host.pump()
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled():
                waiter.turn.result().abandoned()
            else:
                self.host.leave(waiter)
            raise

    def hurry(self, pause: float = SHORTEST_DELAY) -> None:
        """Shorten the delay: allow a request ``pause`` seconds after the last one.

        The server's Retry-After still holds.
        """
        self.schedule.hurry(self.asked_at + pause)
        self.host.schedule.hurry(self.host.asked_at + pause)
        self.host.pump()

    def only_for(self, concern: object) -> None:
        """Restrict the last failure to callers with the same ``concern`` (such as an outdated
        version of a project). Other callers may ask after a second."""
        self.concerns.add(concern)
        self.concerns_some = True
        self.host.pump()

    def opens_for(self, waiter: _Waiter) -> float:
        """Return when this waiter may ask, as far as the schedules decide."""
        own = self.schedule.opens_at
        if self.concerns_some and waiter.concern not in (None, *self.concerns):
            own = min(own, self.failed_at + self.host.shortest_delay)
        return max(self.host.schedule.opens_at, own, waiter.not_before)

    def is_full(self, now: float) -> bool:
        """Return whether earlier requests leave no room for one more."""
        return self._blocking(now) >= self.width or (
            self.host.is_in_doubt
            and any(endpoint._blocking(now) for endpoint in self.host.endpoints))

    def _blocking(self, now: float) -> int:
        """Return how many requests block others."""
        return sum(now - turn.started < self.patience for turn in self.turns)


class Host:
    """What the endpoints of a host share: the queue of waiters, and whether the host answers."""

    def __init__(self, name: str, shortest_delay: float) -> None:
        self.name = name
        self.shortest_delay = shortest_delay
        self.schedule = Schedule(shortest_delay)
        self.endpoints: set[Endpoint] = set()
        self.asked_at = -math.inf
        #: Whether it has answered any request so far.
        self.has_answered = False
        self.queue: list[_Waiter] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether the host did not answer, or was never asked: it gets one request at a time."""
        return self.schedule.why is not None or not self.has_answered

    def pump(self) -> None:
        """Give turns to the waiters that may ask now, and tell the others why they wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        queue = self.queue
        if self.schedule.why is not None:
            # The endpoint that was asked least recently is probed first: it may still work.
            queue = sorted(queue, key=lambda waiter: waiter.endpoint.asked_at)
        for waiter in queue:
            endpoint = waiter.endpoint
            if (not waiter.turn.done() and now >= endpoint.opens_for(waiter)
                    and not endpoint.is_full(now)):
                waiter.turn.set_result(Turn(endpoint))
        self.queue = [waiter for waiter in self.queue if not waiter.turn.done()]
        if not self.queue:
            return
        moments = [waiter.endpoint.opens_for(waiter) for waiter in self.queue]
        moments += [turn.started + endpoint.patience
                    for endpoint in self.endpoints for turn in endpoint.turns]
        later = [moment for moment in moments if moment > now]
        if later:
            self._timer = asyncio.get_running_loop().call_later(
                min(later) - now + 0.001, self.pump)
        for waiter in list(self.queue):
            # show() may end the item of another waiter, which then no longer waits.
            if not waiter.turn.done():
                waiter.show(waiter.why(now))

    def leave(self, waiter: _Waiter) -> None:
        """Remove a waiter that has given up."""
        if waiter in self.queue:
            self.queue.remove(waiter)
        self.pump()


class _Waiter:
    """A caller that waits for a turn."""

    def __init__(
        self, endpoint: Endpoint, show: Show, own: Waiting | None, concern: object
    ) -> None:
        self.endpoint = endpoint
        self.show = show
        self.own = own
        self.not_before = 0.0 if own is None or own.next_try is None else own.next_try
        self.concern = concern
        self.turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()

    def why(self, now: float) -> Waiting:
        """Return the reason to wait, and until when."""
        endpoint = self.endpoint
        if self.own is not None and self.not_before > max(now, endpoint.opens_at):
            return self.own
        why = endpoint.host.schedule.why or endpoint.schedule.why
        if why is None:
            return Waiting(f"Waiting for the answer to an earlier request to {endpoint.name}.",
                           Fault.NOBODY, None, "queue")
        opens_at = endpoint.opens_for(self)
        return dataclasses.replace(why, next_try=opens_at if opens_at > now else None)

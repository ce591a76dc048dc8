"""Turns (the right to make one request), and the schedule that failures set."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.waiting import Fault, Waiting

if TYPE_CHECKING:
    from pipeline_core.net.endpoints import Endpoint

#: The most requests at the same time. No limit in practice.
WIDEST = 1024


class Schedule:
    """When an endpoint or a host may be asked again, and why not now. Times are monotonic."""

    def __init__(self, shortest_delay: float) -> None:
        self._shortest_delay = shortest_delay
        #: Why it is not asked now; None while it works.
        self.why: Waiting | None = None
        #: The delay (seconds, without jitter) of the next failure in a row, and who had the
        #: last failure.
        self.next_delay = 0.0
        self.asker: object = None
        #: The number of failures in a row; failures of simultaneous requests count once.
        self.failures = 0
        #: The time from which requests are allowed: the later of the next two.
        self.opens_at = 0.0
        self._open_at = 0.0
        self._silent_until = 0.0

    def close_until(self, why: Waiting, delay: float, silence: float | None) -> Waiting:
        """Allow no requests for ``delay`` seconds. ``silence`` is the server's Retry-After."""
        now = time.monotonic()
        self._open_at = max(self._open_at, now + max(delay, self._shortest_delay))
        if silence is not None:
            self._silent_until = max(self._silent_until, now + silence)
        self.opens_at = max(self._open_at, self._silent_until)
        self.why = dataclasses.replace(why, next_try=self.opens_at)
        return self.why

    def take_back(self, opens_at: float, next_delay: float) -> None:
        """Undo the last :meth:`close_until`, unless another call has extended it since."""
        if self._open_at == opens_at:
            self._open_at = 0.0
            self.opens_at = self._silent_until
            self.next_delay = next_delay

    def hurry(self, earliest: float) -> None:
        """Allow requests from ``earliest`` on, unless the server's Retry-After forbids it."""
        self._open_at = min(self._open_at, earliest)
        self.opens_at = max(self._open_at, self._silent_until)
        if self.why is not None:
            self.why = dataclasses.replace(self.why, next_try=self.opens_at)

    def open(self) -> None:
        """Allow requests now, as after a success."""
        self.why = None
        self.next_delay = 0.0
        self.asker = None
        self.failures = 0
        self.opens_at = self._open_at = self._silent_until = 0.0


class Turn:
    """The right to make one request. Report its result once; only the first report counts."""

    def __init__(self, endpoint: Endpoint) -> None:
        host = endpoint.host
        self.endpoint = endpoint
        self.started = endpoint.asked_at = host.asked_at = time.monotonic()
        self.open = True
        #: Whether the request has been made.
        self.is_spent = False
        #: The schedule that :meth:`provisional` closed, until when, and its previous delay.
        self._provisional: tuple[Schedule, float, float] | None = None
        self._failures = (endpoint.schedule.failures, host.schedule.failures)
        endpoint.turns.add(self)

    def spend(self) -> None:
        """Record that the request is made now. Raises RuntimeError for a second request."""
        if self.is_spent or not self.open:
            raise RuntimeError("A turn is for one request.")
        self.is_spent = True
        self.started = time.monotonic()

    def is_for(self, endpoint: Endpoint) -> bool:
        """Return whether this is an unused turn of the endpoint."""
        return self.open and not self.is_spent and self.endpoint is endpoint

    @property
    def in_use(self) -> bool:
        """Whether a request was made whose result has not been reported yet."""
        return self.open and self.is_spent

    def inherited_delay(self, asker: object) -> float:
        """Return the shortest delay (seconds) for a failure of ``asker``, given the failures of
        others. It is 0.0 when the last failure was its own, or there was none."""
        own, host = self.endpoint.schedule, self.endpoint.host.schedule
        return max(own.next_delay if own.asker != asker else 0.0,
                   host.next_delay if host.asker != asker else 0.0)

    def succeeded(self) -> None:
        """Report a usable answer."""
        if not self.open:
            return
        endpoint, host = self.endpoint, self.endpoint.host
        self.open = False
        endpoint.turns.discard(self)
        host.has_answered = True
        if host.schedule.why is not None:
            host.schedule.open()
        if self._failures[0] == endpoint.schedule.failures:  # no other request has failed since
            if endpoint.schedule.why is not None:
                endpoint.schedule.open()
            endpoint.concerns.clear()
            endpoint.concerns_some = False
            if endpoint.backoff.tries:
                endpoint.backoff.reset()
            endpoint.successes += 1
            # The first success allows only one more request: the server may take no more.
            if endpoint.successes > 1:
                endpoint.width = min(2 * endpoint.width, WIDEST)
        if host.queue:
            host.pump()

    def failed(
        self, why: Waiting, delay: float, *, silence: float | None = None,
        next_delay: float = 0.0, answered: bool = True, asker: object = None,
    ) -> Waiting:
        """Report a failure: no caller may ask this endpoint for ``delay`` seconds. Without an
        answer (``answered``), that holds for all endpoints of the host.

        ``delay`` includes jitter. ``silence`` is the server's Retry-After in seconds.
        ``next_delay`` is the first delay of the next failure in a row. Returns the reason with
        the time of the next try.
        """
        earlier, self._provisional = self._provisional, None
        if earlier is not None:
            earlier[0].take_back(*earlier[1:])
        late = self.open and self._is_late(answered)
        endpoint, host = self.endpoint, self.endpoint.host
        self.open = False
        endpoint.turns.discard(self)
        endpoint.width, endpoint.successes, endpoint.concerns_some = 1, 0, False
        endpoint.failed_at = time.monotonic()
        if answered:
            host.has_answered = True
            host.schedule.open()
        schedule = endpoint.schedule if answered else host.schedule
        if late and schedule.why is not None:
            # The request was made before another one failed: the same failure, reported twice.
            delay = 0.0
        elif earlier is None:
            schedule.failures += 1
        schedule.next_delay = max(schedule.next_delay, next_delay)
        schedule.asker = asker
        held = schedule.close_until(why, delay, silence)
        host.pump()
        return held

    def provisional(self, why: Waiting, delay: float, *, answered: bool, **report: Any) -> None:
        """Report a failure like :meth:`failed`, which replaces this report if called later.

        Call this before code that might never return to report the failure (project hooks).
        """
        schedule = self.endpoint.schedule if answered else self.endpoint.host.schedule
        before = schedule.next_delay
        self.failed(why, delay, answered=answered, **report)
        self._provisional = (schedule, schedule._open_at, before)

    def refused(
        self, reason: str, fault: Fault, code: str, *, silence: float | None = None,
        answered: bool = True,
    ) -> Waiting:
        """Report a failure like :meth:`failed`, with the delay of the endpoint's own backoff."""
        backoff = self.endpoint.backoff
        late = self.open and self._is_late(answered)
        delay = backoff.next_delay(silence)
        if not late:
            backoff.grow()
        return self.failed(Waiting(reason, fault, None, code), delay, silence=silence,
                           answered=answered)

    def abandoned(self) -> None:
        """End the turn without a result. Does nothing when a result was reported."""
        if not self.open:
            return
        self.open = False
        self.endpoint.turns.discard(self)
        host = self.endpoint.host
        if self.is_spent:
            # Nobody waits for the answer any more. During a failure, the next request still
            # keeps its delay.
            for schedule in (host.schedule, self.endpoint.schedule):
                if schedule.why is not None:
                    schedule.close_until(schedule.why, 0.0, None)
        host.pump()

    def _is_late(self, answered: bool) -> bool:
        """Return whether another request has failed since this one was made. Both then failed
        for the same reason."""
        if answered:
            return self._failures[0] != self.endpoint.schedule.failures
        return self._failures[1] != self.endpoint.host.schedule.failures

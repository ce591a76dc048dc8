"""The right to ask once, and the schedule that failures make."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from pipeline_core.engine.waiting import Fault, Waiting

if TYPE_CHECKING:
    from pipeline_core.net.endpoints import Endpoint


class Schedule:
    """When an endpoint, or a host, may be asked again, and why not now. Times are monotonic."""

    def __init__(self, shortest_delay: float) -> None:
        self._shortest_delay = shortest_delay
        #: Why it is not asked now; None while nothing is wrong.
        self.why: Waiting | None = None
        #: The delay (seconds, without jitter) that the next failure in a row begins with, and
        #: whose failure it was.
        self.next_delay = 0.0
        self.asker: object = None
        #: Failures in a row that were noticed one after the other.
        self.failures = 0
        self._open_at = 0.0
        self._silent_until = 0.0

    @property
    def opens_at(self) -> float:
        """It may be asked from this moment on."""
        return max(self._open_at, self._silent_until)

    def close_until(self, why: Waiting, delay: float, silence: float | None) -> Waiting:
        """Ask nothing for ``delay`` seconds; ``silence`` is what the server itself asks for."""
        now = time.monotonic()
        self._open_at = max(self._open_at, now + max(delay, self._shortest_delay))
        if silence is not None:
            self._silent_until = max(self._silent_until, now + silence)
        self.why = dataclasses.replace(why, next_try=self.opens_at)
        return self.why

    def take_back(self, opens_at: float, next_delay: float) -> None:
        """Forget the last :meth:`close_until`, unless another has made it longer since."""
        if self._open_at == opens_at:
            self._open_at = 0.0
            self.next_delay = next_delay

    def hurry(self, earliest: float) -> None:
        """Open it at ``earliest``, unless the server has asked for silence."""
        self._open_at = min(self._open_at, earliest)
        if self.why is not None:
            self.why = dataclasses.replace(self.why, next_try=self.opens_at)

    def open(self) -> None:
        """All is well again."""
        self.why = None
        self.next_delay = 0.0
        self.asker = None
        self.failures = 0
        self._open_at = self._silent_until = 0.0


class Turn:
    """The right to ask once. What came of it is told once; the first word counts."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.started = time.monotonic()
        self.open = True
        self._spent = False
        #: The schedule that :meth:`provisional` has closed, until when, and its delay before.
        self._provisional: tuple[Schedule, float, float] | None = None
        self._failures = (endpoint.schedule.failures, endpoint.host.schedule.failures)

    def spend(self) -> None:
        """One request is made now. Raises RuntimeError for a second one."""
        if self._spent or not self.open:
            raise RuntimeError("A turn is for one request.")
        self._spent = True
        self.started = time.monotonic()

    def is_for(self, endpoint: Endpoint) -> bool:
        """Whether it is an unused turn of this endpoint."""
        return self.open and not self._spent and self.endpoint is endpoint

    @property
    def in_use(self) -> bool:
        """Whether a request was made of which nothing has been told yet."""
        return self.open and self._spent

    def inherited_delay(self, asker: object) -> float:
        """The delay (seconds) that a failure of ``asker`` should begin with at least, after
        failures of others: 0.0 when it has failed last itself, or nothing has."""
        return max(schedule.next_delay if schedule.asker != asker else 0.0
                   for schedule in (self.endpoint.schedule, self.endpoint.host.schedule))

    def succeeded(self) -> None:
        """The answer was of use."""
        if self._close():
            self.endpoint._succeeded(self._is_late(True))

    def failed(
        self, why: Waiting, delay: float, *, silence: float | None = None,
        next_delay: float = 0.0, answered: bool = True, asker: object = None,
    ) -> Waiting:
        """Hold this endpoint back for all who want to ask it; where nobody ``answered``, all
        endpoints of its host.

        ``delay`` is in seconds and jittered already; ``silence`` is the server's Retry-After.
        ``next_delay`` is what the next failure in a row should begin with. Returns the reason
        with the time of the next try.
        """
        told, self._provisional = self._provisional, None
        if told is not None:
            told[0].take_back(*told[1:])
        late = self._close() and self._is_late(answered)
        return self.endpoint._failed(
            why, delay, silence, next_delay, answered, asker, late, again=told is not None)

    def provisional(
        self, why: Waiting, delay: float, *, silence: float | None, next_delay: float,
        answered: bool, asker: object,
    ) -> None:
        """As :meth:`failed`, which may follow and then counts instead: before anything is called
        that might never come to it."""
        endpoint = self.endpoint
        schedule = endpoint.schedule if answered else endpoint.host.schedule
        before = schedule.next_delay
        self.failed(why, delay, silence=silence, next_delay=next_delay, answered=answered,
                    asker=asker)
        self._provisional = (schedule, schedule._open_at, before)

    def refused(
        self, reason: str, fault: Fault, code: str, *, silence: float | None = None,
        answered: bool = True,
    ) -> Waiting:
        """:meth:`failed`, with a delay of the endpoint's own."""
        backoff = self.endpoint.backoff
        late = self.open and self._is_late(answered)
        delay = backoff.next_delay(silence)
        if not late:
            backoff.grow()
        return self.failed(Waiting(reason, fault, None, code), delay, silence=silence,
                           answered=answered)

    def abandoned(self) -> None:
        """Nothing was learned."""
        if self._close():
            self.endpoint.host._pump()

    def _close(self) -> bool:
        was_open, self.open = self.open, False
        self.endpoint._turns.discard(self)
        self.endpoint.host._turns.discard(self)
        return was_open

    def _is_late(self, answered: bool) -> bool:
        """Whether others have failed since this was sent: it says nothing new then."""
        if answered:
            return self._failures[0] != self.endpoint.schedule.failures
        return self._failures[1] != self.endpoint.host.schedule.failures

"""Spaces our requests to the outside: no number of slots, items or projects hammers anybody.

Whoever wants to ask a tracker, Warrior HQ, a git remote or an upload target needs a
:class:`Turn` of its :class:`Endpoint`:

    turn = endpoint.try_turn() or await endpoint.turn(show)
    try:
        ...                       # ask once
        turn.succeeded()          # or turn.failed(why, delay)
    finally:
        turn.abandoned()          # says nothing where the outcome is known already

An endpoint that fails is asked by one at a time, after a delay that all who wait share; a host
that does not answer is probed by one request for all its endpoints. After a success the next
asks at once, and a second success in a row doubles how many may ask side by side.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import math
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from pipeline_core.backoff import Backoff
from pipeline_core.waiting import Fault, Waiting

#: After a failure nothing asks again sooner than after so many seconds.
SHORTEST_DELAY = 1.0
#: The first delay of an upload target, as of any program that is tried again.
TARGET_DELAY = 2.0
#: After so many seconds a turn does not keep the others back any longer: longer than a request to
#: a tracker or HQ (60 s) and than a clone may take, so only for what we have not thought of. An
#: upload may take hours; one that has run for so long shows that somebody is there.
PATIENCE, REPOSITORY_PATIENCE, TARGET_PATIENCE = 600.0, 3600.0, 120.0
#: How many may ask side by side, at most. No limit in practice.
WIDEST = 1024
#: Endpoints that are remembered; beyond it those go that nobody has used for an hour.
MOST_ENDPOINTS = 500
FORGET_AFTER = 3600.0

_PORTS = {"http": 80, "https": 443, "rsync": 873, "git": 9418, "ssh": 22}

#: Called with the reason to wait, whenever it or its time changes.
Show = Callable[[Waiting], object]


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


class Endpoint:
    """One thing that is asked; made by :class:`Governor`. All on the loop.

    ``backoff`` gives the delays of those who have none of their own; ``width`` is how many may
    ask side by side before anything is known about it.
    """

    def __init__(
        self, host: Host, name: str, backoff: Backoff, width: int, patience: float
    ) -> None:
        self.host = host
        self.name = name
        self.backoff = backoff
        self.schedule = Schedule(host.shortest_delay)
        self.used = time.monotonic()
        self._width = width
        self._patience = patience
        self._successes = 0
        self._turns: set[Turn] = set()
        self._asked_at = self._failed_at = -math.inf
        #: Whom failures since the last success concern alone, and whether the last one did.
        self._concerns: set[object] = set()
        self._concerns_some = False

    @property
    def asked_at(self) -> float:
        """When the last turn was given (monotonic)."""
        return self._asked_at

    @property
    def held(self) -> Waiting | None:
        """Why nobody may ask now; None when one may."""
        now = time.monotonic()
        for schedule in (self.host.schedule, self.schedule):
            if schedule.opens_at > now:
                return schedule.why
        return None

    @property
    def opens_at(self) -> float:
        """It may be asked from this moment on (monotonic)."""
        return max(self.host.schedule.opens_at, self.schedule.opens_at)

    def try_turn(self) -> Turn | None:
        """A turn, if there is one now and nobody has waited longer for it."""
        self.used = time.monotonic()
        if self.host._queue:
            self.host._pump()
            if any(waiter.endpoint is self for waiter in self.host._queue):
                return None
        return self._take() if self._admits(self.used) else None

    async def turn(
        self, show: Show, *, own: Waiting | None = None, concern: object = None
    ) -> Turn:
        """A turn, as soon as there is one. First come, first served.

        ``show(waiting)`` is called with each reason to wait. ``own`` is a reason, with its
        ``next_try``, that keeps this one back longer than the others. ``concern``: see
        :meth:`only_for`.
        """
        self.used = time.monotonic()
        waiter = _Waiter(self, show, own, concern)
        self.host._queue.append(waiter)
        self.host._pump()
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled():
                waiter.turn.result().abandoned()
            else:
                self.host._leave(waiter)
            raise

    def hurry(self, pause: float = SHORTEST_DELAY) -> None:
        """Somebody wants it asked now: at the earliest ``pause`` seconds after the last time.

        What the server has asked for (Retry-After) holds all the same.
        """
        self.schedule.hurry(self._asked_at + pause)
        self.host.schedule.hurry(self.host._asked_at + pause)
        self.host._pump()

    def only_for(self, concern: object) -> None:
        """The last failure concerns only those who give the same ``concern`` (a version of a
        project that is out of date); others may ask after a second."""
        self._concerns.add(concern)
        self._concerns_some = True
        self.host._pump()

    # -- for turns and hosts -------------------------------------------------------------
    def _opens_at(self, waiter: _Waiter | None) -> float:
        """When this waiter may ask, as far as time decides."""
        if waiter is None:
            return self.opens_at
        own = self.schedule.opens_at
        if self._concerns_some and waiter.concern not in (None, *self._concerns):
            own = min(own, self._failed_at + self.host.shortest_delay)
        return max(self.host.schedule.opens_at, own, waiter.not_before)

    def _admits(self, now: float, waiter: _Waiter | None = None) -> bool:
        return (now >= self._opens_at(waiter) and self._busy(now) < self._width
                and self.host._admits(now))

    def _busy(self, now: float) -> int:
        """How many requests keep others back."""
        return sum(now - turn.started < self._patience for turn in self._turns)

    def _take(self) -> Turn:
        turn = Turn(self)
        self._asked_at = self.host._asked_at = turn.started
        self._turns.add(turn)
        self.host._turns.add(turn)
        return turn

    def _succeeded(self, late: bool) -> None:
        self.host.schedule.open()
        if not late:
            self.schedule.open()
            self._concerns.clear()
            self._concerns_some = False
            self.backoff.reset()
            self._successes += 1
            # The first success lets one other ask: there may be no more than that.
            if self._successes > 1:
                self._width = min(2 * self._width, WIDEST)
        self.host._pump()

    def _failed(
        self, why: Waiting, delay: float, silence: float | None, next_delay: float,
        answered: bool, asker: object, late: bool, *, again: bool = False,
    ) -> Waiting:
        if answered:
            self.host.schedule.open()
        self._width, self._successes, self._concerns_some = 1, 0, False
        self._failed_at = time.monotonic()
        schedule = self.schedule if answered else self.host.schedule
        if late and schedule.why is not None:
            # It was on its way when another failed: one failure, told twice.
            delay = 0.0
        elif not again:
            schedule.failures += 1
        schedule.next_delay = max(schedule.next_delay, next_delay)
        schedule.asker = asker
        held = schedule.close_until(why, delay, silence)
        self.host._pump()
        return held


class Host:
    """What its endpoints share: the queue of all who wait, and whether it answers at all."""

    def __init__(self, name: str, shortest_delay: float) -> None:
        self.name = name
        self.shortest_delay = shortest_delay
        self.schedule = Schedule(shortest_delay)
        self.endpoints: set[Endpoint] = set()
        self._asked_at = -math.inf
        self._turns: set[Turn] = set()
        self._queue: list[_Waiter] = []
        self._timer: asyncio.TimerHandle | None = None

    def _admits(self, now: float) -> bool:
        return self.schedule.why is None or not any(
            endpoint._busy(now) for endpoint in self.endpoints)

    def _pump(self) -> None:
        """Let in whom nothing keeps back any more, and tell the others why they wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        queue = self._queue
        if self.schedule.why is not None:
            # What nobody has asked for longest may be what still works: it is probed first.
            queue = sorted(queue, key=lambda waiter: waiter.endpoint._asked_at)
        for waiter in queue:
            if not waiter.turn.done() and waiter.endpoint._admits(now, waiter):
                waiter.turn.set_result(waiter.endpoint._take())
        waiting = self._queue = [waiter for waiter in self._queue if not waiter.turn.done()]
        if waiting:
            self._wake(now)
            for waiter in list(waiting):
                # Showing it may end an item, and so its waiting.
                if not waiter.turn.done():
                    waiter.show(waiter.why(now))

    def _wake(self, now: float) -> None:
        moments = [waiter.endpoint._opens_at(waiter) for waiter in self._queue]
        moments += [turn.started + turn.endpoint._patience for turn in self._turns]
        later = [moment for moment in moments if moment > now]
        if later:
            self._timer = asyncio.get_running_loop().call_later(
                min(later) - now + 0.001, self._pump)

    def _leave(self, waiter: _Waiter) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)
        self._pump()


class _Waiter:
    """One who wants a turn."""

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
        """The reason to wait, and until when."""
        endpoint = self.endpoint
        if self.own is not None and self.not_before > max(now, endpoint.opens_at):
            return self.own
        why = endpoint.host.schedule.why or endpoint.schedule.why
        if why is None:
            return Waiting(f"Waiting for the answer to an earlier request to {endpoint.name}.",
                           Fault.NOBODY, None, "queue")
        opens_at = endpoint._opens_at(self)
        return dataclasses.replace(why, next_try=opens_at if opens_at > now else None)


class Governor:
    """All endpoints of one process. Made where the parts are made, used on the loop.

    After a failure nobody asks sooner than after ``shortest_delay`` seconds; ``target_delay`` is
    the first delay (seconds) of an upload target that fails.
    """

    def __init__(
        self, *, shortest_delay: float = SHORTEST_DELAY, target_delay: float = TARGET_DELAY
    ) -> None:
        self._shortest_delay = shortest_delay
        self._target_delay = target_delay
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._hosts: dict[str, Host] = {}

    def tracker(self, url: str) -> Endpoint:
        """One command of one project's tracker; ``url`` has both."""
        return self._endpoint("tracker", url, "the tracker", 1, PATIENCE,
                              functools.partial(Backoff, 60.0, increment=10.0))

    def hq(self, url: str, *, first_delay: float, longest_delay: float) -> Endpoint:
        """A Warrior HQ; delays in seconds."""
        return self._endpoint("hq", url, "Warrior HQ", 1, PATIENCE, functools.partial(
            Backoff, first_delay, factor=2.0, maximum=longest_delay))

    def repository(self, url: str, first_delay: float = 60.0) -> Endpoint:
        """A git remote; the delay in seconds."""
        return self._endpoint(
            "git", url, "the repository", 1, REPOSITORY_PATIENCE, functools.partial(
                Backoff, first_delay, factor=2.0, maximum=3600.0))

    def target(self, url: str) -> Endpoint:
        """The host of an upload target, whatever the rest of its URL."""
        host = host_of(url)
        return self._endpoint(
            "target", url, f"the upload target {host}", 4, TARGET_PATIENCE, functools.partial(
                Backoff, self._target_delay, factor=1.5, maximum=300.0), key=host)

    def _endpoint(
        self, kind: str, url: str, label: str, width: int, patience: float,
        backoff: Callable[[], Backoff], key: str = "",
    ) -> Endpoint:
        known = self._endpoints.get((kind, key or url))
        if known is None:
            if len(self._endpoints) >= MOST_ENDPOINTS:
                self._forget()
            name = host_of(url)
            host = self._hosts.setdefault(name, Host(name, self._shortest_delay))
            known = self._endpoints[kind, key or url] = Endpoint(
                host, label, backoff(), width, patience)
            host.endpoints.add(known)
        return known

    def _forget(self) -> None:
        """Let go of what nobody uses: a tracker may name as many targets as it likes."""
        now = time.monotonic()
        for key, endpoint in list(self._endpoints.items()):
            host = endpoint.host
            if (now - max(endpoint.used, endpoint.opens_at) > FORGET_AFTER
                    and not host._turns and not host._queue):
                del self._endpoints[key]
                host.endpoints.discard(endpoint)
        self._hosts = {name: host for name, host in self._hosts.items() if host.endpoints}


def host_of(url: str) -> str:
    """Host and port of a URL, of git's ``host:path``, or the path of a folder as it is."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname:
            return f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
    except ValueError:
        return url
    host, colon, _ = url.partition(":")
    if colon and "/" not in host and "://" not in url:
        return f"{host.rpartition('@')[2]}:22"
    return url

"""Registers this warrior at Warrior HQ once, then reports to it and gets its list of projects."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import http.client
import json
import logging
import math
import socket
import time
from typing import TYPE_CHECKING, Any

from tornado import httpclient
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError

import pipeline_core
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.event import Event
from pipeline_core.net.backoff import parse_retry_after
from pipeline_core.net.governor import Governor
from pipeline_core.net.http import Limits, has_answered, post
from pipeline_core.net.turns import Turn
from warrior.projects.catalogue import Catalogue
from warrior.projects.hq_answer import UnexpectedAnswer, parse_answer, read_warrior_id

if TYPE_CHECKING:
    from warrior.settings.settings import Settings

logger = logging.getLogger(__name__)

#: The most bytes of an answer that are read.
LARGEST_ANSWER = 4 << 20
#: Seconds after a registration before the warrior may register again.
REGISTER_AGAIN_AFTER = 3600.0
#: Status codes about the address or the rate: a new id would change nothing.
_NOT_ABOUT_THE_ID = frozenset({401, 403, 407, 408, 420, 425, 429, 451})
#: "since" is corrected only if the clock has been set by more seconds than this.
_CLOCK_MOVED = 5.0


class _NoUsefulAnswer(Exception):
    """HQ has not given a useful answer; ``str()`` says why, as a part of a sentence."""

    def __init__(
        self, why: str, *, reached: bool, code: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(why)
        self.reached = reached
        self.code = code
        self.retry_after = retry_after


class HQ:
    """Asks Warrior HQ every ``interval`` seconds and passes its answers to the catalogue.

    While HQ fails, ``trouble`` says why and ``unreachable_since`` (UTC) since when; the catalogue
    keeps its list. The delays between tries grow from ``first_delay`` seconds to ``interval``, and
    Retry-After is honoured. ``on_change(hq)`` is called after each change of these.
    """

    def __init__(
        self,
        url: str,
        settings: Settings,
        catalogue: Catalogue,
        *,
        interval: float = 600.0,
        deadline: float = 60.0,
        first_delay: float = 5.0,
        wake_pause: float = 10.0,
        governor: Governor | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.trouble: Waiting | None = None
        self.unreachable_since: datetime.datetime | None = None
        self.on_change = Event()
        self._settings = settings
        self._catalogue = catalogue
        self._interval = interval
        self._wake_pause = wake_pause
        self._limits = Limits(deadline=deadline, largest_body=LARGEST_ANSWER, stay_secure=True)
        # The endpoint makes a delay up to a fifth longer; it must not exceed the interval.
        self._endpoint = (governor or Governor()).hq(
            self.url, first_delay=first_delay, longest_delay=interval / 1.2)
        self._turn: Turn | None = None
        self._woken = asyncio.Event()
        self._asked_at = -math.inf
        self._failing_since: float | None = None
        self._registered_at = -math.inf

    async def run(self) -> None:
        """Ask until cancelled; return at once if there is no URL."""
        while self.url:
            self._woken.clear()
            self._asked_at = time.monotonic()
            await self._rest(await self._ask())

    def wake(self) -> None:
        """Ask soon, because something has changed; the pauses between requests still hold."""
        self._woken.set()

    async def _rest(self, delay: float) -> None:
        """Sleep until the next try; :meth:`wake` shortens that, but not below the pauses."""
        due = time.monotonic() + delay
        try:
            await asyncio.wait_for(self._woken.wait(), delay)
        except asyncio.TimeoutError:
            return
        self._endpoint.hurry(self._wake_pause)
        due = min(due, max(self._asked_at + self._wake_pause, self._endpoint.opens_at))
        self._show_next_try(due)
        await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _show_next_try(self, moment: float | None) -> None:
        if self.trouble is not None:
            self.trouble = dataclasses.replace(self.trouble, next_try=moment)
            self._tell()

    async def _ask(self) -> float:
        """Ask once; return the seconds to wait before the next try."""
        try:
            await self._catalogue.apply(await self._answer())
        except _NoUsefulAnswer as failed:
            return self._note_failure(str(failed), failed.reached, failed.retry_after)
        except UnexpectedAnswer as error:
            return self._note_failure(str(error), True)
        except Exception:
            # An error of ours must not stop the polling loop; it is shown and tried again.
            logger.exception("The answer of Warrior HQ could not be processed")
            return self._note_failure("its answer could not be processed; the warrior's log "
                                      "has the details", True)
        self._note_success()
        return max(0.0, self._asked_at + self._interval - time.monotonic())

    # -- the protocol ------------------------------------------------------------
    async def _answer(self) -> dict[str, Any]:
        """Return HQ's answer to an update; register first if needed."""
        if not self._settings.warrior_id:
            await self._register()
        try:
            return await self._update()
        except _NoUsefulAnswer as failed:
            # HQ may have lost our id. Do not register again within an hour: an HQ that refuses
            # all updates must not be filled with warriors that do not exist.
            if not (400 <= failed.code < 500 and failed.code not in _NOT_ABOUT_THE_ID
                    and time.monotonic() - self._registered_at > REGISTER_AGAIN_AFTER):
                raise
            logger.warning("Warrior HQ does not know this warrior any more (%s). Registering it "
                           "again.", failed)
            if self._turn is not None:
                # Not a success: if registering fails too, the delays must keep growing.
                self._turn.failed(Waiting(str(failed), Fault.HQ, None, "hq"), 0.0)
        await self._register()
        return await self._update()

    async def _register(self) -> None:
        answer = await self._exchange("register", {"version": pipeline_core.__version__})
        warrior_id = read_warrior_id(answer)
        if self._turn is not None:
            self._turn.succeeded()
        self._registered_at = time.monotonic()
        await self._settings.set_warrior_id(warrior_id)

    async def _update(self) -> dict[str, Any]:
        selected = self._settings.selected
        return await self._exchange("update", {
            "warrior_id": self._settings.warrior_id,
            "lat_lng": None,
            "downloader": self._settings.downloader.value or None,
            "selected_project": selected[0] if selected else None,
        })

    async def _exchange(self, command: str, warrior: dict[str, Any]) -> dict[str, Any]:
        turn = self._turn = await self._endpoint.turn(
            lambda waiting: self._show_next_try(waiting.next_try))
        response = await post(turn, f"{self.url}/api/{command}.json",
                              json.dumps({"warrior": warrior}), self._limits)
        if response.code != 200:
            raise _NoUsefulAnswer(
                self._why(response), reached=has_answered(response), code=response.code,
                retry_after=parse_retry_after(response.headers.get("Retry-After")))
        return await asyncio.to_thread(parse_answer, response.body or b"")

    def _why(self, response: httpclient.HTTPResponse) -> str:
        error = response.error
        if response.code != 599:
            phrase = http.client.responses.get(response.code, "")
            return f"it answered {response.code} {phrase}".rstrip()
        if isinstance(error, HTTPTimeoutError):
            return f"no complete answer within {self._limits.deadline:.0f} seconds"
        if isinstance(error, HTTPStreamClosedError):
            return "the connection broke off"
        if isinstance(error, socket.gaierror):
            return "its name cannot be looked up"
        reason = str(error.strerror or error) if isinstance(error, OSError) else str(error)
        return " ".join(reason[:200].split())  # it can contain what HQ sent

    # -- trouble -----------------------------------------------------------------
    def _note_failure(self, why: str, reached: bool, retry_after: float | None = None) -> float:
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = self._asked_at
            logger.warning("Warrior HQ (%s) fails: %s", self.url, why)
        # Use the monotonic clock: the wall clock may have been set since, by years at boot.
        elapsed = datetime.timedelta(seconds=now - self._failing_since)
        since = (_wall_clock() - elapsed).replace(microsecond=0)
        known = self.unreachable_since
        if known is None or abs((since - known).total_seconds()) > _CLOCK_MOVED:
            self.unreachable_since = known = since
        kept = ("The projects that it last offered are kept." if self._catalogue.offer.entries
                else "It has not offered any projects yet.")
        what = "has not given a useful answer" if reached else "cannot be reached"
        reason = f"Warrior HQ {what} since {_clock(known)}: {why}. {kept}"
        assert self._turn is not None
        self.trouble = self._turn.refused(
            reason, Fault.HQ, "hq", silence=retry_after, answered=reached)
        self._tell()
        return max(0.0, (self.trouble.next_try or now) - now)

    def _note_success(self) -> None:
        if self._turn is not None:
            self._turn.succeeded()
        if self.trouble is not None:
            logger.info("Warrior HQ answers again")
            self.trouble = self.unreachable_since = self._failing_since = None
            self._tell()

    def _tell(self) -> None:
        try:
            self.on_change(self)
        except Exception:
            # An error of a handler must not stop the polling loop.
            logger.exception("A change of the connection to Warrior HQ could not be reported")


def _wall_clock() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _clock(moment: datetime.datetime) -> str:
    """Return the local time of day, with the date if it is not today's."""
    local = moment.astimezone()
    today = local.date() == _wall_clock().astimezone().date()
    return local.strftime("%H:%M" if today else "%-d %B, %H:%M")

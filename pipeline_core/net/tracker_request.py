"""Ask the tracker until it gives a usable answer."""

from __future__ import annotations

import dataclasses
import json
import random
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from tornado import httpclient

from pipeline_core.config import realize
from pipeline_core.engine.base_task import Task
from pipeline_core.engine.calls import call, hook, on_loop, realized
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.project_code import current_item, is_project_value
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net import http
from pipeline_core.net.backoff import LONGEST_RETRY_AFTER, Backoff
from pipeline_core.net.tracker_retry import (
    BLOCKED_DELAY,
    Asking,
    Retry,
    WaitForTarget,
    trouble_of,
)

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.net.endpoints import Endpoint
    from pipeline_core.net.turns import Turn


class TrackerRequest(Task):
    """One tracker command, sent until the tracker gives a usable answer.

    Each item has its own retry delay: it starts at ``DEFAULT_RETRY_DELAY`` seconds and grows by
    ``RETRY_DELAY_INCREMENT`` up to ``MAX_RETRY_DELAY``. In hooks, ``retry_delay`` and the
    methods that change it act on the item being handled.
    """

    DEFAULT_RETRY_DELAY: float = 60
    RETRY_DELAY_INCREMENT: float = 10
    MAX_RETRY_DELAY: float = 300

    def __init__(
        self, name: str, tracker_url: Any, tracker_command: str, may_be_canceled: bool = False
    ) -> None:
        super().__init__(name)
        self.tracker_url = tracker_url
        self.tracker_command = tracker_command
        self.may_be_canceled = may_be_canceled

    # -- hooks -----------------------------------------------------------------
    def data(self, item: Item) -> dict[str, Any]:
        """Return the data to send, as JSON."""
        return {}

    @on_loop
    def send_request(self, item: Item) -> None:
        """Ask the tracker."""
        if item.scope.try_begun_by_project(self):
            item.scope.spawn(self._ask(item, self._asking(item), is_sending=True))
        else:
            item.scope.spawn(self._send_request(item))

    def handle_response(self, item: Item, response: httpclient.HTTPResponse) -> None:
        """Handle the tracker's response; without an answer, ``response.code`` is 599."""
        if response.code == 200:
            self._take_answer(item, response)
        else:
            # Called directly, so that an override sees the new delay when this returns.
            self._answered_with_trouble(item, response)

    @on_loop
    def process_body(self, body: str, item: Item) -> None:
        """Handle the text of an answer with status 200."""
        item.scope.spawn(self._process_body(body, item))

    def schedule_retry(self, item: Item, message: str = "") -> None:
        """Ask again after the retry delay; ``message`` is shown as the reason."""
        self._ask_again(item, message or "The tracker has to be asked again.",
                        Fault.TRACKER, "tracker-trouble")

    # -- delays ------------------------------------------------------------------
    @property
    def retry_delay(self) -> float:
        """Seconds before the next try (without jitter) of the item being handled."""
        item = current_item.get()
        if item is not None and self in item.scope.kept_by:
            return self._asking(item).backoff.delay
        return float(self.__dict__.get("_initial_delay", self.DEFAULT_RETRY_DELAY))

    @retry_delay.setter
    def retry_delay(self, seconds: float) -> None:
        item = current_item.get()
        if item is None:
            self.__dict__["_initial_delay"] = float(seconds)
        else:
            self._asking(item).backoff.delay = float(seconds)

    def increment_retry_delay(self, max_delay: float | None = None) -> None:
        """Make the next delay longer, up to ``max_delay`` seconds."""
        item = current_item.get()
        if item is not None:
            self._asking(item).backoff.grow(
                self.MAX_RETRY_DELAY if max_delay is None else max_delay)

    def reset_retry_delay(self) -> None:
        """Return to the first delay."""
        item = current_item.get()
        if item is not None:
            self._asking(item).backoff.reset()

    # -- on the loop -------------------------------------------------------------
    def _work_on(self, item: Item) -> Coroutine[Any, Any, None]:
        asking = item.scope.kept_by[self] = Asking(self._new_backoff())
        return self._ask(item, asking)

    async def _ask(
        self, item: Item, asking: Asking, *, is_sending: bool = False
    ) -> None:
        """Ask until the item has left. ``is_sending``: ``send_request`` has already been called
        for the first request."""
        visit = item.scope.visits.get(self) or item.scope.enter(self)
        own_reason: Waiting | None = None
        try:
            while True:
                visit.begin_try()
                await self._line_up(item, asking, own_reason)
                if is_sending:
                    await self._send_request(item)
                else:
                    await hook(item, self, "send_request", self._send_request, item)
                is_sending = False
                retry = await visit.tried()
                if retry is None:
                    break
                own_reason = await self._wait_for_retry(item, asking, retry)
        except BaseException as error:
            asking.break_off(failed=item.scope.outcome == "failed" or isinstance(error, Exception))
            raise
        item.idle = None
        asking.answer_used()

    async def _line_up(self, item: Item, asking: Asking, own_reason: Waiting | None) -> None:
        """Wait until the governor gives this item a turn; this may take long."""
        item.may_be_canceled = self.may_be_canceled
        base = self.tracker_url
        asking.url = self._url(base if type(base) is str else await realized(item, self, base))
        endpoint = item.pipeline.governor.tracker(asking.url)
        turn = None if own_reason is not None else endpoint.try_turn()
        if turn is None:
            # An item that waits for the tracker must not block others from trying the target.
            asking.give_back_target()
            held = endpoint.held
            if held is not None and item.waiting is None:
                item.log_output(
                    f"{held.reason} Asking again after {_seconds_left(held)} seconds...")
            turn = await endpoint.turn(
                item.scope.show_waiting, own=own_reason, concern=self._concern(item))
        asking.turn = turn
        asking.backoff.delay = max(asking.backoff.delay, turn.inherited_delay(item.item_id))
        # Cancelling the item while the answer is on its way would lose the claimed item.
        item.may_be_canceled = False
        if item.waiting is not None:
            item.set_waiting(None)
        if self.may_be_canceled:
            item.idle = _while_asking(endpoint)

    async def _send_request(self, item: Item) -> None:
        asking = self._asking(item)
        data: Any = None
        if is_project_code(self.data) or is_project_value(*vars(self).values()) or (
                is_project_value(data := self.data(item))):
            url, body = await call(item, self, self._realize_request, item, in_worker=True)
        else:
            url = self._url(realize(self.tracker_url, item))
            body = json.dumps(realize(data, item))
        turn = asking.turn
        if turn is None or asking.url != url or turn.is_spent or not turn.open:
            # The project has called send_request itself, or the tracker's URL has changed.
            if turn is not None:
                turn.abandoned()
            turn = asking.turn = await item.pipeline.governor.tracker(url).turn(
                item.scope.show_waiting)
            asking.url = url
        item.scope.is_asking_for_work = self.may_be_canceled
        try:
            response = await http.post(turn, url, body)
        finally:
            item.scope.is_asking_for_work = False
        if response.code == 200:
            # Noted before the answer is used, which may take long: an upload may follow.
            turn.endpoint.host.has_answered = True
        else:
            self._report_provisionally(item, asking, turn, response)
        await hook(item, self, "handle_response", self._handle_response, item, response)

    def _realize_request(self, item: Item) -> tuple[str, str]:
        """Return the URL, and the data as JSON."""
        return (self._url(realize(self.tracker_url, item)),
                json.dumps(realize(self.data(item), item)))

    def _report_provisionally(
        self, item: Item, asking: Asking, turn: Turn, response: httpclient.HTTPResponse
    ) -> None:
        """Report the failure before the project's hooks run: it counts whatever they do."""
        reason, fault, code, asked_for = trouble_of(response)
        backoff = asking.backoff
        next_delay = min(backoff.delay + backoff.increment, max(backoff.maximum, backoff.delay))
        turn.provisional(
            Waiting(reason, fault, None, code), max(backoff.delay, asked_for or 0.0),
            silence=asked_for, next_delay=next_delay, answered=http.has_answered(response),
            asker=item.item_id)

    def _answered_with_trouble(self, item: Item, response: httpclient.HTTPResponse) -> None:
        reason, fault, code, asked_for = trouble_of(response)
        self._ask_again(item, reason, fault, code, asked_for, answered=http.has_answered(response))

    @on_loop
    def _take_answer(self, item: Item, response: httpclient.HTTPResponse) -> None:
        item.scope.spawn(self._handle_response(item, response))

    async def _handle_response(self, item: Item, response: httpclient.HTTPResponse) -> None:
        if response.code != 200:
            self._answered_with_trouble(item, response)
            return
        try:
            body = (response.body or b"").decode()
        except UnicodeDecodeError:
            self._unexpected(item, repr(response.body), "it is not UTF-8")
            return
        await hook(item, self, "process_body", self._process_body, body, item)
        visit = item.scope.visits.get(self)
        if visit is None or not visit.is_retrying:
            self._asking(item).answer_used()

    async def _process_body(self, body: str, item: Item) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define process_body()")

    # -- trying again ------------------------------------------------------------
    def _ask_again(
        self, item: Item, reason: str, fault: Fault, code: str, asked_for: float | None = None,
        *, answered: bool = True, at: Endpoint | None = None, alone: bool = False,
    ) -> None:
        """Set the delay now, so that a calling hook sees it when this returns.

        ``asked_for`` is the server's Retry-After in seconds. ``at`` is the endpoint that failed,
        if it is not the tracker. ``alone``: other items need not wait as long as this one.
        """
        delay = self._asking(item).backoff.next_delay(
            asked_for, BLOCKED_DELAY * random.uniform(1.0, 1.02) if code == "blocked"
            else LONGEST_RETRY_AFTER)
        retry = Retry(Waiting(reason, fault, None, code), delay, asked_for, answered, at, alone)
        worker = item.worker
        if worker is not None and not worker.on_loop():
            token = current_item.set(item)
            try:
                self.increment_retry_delay()
            finally:
                current_item.reset(token)
            retry = dataclasses.replace(retry, has_grown=True)
        self._retry(item, retry)

    @on_loop
    def _retry(self, item: Item, retry: Retry | WaitForTarget) -> None:
        item.scope.ask_again(self, retry)

    def _wait_for_target(self, item: Item, endpoint: Endpoint) -> None:
        """Ask again as soon as this upload target may be tried."""
        self._retry(item, WaitForTarget(endpoint))

    async def _wait_for_retry(
        self, item: Item, asking: Asking, retry: Retry | WaitForTarget
    ) -> Waiting | None:
        """Hold back all requests to the same endpoint. Return the reason and time that apply to
        this item alone, if any."""
        if isinstance(retry, WaitForTarget):
            asking.answer_used()
            asking.target_turn = await retry.endpoint.turn(item.scope.show_waiting)
            return None
        if not retry.has_grown:
            await call(item, self, self.increment_retry_delay)
        asking.give_back_target()
        # Others need not wait when the reason is this item, or no request was made.
        alone = retry.alone or asking.turn is None
        why = self._hold(item, asking, retry)
        item.may_be_canceled = self.may_be_canceled
        if self.may_be_canceled and item.pipeline.stop_requested:
            item.log_output(f"{why.reason} Stopping, so the tracker is not asked again.")
            item.cancel()
            item.scope.check()
        item.log_output(f"{why.reason} Retrying after {_seconds_left(why)} seconds...")
        item.set_waiting(why)
        if retry.at is None:
            return why if alone else None
        asking.target_turn = await retry.at.turn(item.scope.show_waiting, own=why)
        return None

    def _hold(self, item: Item, asking: Asking, retry: Retry) -> Waiting:
        """Report the result of the turn to the governor. Return why to wait, and until when."""
        turn, asking.turn = asking.turn, None
        own = dataclasses.replace(retry.why, next_try=time.monotonic() + retry.delay)
        if turn is None:
            return own
        if retry.at is not None:
            # The upload has reported the failure of the target itself.
            turn.succeeded()
            return own
        if retry.alone:
            turn.failed(retry.why, 0.0, silence=retry.asked_for)
            return own
        why = turn.failed(
            retry.why, retry.delay, silence=retry.asked_for, answered=retry.answered,
            next_delay=asking.backoff.delay, asker=item.item_id)
        if retry.why.code == "outdated":
            turn.endpoint.only_for(self._concern(item))
        return why

    def _unexpected(self, item: Item, body: str, why: str, *, alone: bool = False) -> None:
        text = " ".join(body[:200].split())
        self._ask_again(
            item, f"Unexpected answer from the tracker: {why} (it was: {text!r}).",
            Fault.TRACKER, "tracker-trouble", alone=alone)

    # -- what belongs to one item ----------------------------------------------------
    def _asking(self, item: Item) -> Asking:
        if self not in item.scope.kept_by:
            item.scope.kept_by[self] = Asking(self._new_backoff())
        asking: Asking = item.scope.kept_by[self]
        return asking

    def _new_backoff(self) -> Backoff:
        return Backoff(
            float(self.__dict__.get("_initial_delay", self.DEFAULT_RETRY_DELAY)),
            increment=float(self.RETRY_DELAY_INCREMENT), maximum=float(self.MAX_RETRY_DELAY))

    def _url(self, base: Any) -> str:
        return f"{str(base).rstrip('/')}/{self.tracker_command}"

    def _concern(self, item: Item) -> object:
        """Return what "out of date" applies to: the project's version, or this loaded pipeline."""
        version = getattr(self, "version", None)
        return version if isinstance(version, str) else item.pipeline


def _while_asking(endpoint: Endpoint) -> Waiting:
    """Return what an item that asks for work shows: the last reason to wait, if there is one."""
    why = endpoint.host.schedule.why or endpoint.schedule.why
    if why is None:
        return Waiting("Asking the tracker for an item.", Fault.NOBODY, None, "asking")
    return Waiting(why.reason, why.fault, None, why.code)


def _seconds_left(why: Waiting) -> str:
    return f"{max(0.0, (why.next_try or 0.0) - time.monotonic()):.0f}"

"""Asking the tracker until it gives the answer that lets an item go on."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
import time
from typing import TYPE_CHECKING, Any

from tornado import httpclient

from pipeline_core.engine.project_worker import current_item
from pipeline_core.engine.realizing import is_project_value
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net import http
from pipeline_core.net.backoff import LONGEST_RETRY_AFTER, Backoff, parse_retry_after
from pipeline_core.task import Task

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.net.endpoints import Endpoint
    from pipeline_core.net.turns import Turn

#: A tracker that blocks us is asked again after an hour, not sooner.
BLOCKED_DELAY = 3600.0

#: HTTP status -> (sentence, whose fault, code of the reason).
_REASONS = {
    404: ("The tracker has no items for us right now.", Fault.NOBODY, "no-items"),
    420: ("The tracker limits how often it gives items.", Fault.TRACKER, "rate-limit"),
    429: ("The tracker limits how often it gives items.", Fault.TRACKER, "rate-limit"),
    455: ("The project's code is out of date; it has to be updated.", Fault.YOU, "outdated"),
    403: ("The tracker has blocked this address or this name.", Fault.YOU, "blocked"),
}


class TrackerRequest(Task):
    """One command, sent until the tracker gives the answer that lets the item go on.

    The delays belong to the item: they begin at ``DEFAULT_RETRY_DELAY`` seconds and
    grow by ``RETRY_DELAY_INCREMENT`` up to ``MAX_RETRY_DELAY``. In hooks,
    ``retry_delay`` and the methods that change it act on the item being handled.
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
        """What is sent, as JSON."""
        return {}

    def send_request(self, item: Item) -> None:
        """Ask the tracker."""
        if item.carried_over(TrackerRequest.send_request, self, item):
            return
        self._hook(item, self.data, item, then=functools.partial(self._data_known, item),
                   runs_project_code=any(is_project_value(value) for value in vars(self).values()))

    def handle_response(self, item: Item, response: httpclient.HTTPResponse) -> None:
        """The tracker has answered, or not (``response.code`` 599)."""
        if response.code == 200:
            if not item.carried_over(TrackerRequest._process, self, item, response):
                self._process(item, response)
            return
        reason, fault, code, asked_for = _trouble_of(response)
        self._wait_and_retry(item, reason, fault, code, asked_for,
                             answered=http.has_answered(response))

    def process_body(self, body: str, item: Item) -> None:
        """The tracker has answered 200 with this text."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to process an answer")

    def schedule_retry(self, item: Item, message: str = "") -> None:
        """Ask again after a while; ``message`` is shown as the reason."""
        self._wait_and_retry(item, message or "The tracker has to be asked again.",
                             Fault.TRACKER, "tracker-trouble")

    # -- delays ------------------------------------------------------------------
    @property
    def retry_delay(self) -> float:
        """Seconds before the next try (without jitter) of the item being handled."""
        item = current_item.get()
        if item is not None and self in item.scope.backoffs:
            return item.scope.backoffs[self].delay
        return float(self.__dict__.get("_initial_delay", self.DEFAULT_RETRY_DELAY))

    @retry_delay.setter
    def retry_delay(self, seconds: float) -> None:
        item = current_item.get()
        if item is None:
            self.__dict__["_initial_delay"] = float(seconds)
        else:
            self._backoff(item).delay = float(seconds)

    def increment_retry_delay(self, max_delay: float | None = None) -> None:
        """Make the next delay longer, up to ``max_delay`` seconds."""
        item = current_item.get()
        if item is not None:
            self._backoff(item).grow(
                self.MAX_RETRY_DELAY if max_delay is None else max_delay)

    def reset_retry_delay(self) -> None:
        """Begin with the first delay again."""
        item = current_item.get()
        if item is not None:
            self._backoff(item).reset()

    def _backoff(self, item: Item) -> Backoff:
        if self not in item.scope.backoffs:
            item.scope.backoffs[self] = Backoff(
                float(self.__dict__.get("_initial_delay", self.DEFAULT_RETRY_DELAY)),
                increment=float(self.RETRY_DELAY_INCREMENT), maximum=float(self.MAX_RETRY_DELAY))
        return item.scope.backoffs[self]

    # -- on the loop -------------------------------------------------------------
    def enqueue(self, item: Item) -> None:
        if item.carried_over(TrackerRequest.enqueue, self, item):
            return
        item.scope.backoffs.pop(self, None)
        self._backoff(item)
        self._start(item, self._send)

    def _send(self, item: Item, own: Waiting | None = None) -> None:
        """Ask as soon as the governor lets this item; it may wait for that a long time."""
        item.may_be_canceled = self.may_be_canceled
        self._realize(item, self.tracker_url, lambda base: self._line_up(
            item, item.governor.tracker(self._url(base)), own))

    def _url(self, base: Any) -> str:
        return f"{str(base).rstrip('/')}/{self.tracker_command}"

    def _line_up(self, item: Item, endpoint: Endpoint, own: Waiting | None) -> None:
        turn = None if own is not None else endpoint.try_turn()
        if turn is not None:
            self._ask(item, turn)
            return
        # Who waits for the tracker keeps nobody back from trying a target.
        self._give_back(item)
        held = endpoint.held
        if held is not None and item.waiting is None:
            item.log_output(f"{held.reason} Asking again after {_seconds_left(held)} seconds...")

        async def wait_and_ask() -> None:
            turn = await endpoint.turn(
                item.scope.show_waiting, own=own, concern=self._concern(item))
            self._ask(item, turn)

        item.scope.spawn(wait_and_ask())

    def _concern(self, item: Item) -> object:
        """What a tracker calls out of date: the version of the project, or all of this load."""
        version = getattr(self, "version", None)
        return version if isinstance(version, str) else item.pipeline

    def _ask(self, item: Item, turn: Turn) -> None:
        item.scope.turns[self] = turn
        backoff = self._backoff(item)
        backoff.delay = max(backoff.delay, turn.inherited_delay(item.item_id))
        # What was claimed with an answer on its way would be lost to the tracker.
        item.may_be_canceled = False
        item.set_waiting(None)
        if self.may_be_canceled:
            item.idle = _while_asking(turn.endpoint)
        self._hook(item, self.send_request, item)

    def _data_known(self, item: Item, data: Any) -> None:
        self._realize(item, [self.tracker_url, data], functools.partial(self._post, item))

    def _post(self, item: Item, settled: list[Any]) -> None:
        request = item.scope.spawn(self._exchange(item, self._url(settled[0]), settled[1]))
        if self.may_be_canceled and request is not None:
            item.scope.cancel_request_after_stop(request)

    async def _exchange(self, item: Item, url: str, data: Any) -> None:
        body = json.dumps(data)
        endpoint = item.governor.tracker(url)
        turn = item.scope.turns.get(self)
        if turn is None or not turn.is_for(endpoint):
            # A project has called send_request by itself, or the tracker's URL has changed.
            if turn is not None:
                turn.abandoned()
            turn = item.scope.turns[self] = await endpoint.turn(item.scope.show_waiting)
        response = await http.post(turn, url, body)
        if response.code != 200:
            self._tell_provisionally(item, turn, response)
        self._hook(item, self.handle_response, item, response)

    def _tell_provisionally(
        self, item: Item, turn: Turn, response: httpclient.HTTPResponse
    ) -> None:
        """An answer of no use counts whatever a project's hooks make of it."""
        reason, fault, code, asked_for = _trouble_of(response)
        backoff = self._backoff(item)
        next_delay = min(backoff.delay + backoff.increment, max(backoff.maximum, backoff.delay))
        turn.provisional(
            Waiting(reason, fault, None, code), max(backoff.delay, asked_for or 0.0),
            silence=asked_for, next_delay=next_delay, answered=http.has_answered(response),
            asker=item.item_id)

    def _process(self, item: Item, response: httpclient.HTTPResponse) -> None:
        item.may_be_canceled = self.may_be_canceled
        try:
            body = (response.body or b"").decode()
        except UnicodeDecodeError:
            self._unexpected(item, repr(response.body), "it is not UTF-8")
            return
        self._hook(item, self.process_body, body, item,
                   then=lambda result: self._answer_used(item))

    def _answer_used(self, item: Item) -> None:
        """The answer was what was asked for: the next one may ask at once. Where a retry has
        been scheduled, this says nothing any more."""
        if self in item.scope.turns:
            item.scope.turns[self].succeeded()
        self._give_back(item)

    def _give_back(self, item: Item) -> None:
        """A turn that was waited for and is not used after all."""
        unused = item.scope.turns.pop(("next", self), None)
        if unused is not None:
            unused.abandoned()

    def _leave(self, item: Item, status: str, word: str, event: Any) -> None:
        self._answer_used(item)
        item.idle = None
        super()._leave(item, status, word, event)

    def _wait_and_retry(
        self, item: Item, reason: str, fault: Fault, code: str, asked_for: float | None = None,
        *, answered: bool = True, at: Endpoint | None = None, alone: bool = False,
    ) -> None:
        """Settle the delay here and now, as a hook that called us sees it; wait on the loop.

        ``asked_for`` is the server's Retry-After in seconds. ``at`` is what has failed, if it is
        not what was asked; ``alone``: the others need not wait as long as this item.
        """
        delay = self._backoff(item).next_delay(
            asked_for, BLOCKED_DELAY * random.uniform(1.0, 1.02) if code == "blocked"
            else LONGEST_RETRY_AFTER)
        trouble = _Trouble(
            Waiting(reason, fault, None, code), delay, asked_for, answered, at, alone)
        worker = item.worker
        if worker is None or worker.on_loop():
            if self in item.scope.turns:
                # From here on it is not a success, however long the next hook takes.
                item.scope.turns[trouble] = item.scope.turns.pop(self)
            self._hook(item, self.increment_retry_delay,
                       then=lambda result: self._wait(item, trouble))
            return
        token = current_item.set(item)
        try:
            self.increment_retry_delay()
        finally:
            current_item.reset(token)
        worker.post(item.scope.guard, self._wait, item, trouble)

    def _wait(self, item: Item, trouble: _Trouble) -> None:
        """Hold back all who would ask the same, and line up again."""
        self._give_back(item)
        asked = trouble in item.scope.turns or self in item.scope.turns
        why = self._hold(item, trouble)
        item.may_be_canceled = self.may_be_canceled
        if self.may_be_canceled and item.pipeline.stop_requested:
            item.log_output(f"{why.reason} Stopping, so it is not asked again.")
            item.cancel()
            return
        item.log_output(f"{why.reason} Retrying after {_seconds_left(why)} seconds...")
        item.set_waiting(why)
        # Others need not wait for what is about this item, or has asked nobody.
        alone = trouble.alone or not asked
        if trouble.at is not None:
            self._line_up_at(item, trouble.at, why)
        else:
            self._send(item, why if alone else None)

    def _hold(self, item: Item, trouble: _Trouble) -> Waiting:
        turn = item.scope.turns.pop(trouble, None) or item.scope.turns.pop(self, None)
        own = dataclasses.replace(trouble.why, next_try=time.monotonic() + trouble.delay)
        if trouble.at is not None:
            # The target itself has been told by the upload.
            if turn is not None:
                turn.succeeded()
            return own
        if turn is None:
            return own
        if trouble.alone:
            turn.failed(trouble.why, 0.0, silence=trouble.asked_for)
            return own
        why = turn.failed(
            trouble.why, trouble.delay, silence=trouble.asked_for, answered=trouble.answered,
            next_delay=self._backoff(item).delay, asker=item.item_id)
        if trouble.why.code == "outdated":
            turn.endpoint.only_for(self._concern(item))
        return why

    def _line_up_at(self, item: Item, endpoint: Endpoint, own: Waiting | None = None) -> None:
        """Wait until this item may try what has failed, then ask the tracker what to try."""
        async def wait_and_send() -> None:
            item.scope.turns["next", self] = await endpoint.turn(
                item.scope.show_waiting, own=own)
            self._send(item)

        item.scope.spawn(wait_and_send())

    def _turn_at(self, item: Item, endpoint: Endpoint) -> Turn | None:
        """The turn that the item has waited for, or one that is to be had now."""
        turn = item.scope.turns.get(("next", self))
        if turn is not None and turn.is_for(endpoint) and endpoint.held is None:
            return item.scope.turns.pop(("next", self))
        self._give_back(item)
        return endpoint.try_turn()

    def _unexpected(self, item: Item, body: str, why: str, *, alone: bool = False) -> None:
        text = " ".join(body[:200].split())
        self._wait_and_retry(
            item, f"Unexpected answer from the tracker: {why} (it was: {text!r}).",
            Fault.TRACKER, "tracker-trouble", alone=alone)


def _trouble_of(response: httpclient.HTTPResponse) -> tuple[str, Fault, str, float | None]:
    """Reason, fault and code of an answer of no use, and the seconds to wait that it asks for."""
    if response.code in _REASONS:
        reason, fault, code = _REASONS[response.code]
    else:
        reason, fault, code = http.describe_trouble(response), Fault.TRACKER, "tracker-trouble"
    asked_for = parse_retry_after(response.headers.get("Retry-After"))
    return reason, fault, code, BLOCKED_DELAY if response.code == 403 else asked_for


def _while_asking(endpoint: Endpoint) -> Waiting:
    """Who asks for something to do has no work yet, so the last reason to wait stays."""
    why = endpoint.host.schedule.why or endpoint.schedule.why
    if why is None:
        return Waiting("Asking the tracker for an item.", Fault.NOBODY, None, "asking")
    return Waiting(why.reason, why.fault, None, why.code)


def _seconds_left(why: Waiting) -> str:
    return f"{max(0.0, (why.next_try or 0.0) - time.monotonic()):.0f}"


@dataclasses.dataclass(frozen=True, eq=False)
class _Trouble:
    """Why a request has to be repeated, and when: see TrackerRequest._wait_and_retry."""

    why: Waiting
    delay: float
    asked_for: float | None
    answered: bool
    at: Endpoint | None
    alone: bool

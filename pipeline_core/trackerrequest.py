"""Asking the tracker until it gives the answer that lets an item go on."""

from __future__ import annotations

import functools
import random
import time
from typing import TYPE_CHECKING, Any

from tornado import httpclient

from pipeline_core import http
from pipeline_core.backoff import LONGEST_RETRY_AFTER, Backoff, parse_retry_after
from pipeline_core.realizing import is_foreign_value
from pipeline_core.task import Task
from pipeline_core.waiting import Fault, Waiting
from pipeline_core.worker import current_item

if TYPE_CHECKING:
    from pipeline_core.item import Item

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
        item.set_waiting(None)
        self._hook(item, self.data, item, then=functools.partial(self._data_known, item),
                   asks_foreign=any(is_foreign_value(value) for value in vars(self).values()))

    def handle_response(self, item: Item, response: httpclient.HTTPResponse) -> None:
        """The tracker has answered, or not (``response.code`` 599)."""
        if response.code == 200:
            if not item.carried_over(TrackerRequest._process, self, item, response):
                self._process(item, response)
            return
        if response.code in _REASONS:
            reason, fault, code = _REASONS[response.code]
        else:
            reason, fault, code = http.describe_trouble(response), Fault.TRACKER, "tracker-trouble"
        asked_for = parse_retry_after(response.headers.get("Retry-After"))
        if response.code == 403:
            asked_for = BLOCKED_DELAY
        self._wait_and_retry(item, reason, fault, code, asked_for)

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
        if item is not None and self in item.life.backoffs:
            return item.life.backoffs[self].delay
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
        if self not in item.life.backoffs:
            item.life.backoffs[self] = Backoff(
                float(self.__dict__.get("_initial_delay", self.DEFAULT_RETRY_DELAY)),
                increment=float(self.RETRY_DELAY_INCREMENT), maximum=float(self.MAX_RETRY_DELAY))
        return item.life.backoffs[self]

    # -- on the loop -------------------------------------------------------------
    def enqueue(self, item: Item) -> None:
        if item.carried_over(TrackerRequest.enqueue, self, item):
            return
        item.life.backoffs.pop(self, None)
        self._backoff(item)
        self._start(item, self._send)

    def _send(self, item: Item) -> None:
        # What was claimed with an answer on its way would be lost to the tracker.
        item.may_be_canceled = False
        self._hook(item, self.send_request, item)

    def _data_known(self, item: Item, data: Any) -> None:
        self._realize(item, [self.tracker_url, data], functools.partial(self._post, item))

    def _post(self, item: Item, settled: list[Any]) -> None:
        base, data = settled
        url = f"{str(base).rstrip('/')}/{self.tracker_command}"
        request = http.post_json(item.life, url, data, functools.partial(self._answered, item))
        if self.may_be_canceled:
            item.life.cancel_request_after_stop(request)

    def _answered(self, item: Item, response: httpclient.HTTPResponse) -> None:
        self._hook(item, self.handle_response, item, response)

    def _process(self, item: Item, response: httpclient.HTTPResponse) -> None:
        item.may_be_canceled = self.may_be_canceled
        try:
            body = (response.body or b"").decode()
        except UnicodeDecodeError:
            self._unexpected(item, repr(response.body), "it is not UTF-8")
            return
        self._hook(item, self.process_body, body, item)

    def _wait_and_retry(
        self, item: Item, reason: str, fault: Fault, code: str, asked_for: float | None = None
    ) -> None:
        """Settle the delay here and now, as a hook that called us sees it; wait on the loop."""
        delay = self._backoff(item).next_delay(
            asked_for, BLOCKED_DELAY * random.uniform(1.0, 1.02) if code == "blocked"
            else LONGEST_RETRY_AFTER)
        why = Waiting(reason, fault, time.monotonic() + delay, code)
        worker = item.worker
        if worker is None or worker.on_loop():
            self._hook(item, self.increment_retry_delay,
                       then=lambda result: self._wait(item, why, delay))
            return
        token = current_item.set(item)
        try:
            self.increment_retry_delay()
        finally:
            current_item.reset(token)
        worker.post(item.life.guard, self._wait, item, why, delay)

    def _wait(self, item: Item, why: Waiting, delay: float) -> None:
        item.may_be_canceled = self.may_be_canceled
        if self.may_be_canceled and item.pipeline.stop_requested:
            item.log_output(f"{why.reason} Stopping, so it is not asked again.")
            item.cancel()
            return
        item.log_output(f"{why.reason} Retrying after {delay:.0f} seconds...")
        item.life.wait(why, delay, self._send, item)

    def _unexpected(self, item: Item, body: str, why: str) -> None:
        text = " ".join(body[:200].split())
        self._wait_and_retry(
            item, f"Unexpected answer from the tracker: {why} (it was: {text!r}).",
            Fault.TRACKER, "tracker-trouble")

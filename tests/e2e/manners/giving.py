"""A tracker that has items, a number of them, and takes what comes back."""

from __future__ import annotations

import threading

from tests.support.scripted_tracker import (
    NOTHING,
    Answer,
    Request,
    Scripted,
    ScriptedTracker,
    item_answer,
    json_answer,
)
from tests.support.world import Clock, Moments


class Stock:
    """The items of a tracker. When there are none it answers ``otherwise``."""

    def __init__(self, tracker: ScriptedTracker, clock: Clock, target: str) -> None:
        self.tracker = tracker
        #: What is answered when nothing is in stock.
        self.otherwise: Scripted = NOTHING
        self._clock = clock
        self._lock = threading.Lock()
        self._left = 0
        #: The names that were given, and when the requests for them came.
        self.given: list[str] = []
        self._given_at: list[float] = []
        tracker.always("request", self._answer)
        tracker.always("upload", json_answer({"upload_target": target}))

    def add(self, number: int) -> None:
        """Have so many more."""
        with self._lock:
            self._left += number

    @property
    def given_at(self) -> Moments:
        """When those came that got an item, in seconds of the world."""
        with self._lock:
            return Moments(map(self._clock.at, self._given_at))

    def done(self) -> int:
        """How many items have been reported."""
        return len({str(request.json["item"]) for request in self.tracker.requests("done")})

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            if self._left:
                self._left -= 1
                self.given.append(f"item-{len(self.given)}")
                self._given_at.append(request.time)
                return item_answer(self.given[-1])
            otherwise = self.otherwise
        return otherwise(request) if callable(otherwise) else otherwise


def moments(clock: Clock, requests: list[Request]) -> Moments:
    """When these came, in seconds of the world."""
    return Moments(clock.at(request.time) for request in requests)

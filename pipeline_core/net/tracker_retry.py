"""What one item keeps while it asks a tracker: delays, turns, and why a request is repeated."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net import http
from pipeline_core.net.backoff import parse_retry_after

if TYPE_CHECKING:
    from tornado import httpclient

    from pipeline_core.net.backoff import Backoff
    from pipeline_core.net.endpoints import Endpoint
    from pipeline_core.net.turns import Turn

#: Seconds before a tracker that blocks us is asked again.
BLOCKED_DELAY = 3600.0

#: HTTP status -> (sentence, whose fault, code of the reason).
_REASONS = {
    404: ("The tracker has no items for us right now.", Fault.NOBODY, "no-items"),
    420: ("The tracker limits how often it gives items.", Fault.TRACKER, "rate-limit"),
    429: ("The tracker limits how often it gives items.", Fault.TRACKER, "rate-limit"),
    455: ("The project's code is out of date; it has to be updated.", Fault.YOU, "outdated"),
    403: ("The tracker has blocked this address or this name.", Fault.YOU, "blocked"),
}


class Asking:
    """The delays and turns of one item that asks a tracker."""

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        #: The current or last turn for the tracker; see governor.
        self.turn: Turn | None = None
        #: The URL that the turn is for.
        self.url = ""
        #: The turn for an upload target, for when the tracker has named it again.
        self.target_turn: Turn | None = None

    def answer_used(self) -> None:
        """Report a usable answer: the next request may be made at once."""
        if self.turn is not None:
            self.turn.succeeded()
        if self.target_turn is not None:
            self.give_back_target()

    def take_target_turn(self, endpoint: Endpoint) -> Turn | None:
        """Return the turn that was waited for, else one that is free now, else None."""
        turn, self.target_turn = self.target_turn, None
        if turn is not None and turn.is_for(endpoint) and endpoint.held is None:
            return turn
        if turn is not None:
            turn.abandoned()
        return endpoint.try_turn()

    def give_back_target(self) -> None:
        """Give up the turn for the target, so that another item may try it."""
        turn, self.target_turn = self.target_turn, None
        if turn is not None:
            turn.abandoned()

    def break_off(self, *, failed: bool) -> None:
        """Release the turns of an item that has ended while it was asking."""
        if self.turn is not None:
            if self.turn.in_use and failed:
                # Otherwise each following item would ask at once, and fail like this one.
                self.turn.refused("The project's code failed on an answer of "
                                  f"{self.turn.endpoint.name}.", Fault.PROJECT, "tracker-trouble")
            self.turn.abandoned()
        self.give_back_target()


@dataclasses.dataclass(frozen=True, eq=False)
class Retry:
    """Why and when a request is repeated; see TrackerRequest._ask_again."""

    why: Waiting
    delay: float
    asked_for: float | None
    answered: bool
    at: Endpoint | None
    alone: bool
    #: Whether the next delay has already been increased.
    has_grown: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class WaitForTarget:
    """The tracker named an upload target that may not be tried now: ask again when it may."""

    endpoint: Endpoint


def trouble_of(response: httpclient.HTTPResponse) -> tuple[str, Fault, str, float | None]:
    """Return reason, fault and code for an unusable answer, and its Retry-After in seconds."""
    if response.code in _REASONS:
        reason, fault, code = _REASONS[response.code]
    else:
        reason, fault, code = http.describe_trouble(response), Fault.TRACKER, "tracker-trouble"
    asked_for = parse_retry_after(response.headers.get("Retry-After"))
    return reason, fault, code, BLOCKED_DELAY if response.code == 403 else asked_for

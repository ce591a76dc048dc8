"""Growing, jittered delays, and the server's own wish (Retry-After)."""

from __future__ import annotations

import datetime
import email.utils
import random
import re
import time

#: A server may ask for this many seconds of silence at most.
LONGEST_RETRY_AFTER = 3600.0


class Backoff:
    """The delays of one item at one step; it starts at ``initial`` seconds.

    Each delay grows by ``increment`` seconds and then by ``factor``, up to
    ``maximum``. What :meth:`next_delay` returns is up to a fifth longer, so that
    a thousand volunteers do not come back in the same second.
    """

    def __init__(
        self, initial: float, *, increment: float = 0.0, factor: float = 1.0, maximum: float = 300.0
    ) -> None:
        self.initial = initial
        self.increment = increment
        self.factor = factor
        self.maximum = maximum
        self.delay = initial
        self.tries = 0
        self.started = time.monotonic()

    def next_delay(
        self, at_least: float | None = None, at_most: float = LONGEST_RETRY_AFTER
    ) -> float:
        """Seconds to wait now, jittered; never fewer than ``at_least``.

        What ``at_least`` makes of it ends at ``at_most``.
        """
        self.tries += 1
        delay = self.delay * random.uniform(1.0, 1.2)
        if at_least is not None:
            wished = at_least * random.uniform(1.0, 1.2)
            delay = max(delay, at_least, min(wished, at_most))
        return delay

    def grow(self, maximum: float | None = None) -> None:
        """Make the next delay longer; one that is above the maximum stays as it is."""
        limit = self.maximum if maximum is None else maximum
        if self.delay < limit:
            self.delay = min(limit, (self.delay + self.increment) * self.factor)

    def reset(self) -> None:
        """Begin again, as after a success."""
        self.delay = self.initial
        self.tries = 0
        self.started = time.monotonic()


def parse_retry_after(text: str | None, now: datetime.datetime | None = None) -> float | None:
    """The seconds that a ``Retry-After`` header asks for; None when it says nothing.

    The header holds seconds or an HTTP date (RFC 9110, 10.2.3). An hour is the
    most that is believed; a date that has passed means at once (0.0).
    """
    if not text or not text.strip():
        return None
    if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text.strip(), re.ASCII):
        seconds = float(text)
    else:
        try:
            date = email.utils.parsedate_to_datetime(text.strip())
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=datetime.timezone.utc)
        seconds = (date - (now or datetime.datetime.now(datetime.timezone.utc))).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)

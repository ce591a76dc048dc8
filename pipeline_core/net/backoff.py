"""Growing delays with jitter, and the Retry-After header."""

from __future__ import annotations

import datetime
import email.utils
import random
import re
import time

#: The most seconds of a Retry-After that are honoured.
LONGEST_RETRY_AFTER = 3600.0


class Backoff:
    """The retry delays of one item in one task; the first is ``initial`` seconds.

    :meth:`grow` adds ``increment`` seconds, then multiplies by ``factor``, up to ``maximum``.
    :meth:`next_delay` adds a jitter of up to a fifth, so that a thousand volunteers do not
    retry in the same second.
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
        """Return the seconds to wait now, with jitter; never fewer than ``at_least``.

        The jitter on ``at_least`` is cut at ``at_most``.
        """
        self.tries += 1
        delay = self.delay * random.uniform(1.0, 1.2)
        if at_least is not None:
            wished = at_least * random.uniform(1.0, 1.2)
            delay = max(delay, at_least, min(wished, at_most))
        return delay

    def grow(self, maximum: float | None = None) -> None:
        """Make the next delay longer. A delay above the maximum stays unchanged."""
        limit = self.maximum if maximum is None else maximum
        if self.delay < limit:
            self.delay = min(limit, (self.delay + self.increment) * self.factor)

    def reset(self) -> None:
        """Return to the first delay, as after a success."""
        self.delay = self.initial
        self.tries = 0
        self.started = time.monotonic()


def parse_retry_after(text: str | None, now: datetime.datetime | None = None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for; None when it is empty or invalid.

    The header holds seconds or an HTTP date (RFC 9110, 10.2.3). The result is at most an hour;
    a date in the past gives 0.0 (at once).
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

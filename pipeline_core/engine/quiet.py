"""Ignoring warnings for a moment, from any thread."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

#: The filters belong to the whole process: two threads that change them for a while, one of them
#: ending first, would leave behind what the other one has set.
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def warnings_ignored(*categories: type[Warning]) -> Iterator[None]:
    """Ignore warnings of these categories inside. Nothing in it may wait for another thread."""
    with _one_at_a_time, warnings.catch_warnings():
        for category in categories:
            warnings.simplefilter("ignore", category)
        yield

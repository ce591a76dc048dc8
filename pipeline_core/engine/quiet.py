"""Ignore warnings inside a block, from any thread."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

#: Warning filters belong to the whole process. If two threads changed them in overlapping
#: blocks, the last to leave would restore the filters that the other had set.
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def warnings_ignored(*categories: type[Warning]) -> Iterator[None]:
    """Ignore warnings of these categories inside the block, which must not wait for another
    thread."""
    with _one_at_a_time, warnings.catch_warnings():
        for category in categories:
            warnings.simplefilter("ignore", category)
        yield

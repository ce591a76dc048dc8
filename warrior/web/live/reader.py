"""One open page: what it has asked to see, and how far behind it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warrior.web.live.sockets import PageConnection

#: Logs that one page may have open, and items it may have in view.
MAX_WATCHED, MAX_VIEWED = 8, 300


class Reader:
    """Nothing piles up for a page that reads slowly: what it misses of the state is made
    good by a new snapshot, what it misses of a log by the number of lines."""

    def __init__(self, channel: PageConnection, session_id: str = "") -> None:
        self.channel = channel
        self.session_id = session_id
        #: Log lines that were not sent, by item.
        self.skipped: dict[str, int] = {}
        self.watched: set[str] = set()
        #: Logs that it has opened and not got yet, in order.
        self.unopened: dict[str, None] = {}
        self.viewed: frozenset[str] = frozenset()
        #: A state message was not sent: the next one must be a snapshot.
        self.stale = True
        self.behind_since: float | None = None
        #: Characters that it may not have read yet.
        self.unread = 0

    def _ready(self) -> bool:
        if not self.channel.ready():
            return False
        self.unread = 0
        return True

    def _send(self, frame: str) -> None:
        self.unread += len(frame)
        self.channel.send(frame)

    def send_state(self, frame: str) -> None:
        """A change, in its turn; left out if the page is behind."""
        if self.stale:
            return
        if self._ready():
            self._send(frame)
        else:
            self.stale = True

    def send_extra(self, frame: str) -> None:
        """What is not missed if it is left out, because more of it follows."""
        if not self.stale and self._ready():
            self._send(frame)

    def send_log(
        self, item_id: str, frame: str, lines: int, with_gap: Callable[[int], str]
    ) -> None:
        """A piece of a log with ``lines`` lines. After a gap ``with_gap(lines)`` makes the
        message that tells of it."""
        if item_id in self.unopened:
            return  # it gets all of it when it is opened
        missed = self.skipped.get(item_id)
        if self.stale or not self._ready():
            self.skipped[item_id] = (missed or 0) + lines
        elif missed is None:
            self._send(frame)
        else:
            del self.skipped[item_id]
            self._send(with_gap(missed))

    def catch_up(self, now: float, opening: Callable[[], Iterable[str]],
                 log: Callable[[str], str], gap: Callable[[str, int], str]) -> bool:
        """Send what is due after it was behind: what a new page gets, ``log(item)`` for each
        log that it has opened, ``gap(item, lines)`` for the others. Whether it still is behind.
        """
        if not self.stale and not self.skipped and not self.unopened:
            self.behind_since = None
            return False
        if not self._ready():
            if self.behind_since is None:
                self.behind_since = now
            return True
        self.behind_since = None
        if self.stale:
            self.stale = False
            for frame in opening():
                self._send(frame)
        for item_id in list(self.unopened):
            if not self._ready():
                return True
            frame = log(item_id)
            del self.unopened[item_id]
            self._send(frame)
        for item_id in list(self.skipped):
            if not self._ready():
                return True
            self._send(gap(item_id, self.skipped.pop(item_id)))
        return False

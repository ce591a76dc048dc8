"""One open page: what it has asked to see, and what it has missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warrior.web.live.sockets import PageConnection

#: The most logs that one page can open, and the most items that it can have in view.
MAX_WATCHED, MAX_VIEWED = 8, 300


class Reader:
    """Nothing piles up for a page that reads slowly: later, a new snapshot replaces the changes
    that it missed, and a number of lines replaces the missed parts of a log."""

    def __init__(self, channel: PageConnection, session_id: str = "") -> None:
        self.channel = channel
        self.session_id = session_id
        #: The number of log lines that were not sent, by item.
        self.skipped: dict[str, int] = {}
        self.watched: set[str] = set()
        #: Logs that the page has opened but not received yet, in order.
        self.unopened: dict[str, None] = {}
        self.viewed: frozenset[str] = frozenset()
        #: Whether a change was not sent, so that the next message must be a snapshot.
        self.stale = True
        self.behind_since: float | None = None
        #: Characters that the page may not have read yet.
        self.unread = 0

    def ready(self) -> bool:
        """Whether the page has read everything that was sent."""
        if not self.channel.ready():
            return False
        self.unread = 0
        return True

    def send(self, frame: str) -> None:
        self.unread += len(frame)
        self.channel.send(frame)

    def send_state(self, frame: str) -> None:
        """Send a change; if the page is behind, it gets a snapshot later."""
        if not self.stale:
            if self.ready():
                self.send(frame)
            else:
                self.stale = True

    def send_extra(self, frame: str) -> None:
        """Send what may be left out, because newer values follow."""
        if not self.stale and self.ready():
            self.send(frame)

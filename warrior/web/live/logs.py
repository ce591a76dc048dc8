"""Log text and last lines, and which pages get them.

The text of a log goes only to pages that have it open; the last line of an item only to
pages that have its row in view.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from warrior.web import messages
from warrior.web.live.feed import LogFeed
from warrior.web.live.reader import MAX_VIEWED, MAX_WATCHED, Reader

if TYPE_CHECKING:
    from warrior.web.board import Board

#: Seconds between two last lines of an item in the list.
LINE_INTERVAL = 1.0
#: Characters of a log that a page gets when it opens it: fewer where pages have not read so
#: many (as they are sent) yet, but at least so many.
OPENING, MAX_UNREAD, SHORT_OPENING = 256 * 1024, 2 * 1024 * 1024, 8 * 1024


class Logs:
    """Feeds and views of all open pages. Where something is to be sent later, it is said
    in how many seconds; the hub sees to that."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._feeds: dict[str, LogFeed] = {}
        self._viewed: Counter[str] = Counter()
        self._new_lines: set[str] = set()
        self._lines_sent = 0.0

    # -- what a page says ------------------------------------------------------------
    def watch(self, reader: Reader, item_id: str) -> None:
        """The page opens a log: in its turn it gets what there is, then what comes.

        Raises ValueError for a page that opens more than it reads.
        """
        if len(reader.unopened) > 2 * MAX_WATCHED:
            raise ValueError("it opens logs without reading them")
        if item_id in self._board.items and len(reader.watched) < MAX_WATCHED:
            reader.watched.add(item_id)
            self._feeds.setdefault(item_id, LogFeed(item_id)).readers.add(reader)
        reader.skipped.pop(item_id, None)
        reader.unopened[item_id] = None

    def opening(self, reader: Reader, item_id: str, unread: int = 0) -> str:
        """What there is of a log, as the first message about it; ``unread`` is what all pages
        have not read yet, in characters."""
        if item_id not in reader.watched:
            return messages.frame({"type": "log", "item": item_id, "gone": True}, 0.0)
        feed = self._feeds.get(item_id)
        if feed is not None:
            # Those who read along get what is pending now: then all are at the same place.
            self._send_feed(feed)
        room = max(SHORT_OPENING, min(OPENING, (MAX_UNREAD - unread) // 4))
        frame = self._opening_frame(item_id, room)
        while len(frame) > 2 * room and room > SHORT_OPENING:
            room = max(SHORT_OPENING, room // 2)  # much of it has to be quoted
            frame = self._opening_frame(item_id, room)
        return frame

    def _opening_frame(self, item_id: str, room: int) -> str:
        log = self._board.logs.get(item_id)
        text = "" if log is None else log.text(room)
        before = 0 if log is None else log.lines_before(text)
        return messages.frame(
            {"type": "log", "item": item_id, "start": True, "before": before, "text": text}, 0.0)

    def unwatch(self, reader: Reader, item_id: str) -> None:
        reader.watched.discard(item_id)
        reader.skipped.pop(item_id, None)
        reader.unopened.pop(item_id, None)
        feed = self._feeds.get(item_id)
        if feed is not None:
            feed.readers.discard(reader)
            if not feed.readers:
                del self._feeds[item_id]

    def set_view(self, reader: Reader, item_ids: Iterable[Any]) -> bool:
        """These items are in view; whether there are last lines to send."""
        new = frozenset(i for i in list(item_ids)[:MAX_VIEWED] if isinstance(i, str))
        self._viewed.update(new)
        self._viewed.subtract(reader.viewed)
        self._viewed = +self._viewed
        self._new_lines |= new - reader.viewed
        reader.viewed = new
        return bool(self._new_lines)

    def leave(self, reader: Reader) -> None:
        """The page is gone."""
        for item_id in list(reader.watched):
            self.unwatch(reader, item_id)
        self.set_view(reader, ())

    def rest(self) -> None:
        """No page is open any more."""
        self._new_lines.clear()

    # -- what items say ----------------------------------------------------------------
    def came(self, item_id: str, text: str) -> float | None:
        """Output has come; in how many seconds to send, None if nobody wants it."""
        feed = self._feeds.get(item_id)
        if feed is not None:
            feed.add(text)
        if item_id in self._viewed and item_id not in self._new_lines:
            self._new_lines.add(item_id)
            return LINE_INTERVAL if feed is None else 0.0
        return None if feed is None else 0.0

    def gone(self, item_id: str) -> None:
        """The item is not shown any more."""
        self._new_lines.discard(item_id)

    # -- sending -------------------------------------------------------------------------
    def send(self, readers: Iterable[Reader], now: float) -> None:
        """All that is due."""
        for feed in self._feeds.values():
            self._send_feed(feed)
        if self._new_lines and now - self._lines_sent >= LINE_INTERVAL - 0.001:
            self._lines_sent = now
            self._send_lines(readers)

    def due(self, now: float) -> float | None:
        """In how many seconds to send last lines; None if there are none."""
        return max(0.0, self._lines_sent + LINE_INTERVAL - now) if self._new_lines else None

    def _send_feed(self, feed: LogFeed) -> None:
        text, skipped, lines = feed.take()
        if not text and not skipped:
            return

        def with_gap(missed: int) -> str:
            return messages.log_frame(feed.item_id, text, skipped + missed)

        frame = with_gap(0)
        for reader in feed.readers:
            reader.send_log(feed.item_id, frame, skipped + lines, with_gap)

    def _send_lines(self, readers: Iterable[Reader]) -> None:
        logs = {item_id: self._board.logs.get(item_id) for item_id in self._new_lines}
        self._new_lines.clear()
        lines = {item_id: log.last_line() for item_id, log in logs.items() if log is not None}
        frame = messages.frame({"type": "lines", "lines": lines}, 0.0)
        for reader in readers:
            if reader.viewed:
                reader.send_extra(frame)

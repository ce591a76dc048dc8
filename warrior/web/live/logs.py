"""What each open page reads: the state, the text of logs, the last lines of items.

The text of a log goes only to pages that have opened it; the last line of an item only to pages
that have its row in view.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from warrior.web import messages

if TYPE_CHECKING:
    from warrior.web.board import Board
    from warrior.web.live.sockets import PageConnection

#: The most logs that one page can open, and the most items that it can have in view.
MAX_WATCHED, MAX_VIEWED = 8, 300
#: Seconds between two last lines of an item in the list.
LINE_INTERVAL = 1.0
#: Characters of a log that a page gets when it opens it: from FEWEST_FIRST_CHARACTERS to
#: FIRST_CHARACTERS, as long as all pages together have less than MAX_UNREAD characters to read.
FIRST_CHARACTERS, MAX_UNREAD, FEWEST_FIRST_CHARACTERS = 256 * 1024, 2 * 1024 * 1024, 8 * 1024
#: The most characters of one log in one batch; nobody reads faster.
BATCH_CHARACTERS = 32 * 1024


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


class LogFeed:
    """The new text of one log since the last batch: the newest :data:`BATCH_CHARACTERS`, and the
    number of lines before them."""

    def __init__(self, item_id: str) -> None:
        self.item_id = item_id
        self.readers: set[Reader] = set()
        self._pieces: list[str] = []
        self._size = 0
        self._skipped = 0

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        if self._size > 2 * BATCH_CHARACTERS:
            self._shorten()

    def take(self) -> tuple[str, int, int]:
        """Remove and return the text, the number of skipped lines before it, and the number of its
        lines."""
        if self._size > BATCH_CHARACTERS:
            self._shorten()
        text, skipped = "".join(self._pieces), self._skipped
        self._pieces, self._size, self._skipped = [], 0, 0
        return text, skipped, text.count("\n")

    def _shorten(self) -> None:
        text = "".join(self._pieces)
        # If possible, begin with a whole line.
        start = text.find("\n", len(text) - BATCH_CHARACTERS) + 1 or len(text) - BATCH_CHARACTERS
        self._skipped += text.count("\n", 0, start)
        self._pieces = [text[start:]]
        self._size = len(text) - start


class Logs:
    """The opened logs and the viewed items of all pages. The hub sends batches: methods return
    in how many seconds the next one is needed."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._feeds: dict[str, LogFeed] = {}
        self._viewed: Counter[str] = Counter()
        self._new_lines: set[str] = set()
        self._lines_sent = 0.0

    # -- requests of a page ----------------------------------------------------------
    def watch(self, reader: Reader, item_id: str) -> None:
        """Open a log: later the page gets its text, then what is added.

        Raises ValueError for a page that opens more logs than it reads.
        """
        if len(reader.unopened) > 2 * MAX_WATCHED:
            raise ValueError("it opens logs without reading them")
        if item_id in self._board.items and len(reader.watched) < MAX_WATCHED:
            reader.watched.add(item_id)
            self._feeds.setdefault(item_id, LogFeed(item_id)).readers.add(reader)
        reader.skipped.pop(item_id, None)
        reader.unopened[item_id] = None

    def opening(self, reader: Reader, item_id: str, unread: int = 0) -> str:
        """The first message about a log; ``unread`` is the number of characters that all pages
        have not read yet."""
        if item_id not in reader.watched:
            return messages.frame({"type": "log", "item": item_id, "gone": True}, 0.0)
        feed = self._feeds.get(item_id)
        if feed is not None:
            # Bring the other pages of this log to the same place.
            self._send_feed(feed)
        room = max(FEWEST_FIRST_CHARACTERS, min(FIRST_CHARACTERS, (MAX_UNREAD - unread) // 4))
        frame = self._opening_frame(item_id, room)
        while len(frame) > 2 * room and room > FEWEST_FIRST_CHARACTERS:
            room = max(FEWEST_FIRST_CHARACTERS, room // 2)  # JSON has made it much longer
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
        """Note which items are in view; whether there are last lines to send."""
        new = frozenset(i for i in list(item_ids)[:MAX_VIEWED] if isinstance(i, str))
        self._viewed.update(new)
        self._viewed.subtract(reader.viewed)
        self._viewed = +self._viewed
        self._new_lines |= new - reader.viewed
        reader.viewed = new
        return bool(self._new_lines)

    def leave(self, reader: Reader) -> None:
        """Forget a page that has been closed."""
        for item_id in list(reader.watched):
            self.unwatch(reader, item_id)
        self.set_view(reader, ())

    def clear_pending(self) -> None:
        """Forget pending lines: no page is open any more."""
        self._new_lines.clear()

    # -- output of items ---------------------------------------------------------------
    def add_output(self, item_id: str, text: str) -> float | None:
        """Take new output; in how many seconds to send it, None if no page wants it."""
        feed = self._feeds.get(item_id)
        if feed is not None:
            feed.add(text)
        if item_id in self._viewed and item_id not in self._new_lines:
            self._new_lines.add(item_id)
            return LINE_INTERVAL if feed is None else 0.0
        return None if feed is None else 0.0

    def gone(self, item_id: str) -> None:
        """The item is no longer shown."""
        self._new_lines.discard(item_id)

    # -- sending -------------------------------------------------------------------------
    def send(self, readers: Iterable[Reader], now: float) -> None:
        """Send everything that is due."""
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
        item_id = feed.item_id
        frame = messages.log_frame(item_id, text, skipped)
        for reader in feed.readers:
            if item_id in reader.unopened:
                continue  # it will get the whole log
            missed = reader.skipped.get(item_id)
            if reader.stale or not reader.ready():
                reader.skipped[item_id] = (missed or 0) + skipped + lines
            elif missed is None:
                reader.send(frame)
            else:
                del reader.skipped[item_id]
                reader.send(messages.log_frame(item_id, text, skipped + missed))

    def _send_lines(self, readers: Iterable[Reader]) -> None:
        logs = {item_id: self._board.logs.get(item_id) for item_id in self._new_lines}
        self._new_lines.clear()
        lines = {item_id: log.last_line() for item_id, log in logs.items() if log is not None}
        frame = messages.frame({"type": "lines", "lines": lines}, 0.0)
        for reader in readers:
            if reader.viewed:
                reader.send_extra(frame)

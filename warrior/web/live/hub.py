"""The one place that tells open pages what has changed.

On connect a snapshot, then numbered changes. What changes within a tenth of a second is
sent together, encoded once for all pages. Log text goes only to pages that have that log
open. While no page is open, nothing here runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from warrior.web import messages
from warrior.web.board import Board
from warrior.web.live.feed import Feed
from warrior.web.live.reader import MAX_VIEWED, MAX_WATCHED, Channel, Reader
from warrior.web.messages import Json

logger = logging.getLogger(__name__)

#: Seconds between two batches, and between two last lines of an item in the list.
INTERVAL, LINE_INTERVAL = 0.1, 1.0
#: A page that has not read anything for so many seconds is let go; it may come back.
PATIENCE = 60.0
#: Seconds between two looks at project code that may not return, while a page is open.
WORKER_INTERVAL = 5.0
#: Characters of a log that a page gets when it opens it.
OPENING = 256 * 1024


class Hub:
    """Connections and the sequence number. A :class:`~warrior.web.board.Listener`."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.sequence = 0
        self.readers: set[Reader] = set()
        self._feeds: dict[str, Feed] = {}
        self._viewed: Counter[str] = Counter()
        self._changed: set[str] = set()
        self._gone: set[str] = set()
        self._runner_changed = False
        self._new_lines: set[str] = set()
        self._lines_sent = 0.0
        self._sent = 0.0
        self._tick: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._worker_shown = False
        board.listener = self

    # -- pages come and go -----------------------------------------------------------
    def join(self, channel: Channel) -> Reader:
        """A page has opened: it gets a snapshot."""
        reader = Reader(channel)
        self.readers.add(reader)
        self._catch_up(reader)
        if self._look is None:
            self._look_at_worker()
        return reader

    def leave(self, reader: Reader) -> None:
        if reader not in self.readers:
            return
        self.readers.discard(reader)
        for item_id in list(reader.watched):
            self._unwatch(reader, item_id)
        self._set_view(reader, ())
        if not self.readers:
            self._rest()

    def close(self, farewell: str) -> None:
        """Tell all pages that this is the end, and close them."""
        if self.readers:
            self._send_batch()
        bye = messages.frame({"type": "bye", "text": farewell})
        for reader in list(self.readers):
            reader.channel.send(bye)
            reader.channel.close()
            self.leave(reader)
        self._rest()

    def _rest(self) -> None:
        for handle in (self._tick, self._look):
            if handle is not None:
                handle.cancel()
        self._tick = self._look = None
        self._runner_changed = False
        for waiting in (self._changed, self._gone, self._new_lines):
            waiting.clear()

    # -- what a page says ------------------------------------------------------------
    def received(self, reader: Reader, message: Any) -> None:
        """One message of a page. Raises ValueError for one that makes no sense."""
        if not isinstance(message, dict):
            raise ValueError("a message must be an object")
        kind, item_id = message.get("type"), message.get("item")
        if kind == "watch" and isinstance(item_id, str):
            self._watch(reader, item_id)
        elif kind == "unwatch" and isinstance(item_id, str):
            self._unwatch(reader, item_id)
        elif kind == "view" and isinstance(message.get("items"), list):
            self._set_view(reader, message["items"])
        elif kind == "resync":
            reader.stale = True
            self._catch_up(reader)
        else:
            raise ValueError(f"unknown message {kind!r}")

    def _watch(self, reader: Reader, item_id: str) -> None:
        log = self.board.logs.get(item_id)
        if item_id not in self.board.items or len(reader.watched) >= MAX_WATCHED:
            reader.channel.send(messages.frame({"type": "log", "item": item_id, "gone": True}))
            return
        feed = self._feeds.setdefault(item_id, Feed(item_id))
        # Those who read along get what is pending now: then all are at the same place.
        self._send_feed(feed)
        reader.watched.add(item_id)
        feed.readers.add(reader)
        reader.skipped.pop(item_id, None)
        text = "" if log is None else log.text(OPENING)
        before = 0 if log is None else log.lines_before(text)
        reader.channel.send(messages.frame(
            {"type": "log", "item": item_id, "start": True, "before": before, "text": text}))

    def _unwatch(self, reader: Reader, item_id: str) -> None:
        reader.watched.discard(item_id)
        reader.skipped.pop(item_id, None)
        feed = self._feeds.get(item_id)
        if feed is not None:
            feed.readers.discard(reader)
            if not feed.readers:
                del self._feeds[item_id]

    def _set_view(self, reader: Reader, item_ids: Iterable[Any]) -> None:
        new = frozenset(i for i in list(item_ids)[:MAX_VIEWED] if isinstance(i, str))
        self._viewed.update(new)
        self._viewed.subtract(reader.viewed)
        self._viewed = +self._viewed
        self._new_lines |= new - reader.viewed
        reader.viewed = new
        if self._new_lines:
            self._soon()

    # -- what the board says -----------------------------------------------------------
    def all_changed(self) -> None:
        """More than changes can tell: every page gets a snapshot."""
        for reader in self.readers:
            reader.stale = True
        if self.readers:
            self._soon()

    def runner_changed(self) -> None:
        if self.readers:
            self._runner_changed = True
            self._soon()

    def item_changed(self, item_id: str) -> None:
        if self.readers:
            self._changed.add(item_id)
            self._soon()

    def item_gone(self, item_id: str) -> None:
        if self.readers:
            self._changed.discard(item_id)
            self._new_lines.discard(item_id)
            self._gone.add(item_id)
            self._soon()

    def output_came(self, item_id: str, text: str) -> None:
        if not self.readers:
            return
        feed = self._feeds.get(item_id)
        if feed is not None:
            feed.add(text)
            self._soon()
        if item_id in self._viewed and item_id not in self._new_lines:
            self._new_lines.add(item_id)
            self._soon(LINE_INTERVAL)

    # -- batches -------------------------------------------------------------------------
    def _soon(self, after: float = 0.0) -> None:
        """See to it that a batch goes out, but not sooner than the interval allows."""
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        when = loop.time() + max(self._sent + INTERVAL - now, after, 0.0)
        if self._tick is not None:
            if self._tick.when() <= when:
                return
            self._tick.cancel()
        self._tick = loop.call_at(when, self._on_tick)

    def _on_tick(self) -> None:
        self._tick = None
        if not self.readers:
            return
        self._send_batch()
        now = time.monotonic()
        behind = [reader for reader in self.readers if self._catch_up(reader)]
        for reader in behind:
            if reader.behind_since is not None and now - reader.behind_since > PATIENCE:
                logger.info("A page has not read anything for %.0f s: it is let go.", PATIENCE)
                reader.channel.abort()
                self.leave(reader)
        if behind:
            self._soon(INTERVAL)
        if self._new_lines:
            self._soon(max(0.0, self._lines_sent + LINE_INTERVAL - now))

    def _send_batch(self) -> None:
        now = self._sent = time.monotonic()
        if self._changed or self._gone or self._runner_changed:
            frame = messages.frame(self._change(now))
            for reader in self.readers:
                reader.send_state(frame)
        for feed in self._feeds.values():
            self._send_feed(feed)
        if self._new_lines and now - self._lines_sent >= LINE_INTERVAL - 0.001:
            self._lines_sent = now
            self._send_lines()

    def _change(self, now: float) -> Json:
        board = self.board
        self.sequence += 1
        worker = messages.worker_json(board, now)
        self._worker_shown = worker is not None
        changed = [messages.item_json(board, board.items[item_id], now)
                   for item_id in self._changed if item_id in board.items]
        change: Json = {
            "type": "change", "seq": self.sequence,
            "set": {"status": messages.status_json(board, now),
                    "runner": messages.runner_json(board), "worker": worker},
            "items": sorted(changed, key=lambda item: int(item["number"])),
            "gone": sorted(self._gone),
        }
        self._changed.clear()
        self._gone.clear()
        self._runner_changed = False
        return change

    def _send_feed(self, feed: Feed) -> None:
        text, skipped, lines = feed.take()
        if not text and not skipped:
            return

        def with_gap(missed: int) -> str:
            return messages.log_frame(feed.item_id, text, skipped + missed)

        frame = with_gap(0)
        for reader in feed.readers:
            reader.send_log(feed.item_id, frame, skipped + lines, with_gap)

    def _send_lines(self) -> None:
        logs = {item_id: self.board.logs.get(item_id) for item_id in self._new_lines}
        self._new_lines.clear()
        lines = {item_id: log.last_line() for item_id, log in logs.items() if log is not None}
        frame = messages.frame({"type": "lines", "lines": lines})
        for reader in self.readers:
            if reader.viewed and not reader.stale and reader.channel.ready():
                reader.channel.send(frame)

    def _catch_up(self, reader: Reader) -> bool:
        return reader.catch_up(time.monotonic(), self._snapshot,
                               lambda item_id, missed: messages.log_frame(item_id, "", missed))

    def _snapshot(self) -> str:
        state = messages.snapshot_json(self.board, time.monotonic())
        return messages.frame({"type": "snapshot", "seq": self.sequence, "state": state})

    # -- project code that does not return -------------------------------------------------
    def _look_at_worker(self) -> None:
        """Nothing tells when a call takes too long: while a page is open, look now and then."""
        now = time.monotonic()
        shown = messages.worker_json(self.board, now) is not None
        if shown != self._worker_shown:
            self.runner_changed()
        busy = self.board.busy()
        delay = WORKER_INTERVAL
        if busy is not None and not shown:
            left = busy.since + messages.BUSY_SHOWN_AFTER - now
            delay = min(delay, max(left, 0.0) + 0.05)
        self._look = asyncio.get_running_loop().call_later(delay, self._look_at_worker)

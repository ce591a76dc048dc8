"""The items' output in memory, bounded per line, per item and in total.

Text comes in chunks of any size, thousands per second if a child floods its output, and mostly
nobody reads it. So chunks are not split into lines: they are only scanned for lines that are too
long, and kept as they are. Sizes in memory are those of ``sys.getsizeof``, so the limits hold for
the memory that is really used.
"""

from __future__ import annotations

import re
import sys
from collections import OrderedDict, deque

#: The most characters of one line; a carriage return begins a new line.
LINE_LIMIT = 8 * 1024
#: Bytes of memory for one item's output.
ITEM_LIMIT = 512 * 1024
#: Bytes of memory for all items together.
TOTAL_LIMIT = 32 * 1024 * 1024

_CUT = " … (the rest of this line is left out"
_LINE_END = re.compile(r"[\r\n]")
#: Text before a carriage return, which a terminal overwrites.
_OVERWRITTEN = re.compile(r"[^\r\n]*\r+(?=[^\r\n])")
#: Chunks shorter than this are joined.
_JOIN_BELOW = 4096


class LineLimiter:
    """Cuts every line of a text to ``limit`` characters; a line may come in pieces.

    After a cut line, a remark gives the number of omitted characters.
    """

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._length = 0    # characters of the unfinished line
        self._left_out = 0  # omitted characters of that line

    def feed(self, text: str) -> str:
        """The part of ``text`` to keep, with remarks."""
        if "\n" not in text and "\r" not in text:
            if not self._left_out and self._length + len(text) <= self._limit:
                self._length += len(text)
                return text
        elif not self._left_out and self._all_short(text):
            end = max(text.rfind("\n"), text.rfind("\r", max(0, len(text) - self._limit)))
            self._length = len(text) - end - 1 if end >= 0 else self._length + len(text)
            return text
        return "".join(self._cut(text))

    def _all_short(self, text: str) -> bool:
        """Whether no line is too long, from one look per ``limit`` characters."""
        start, size = 0, len(text)
        room = self._limit - self._length
        while size - start > room:
            end = text.rfind("\n", start, start + room + 1)
            if end < 0:
                end = text.rfind("\r", start, start + room + 1)
                if end < 0:
                    return False
            start, room = end + 1, self._limit
        return True

    def _cut(self, text: str) -> list[str]:
        kept: list[str] = []
        start = 0
        ends = _LINE_END.finditer(text) if "\n" in text or "\r" in text else ()
        for match in ends:
            self._take(text, start, match.start(), kept)
            if self._left_out:
                kept.append(f": {self._left_out:,} characters)")
            kept.append(match.group())
            self._length = self._left_out = 0
            start = match.end()
        self._take(text, start, len(text), kept)
        return kept

    def _take(self, text: str, start: int, end: int, kept: list[str]) -> None:
        room = max(self._limit - self._length, 0)
        taken = min(end - start, room)
        kept.append(text[start:start + taken])
        self._length += taken
        if end - start > taken:
            if not self._left_out:
                kept.append(_CUT)
            self._left_out += end - start - taken


class ItemLog:
    """The last output of one item: at most ``limit`` bytes of memory."""

    def __init__(self, limit: int = ITEM_LIMIT) -> None:
        self.limit = limit
        #: Lines that were dropped from the front.
        self.lines_dropped = 0
        #: Bytes of memory in use.
        self.size = 0
        self._limiter = LineLimiter()
        self._chunks: deque[str] = deque()
        self._condense_again_at = 0

    def append(self, data: str) -> str:
        """Add output; returns the kept part of it (long lines are cut)."""
        text = self._limiter.feed(data)
        if not text:
            return text
        chunks = self._chunks
        if chunks and len(text) < _JOIN_BELOW and len(chunks[-1]) < _JOIN_BELOW:
            self.size -= sys.getsizeof(chunks[-1])
            chunks[-1] += text
        else:
            chunks.append(text)
        self.size += sys.getsizeof(chunks[-1])
        if self.size > self.limit:
            self._make_room()
        return text

    def text(self, last: int | None = None) -> str:
        """Everything, or about the ``last`` characters, from the start of a line."""
        if last is None:
            return "".join(self._chunks)
        taken: list[str] = []
        for chunk in reversed(self._chunks):
            taken.append(chunk)
            last -= len(chunk)
            if last < 0:
                break
        text = "".join(reversed(taken))
        if last < 0:
            text = text[-last:]
            text = text[text.find("\n") + 1:]
        return text

    def lines_before(self, text: str) -> int:
        """The number of lines before ``text``, which :meth:`text` returned."""
        kept = sum(chunk.count("\n") for chunk in self._chunks)
        return self.lines_dropped + kept - text.count("\n")

    def last_line(self, longest: int = 200) -> str:
        """The last line that is not blank, as a terminal shows it, cut to ``longest``."""
        for chunk in reversed(self._chunks):
            for line in reversed(chunk[-LINE_LIMIT:].splitlines()):
                if line.strip():
                    return line[:longest]
        return ""

    def shrink(self, limit: int) -> None:
        """Drop output from the front until at most ``limit`` bytes are in use."""
        while self.size > limit and self._chunks:
            chunk = self._chunks.popleft()
            weight = sys.getsizeof(chunk)
            self.size -= weight
            rest = ""
            if self.size < limit and chunk:
                # Keep the end of this chunk, from the start of a line.
                width = -(-weight // len(chunk))
                start = len(chunk) - max(0, limit - self.size - sys.getsizeof("")) // width
                line = chunk.find("\n", max(start, 0)) + 1
                rest = chunk[line:] if line else ""
            self.lines_dropped += chunk.count("\n", 0, len(chunk) - len(rest))
            if rest:
                self._chunks.appendleft(rest)
                self.size += sys.getsizeof(rest)

    def _make_room(self) -> None:
        # A progress bar, of which a terminal shows only the last state, would push out all lines.
        # So first drop what it has overwritten, but not again before much more has come.
        if self._condense_again_at <= 0 and any("\r" in chunk for chunk in self._chunks):
            condensed = _OVERWRITTEN.sub("", "".join(self._chunks))
            self._chunks = deque([condensed] if condensed else [])
            self.size = sum(map(sys.getsizeof, self._chunks))
            self._condense_again_at = self.limit // 4 if self.size > self.limit // 2 else 0
        before = self.size
        # Drop a quarter, so that this happens rarely.
        if self.size > self.limit:
            self.shrink(self.limit - self.limit // 4)
        self._condense_again_at -= max(before - self.size, 0)


class ItemLogs:
    """The logs of all items, by item id, in ``limit`` bytes of memory in total.

    If they need more, the oldest finished items lose their logs first; then the largest logs are
    shortened.
    """

    def __init__(self, limit: int = TOTAL_LIMIT, item_limit: int = ITEM_LIMIT) -> None:
        self.limit = limit
        self.item_limit = item_limit
        self.size = 0
        self._logs: OrderedDict[str, ItemLog] = OrderedDict()
        self._finished: OrderedDict[str, None] = OrderedDict()

    def get(self, item_id: str) -> ItemLog | None:
        return self._logs.get(item_id)

    def append(self, item_id: str, data: str) -> str:
        """Add output of an item; returns the kept part of it."""
        log = self._logs.get(item_id)
        if log is None:
            log = self._logs[item_id] = ItemLog(self.item_limit)
        before = log.size
        kept = log.append(data)
        self.size += log.size - before
        if self.size > self.limit:
            self._make_room(item_id)
        return kept

    def finish(self, item_id: str) -> None:
        """Note that the item has ended: its log is dropped before those of running items."""
        if item_id in self._logs:
            self._finished[item_id] = None

    def drop(self, item_id: str) -> None:
        """Remove an item's log."""
        log = self._logs.pop(item_id, None)
        self._finished.pop(item_id, None)
        if log is not None:
            self.size -= log.size

    def _make_room(self, keep: str) -> None:
        wanted = self.limit - self.limit // 16
        for item_id in [old for old in self._finished if old != keep]:
            if self.size <= wanted:
                return
            self._shrink(self._logs[item_id], 0)
            self._finished.pop(item_id)
        while self.size > wanted:
            largest = max(self._logs.values(), key=lambda log: log.size)
            self._shrink(largest, largest.size // 2)

    def _shrink(self, log: ItemLog, limit: int) -> None:
        before = log.size
        log.shrink(limit)
        self.size += log.size - before

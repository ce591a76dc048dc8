"""The new text of one item's log since the last batch, for the pages that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warrior.web.live.reader import Reader

#: Characters of one log in one batch; nobody reads faster.
WINDOW = 32 * 1024


class LogFeed:
    """Keeps the newest :data:`WINDOW` characters and counts the lines before them."""

    def __init__(self, item_id: str) -> None:
        self.item_id = item_id
        self.readers: set[Reader] = set()
        self._pieces: list[str] = []
        self._size = 0
        self._skipped = 0

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        if self._size > 2 * WINDOW:
            self._shorten()

    def take(self) -> tuple[str, int, int]:
        """The text, how many lines before it were skipped, how many lines it has; then
        begin anew."""
        if self._size > WINDOW:
            self._shorten()
        text, skipped = "".join(self._pieces), self._skipped
        self._pieces, self._size, self._skipped = [], 0, 0
        return text, skipped, text.count("\n")

    def _shorten(self) -> None:
        text = "".join(self._pieces)
        # From the start of a line on, if there is one.
        start = text.find("\n", len(text) - WINDOW) + 1 or len(text) - WINDOW
        self._skipped += text.count("\n", 0, start)
        self._pieces = [text[start:]]
        self._size = len(text) - start

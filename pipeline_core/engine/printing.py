"""Route ``print``: what project code prints goes to its item's log, or to its load's log."""

from __future__ import annotations

import contextlib
import contextvars
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

Sink = Callable[[str], None]

#: The destination of the running code's prints; None: the process's own streams.
current_sink: contextvars.ContextVar[_Lines | None] = contextvars.ContextVar(
    "print_sink", default=None)


class _Lines:
    """Buffers the small writes of one ``print`` until its line ends."""

    __slots__ = ("_sink", "parts")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.parts: list[str] = []

    def write(self, text: str) -> None:
        self.parts.append(text)
        if "\n" in text:
            self.flush()

    def flush(self) -> None:
        if self.parts:
            text = "".join(self.parts)
            self.parts.clear()
            self._sink(text)


class PrintRouter(io.TextIOBase):
    """Replaces ``sys.stdout`` or ``sys.stderr``.

    Output of code that runs for an item (or a load) goes to that item (or load); all other
    output goes to the original stream.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self.stream = stream

    def write(self, text: str) -> int:
        lines = current_sink.get()
        if lines is not None:
            lines.write(str(text))
        elif self.stream is not None:
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        lines = current_sink.get()
        if lines is not None:
            lines.flush()
        elif self.stream is not None:
            self.stream.flush()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Do nothing: the stream belongs to the process, so project code must not close it."""

    # `buffer`, `encoding`, `fileno`, `isatty` … are taken from the original stream.
    def __getattribute__(self, name: str) -> Any:
        if name in _STREAM_ATTRIBUTES:
            return getattr(object.__getattribute__(self, "stream"), name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


_STREAM_ATTRIBUTES = frozenset({"encoding", "errors", "fileno", "isatty", "newlines"})


@contextlib.contextmanager
def prints_to(sink: Sink) -> Iterator[None]:
    """Send what is printed inside the block, in this context, to ``sink``."""
    # Checked before each use: other code (a test runner, a project) replaces the streams too.
    if not isinstance(sys.stdout, PrintRouter):
        sys.stdout = PrintRouter(sys.stdout)
    if not isinstance(sys.stderr, PrintRouter):
        sys.stderr = PrintRouter(sys.stderr)
    lines = _Lines(sink)
    token = current_sink.set(lines)
    try:
        yield
    finally:
        current_sink.reset(token)
        if lines.parts:
            lines.flush()

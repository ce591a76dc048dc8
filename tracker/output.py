"""What the commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from tracker.names import shown

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def print_json(value: object) -> None:
    """Print *value*, dataclasses in it as objects, on one line."""
    print(json.dumps(value, default=_as_object))


def _as_object(value: Any) -> dict[str, Any]:
    return asdict(value)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], nothing: str) -> None:
    """Print *rows* in columns under *header*, numbers to the right; *nothing* when there are none.

    Text from outside cannot move the cursor: what is not printable is shown as JSON writes it.
    """
    kept = list(rows)
    if not kept:
        print(nothing)
        return
    cells = [list(header), *([cell(value) for value in row] for row in kept)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    right = [all(type(row[column]) is int for row in kept) for column in range(len(header))]
    for row in cells:
        aligned = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right)
        ]
        print("  ".join(aligned).rstrip())


def cell(value: object) -> str:
    """Return *value* as a table shows it: a dash where there is nothing."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(str(value))


def plain(text: str) -> str:
    """Return *text* as it is when it can be printed, else quoted with escapes."""
    return text if text.isprintable() else shown(text, len(text))


def size(number: int) -> str:
    """Return *number* of bytes with a unit: ``512 B``, ``1.5 GiB``."""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{number} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def warn(sentence: str) -> None:
    """Print *sentence* on standard error, after the program's name."""
    print(f"run-tracker: {visible(sentence)}", file=sys.stderr)


def visible(text: str) -> str:
    """Return *text* with escapes for what would command a terminal, line ends aside."""
    return _COMMANDS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class VisibleFormatter(logging.Formatter):
    """Formats log records for a terminal: what clients send commands nothing there."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return visible(super().format(record))

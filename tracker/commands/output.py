"""What the commands print: text and tables for people, JSON for scripts."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from tracker import text
from tracker.names import shown


def print_json(value: object) -> None:
    """Print *value* on one line; dataclasses become objects."""
    print(json.dumps(value, default=asdict))


def table(header: Sequence[str], rows: Iterable[Sequence[object]], nothing: str) -> str:
    """Return *rows* in columns under *header*, or *nothing* if there are none.

    Numbers are aligned to the right. Characters that could control the terminal are escaped.
    """
    values = list(rows)
    if not values:
        return nothing
    cells = [list(header), *([cell(value) for value in row] for row in values)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    right = [all(type(value) is int for value in column) for column in zip(*values)]
    lines = [
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right)
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def cell(value: object) -> str:
    """Return *value* as a table shows it; a dash if there is nothing."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    line = str(value)
    return line if line.isprintable() else shown(line, len(line))


def warn(sentence: str) -> None:
    """Print *sentence* on standard error, after the program's name."""
    print(f"run-tracker: {visible(sentence)}", file=sys.stderr)


def visible(line: str) -> str:
    """Return *line* with its control characters escaped, except the ends of lines and tabs."""
    return text.visible(line, None, "\n\t")


class VisibleFormatter(logging.Formatter):
    """Formats log records so that names from clients cannot control the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))

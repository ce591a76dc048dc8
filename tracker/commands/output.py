"""What the commands print: text and tables for people, JSON for scripts."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TypeVar

from tracker import text
from tracker.names import shown

T = TypeVar("T")


def as_json(options: argparse.Namespace) -> bool:
    """Return whether --json was given, before or after a verb."""
    return bool(getattr(options, "json", False))


def print_result(options: argparse.Namespace, value: object, sentence: str) -> None:
    """Print *value* as JSON if --json was given, else *sentence*."""
    if as_json(options):
        print_json(value)
    else:
        print(sentence)


def print_list(
    options: argparse.Namespace,
    values: Sequence[T],
    header: Sequence[str],
    row: Callable[[T], Iterable[object]],
    nothing: str,
) -> None:
    """Print *values* as JSON if --json was given, else the *row* of each in a table."""
    if as_json(options):
        print_json(values)
    else:
        print_table(header, [list(row(value)) for value in values], nothing)


def print_json(value: object) -> None:
    """Print *value* on one line; dataclasses become objects."""
    print(json.dumps(value, default=asdict))


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]], nothing: str) -> None:
    """Print *rows* in columns under *header*, or *nothing* if there are none.

    Numbers are aligned to the right. Characters that could control the terminal are escaped.
    """
    if not rows:
        print(nothing)
        return
    cells = [list(header), *([cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    right = [all(type(value) is int for value in column) for column in zip(*rows)]
    for row in cells:
        aligned = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right)
        ]
        print("  ".join(aligned).rstrip())


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
        """Return the line."""
        return visible(super().format(record))

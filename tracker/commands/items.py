"""``add``, ``status``, ``export``: add items, count them, and export the reports."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from dataclasses import asdict, dataclass, field

from tracker.commands.options import Commands, command, moment, opened, queue_options
from tracker.commands.output import as_json, print_result, warn
from tracker.names import check_project
from tracker.store.adding import Lines, add_items, item_names
from tracker.store.lock import FolderLock
from tracker.store.projects import Projects
from tracker.store.queues import Queue, queue_of
from tracker.store.reading import export_lines
from tracker.store.store import Store

WARNED_LINES = 20
"""Most bad lines of one file that people are warned about one by one."""


def register(commands: Commands) -> None:
    """Add the commands to the parser."""
    parser = command(
        commands, "add", _add, "add items from files with one item in each line",
        "The name of an item is the whole line, including spaces at its ends. Empty lines, a byte "
        "order mark at the start of a file and the carriage returns of Windows lines are dropped. "
        "Names that the project already has are counted and left as they are. Lines that cannot be "
        "names are reported and left out, and the exit status is 65.",
        project="if there is no such project, it is made, and the output says so",
    )  # fmt: skip
    parser.add_argument("files", metavar="FILE", nargs="+", help="a file, or - for standard input")
    queue_options(parser, "normal")
    command(commands, "status", _status, "count a project's items", project="")
    parser = command(
        commands, "export", _export, "write the reports of a project as lines of JSON",
        "Each line is one report: its time, downloader, items, bytes, and everything that was "
        "reported.",
        json=False, project="",
    )  # fmt: skip
    parser.add_argument(
        "--since", metavar="TIME", type=moment, default=0.0,
        help="omit earlier reports; TIME is 2026-01-02 or 2026-01-02T03:04:05Z",
    )  # fmt: skip


@dataclass
class _Result:
    """What ``add`` did."""

    project: str
    created: bool = False
    """Whether the project is new: its name may be mistyped."""
    new: int = 0
    known: int = 0
    bad: list[dict[str, object]] = field(default_factory=list)
    bad_count: int = 0

    def __str__(self) -> str:
        created = f"{self.project} is a new project.\n" if self.created else ""
        left_out = f", {self.bad_count} bad lines left out" if self.bad_count else ""
        return f"{created}{self.project}: {self.new} new, {self.known} already there{left_out}"


def _add(options: argparse.Namespace) -> int:
    """Queue the items in the files; print how many were new, even if a file cannot be read."""
    result, unreadable = _Result(check_project(options.project)), False
    with opened(options, create=True) as store:
        for name in options.files:
            try:
                _add_file(store, result, name, options)
            except OSError as error:
                warn(f"Cannot read {name}: {error.strerror}.")
                unreadable = True
                break
    print_result(options, asdict(result), str(result))
    return os.EX_NOINPUT if unreadable else os.EX_DATAERR if result.bad_count else os.EX_OK


def _add_file(store: Store, result: _Result, name: str, options: argparse.Namespace) -> None:
    """Queue the items of one file; raises OSError."""
    label = "standard input" if name == "-" else name
    queue = queue_of(options.queue, options.for_downloader) or Queue()
    polite = FolderLock.taken(options.data_dir)
    lines = Lines()
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if name == "-" else open(name, "rb") as file:
            with store.transaction():
                result.created |= store.make_project(result.project)
            names = item_names(file, lines)
            for added in add_items(store, result.project, names, queue, polite):
                result.new += added.new
                result.known += added.known
    finally:
        result.bad_count += lines.bad_count
        result.bad += [
            {"file": label, "line": bad.number, "reason": bad.reason} for bad in lines.bad
        ]
        if not as_json(options):
            _warn_of(label, lines)


def _warn_of(label: str, lines: Lines) -> None:
    """Warn people of the lines that were left out."""
    for bad in lines.bad[:WARNED_LINES]:
        warn(f"{label}, line {bad.number}: {bad.reason}")
    more = lines.bad_count - min(WARNED_LINES, len(lines.bad))
    if more:
        warn(f"{label}: {more} more bad lines.")


def _status(options: argparse.Namespace) -> None:
    """Print how many items of the project are in each state."""
    with opened(options) as store:
        project = Projects(store).get(options.project)
    print_result(options, project, f"{project.name}: {project.summary}")


def _export(options: argparse.Namespace) -> None:
    """Print the reports."""
    with opened(options) as store:
        for line in export_lines(store, options.project, options.since):
            sys.stdout.write(line + os.linesep)

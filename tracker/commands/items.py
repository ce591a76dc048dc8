"""``add``, ``claims``, ``release``, ``redo``: add items, list claims, hand out items again."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from functools import partial

from tracker.commands.options import (
    Commands,
    Result,
    age,
    as_json,
    command,
    number,
    queue_options,
)
from tracker.commands.output import table, warn
from tracker.names import check_project
from tracker.store.adding import Lines, add_items
from tracker.store.claims import Selection
from tracker.store.items import NORMAL_QUEUE, REDO, Queue, queue_of
from tracker.store.lock import FolderLock
from tracker.store.store import Store
from tracker.text import short_age, stamp

WARNED_LINES = 20
"""Most bad lines of one file that people are warned about one by one."""

READ_BYTES = 1 << 16

HOW_TO_SELECT = (
    "Select items with --older-than, --downloader or --pattern, or all of them with --all alone."
)


def register(commands: Commands) -> None:
    parser = command(
        commands, "add", _add, "add items from files with one item in each line",
        "The name of an item is the whole line, including spaces at its ends. Empty lines, a byte "
        "order mark at the start of a file and the carriage returns of Windows lines are dropped. "
        "Names that the project already has are counted and left as they are. Lines that cannot be "
        "names are reported and left out, and the exit status is 65.",
        project="if there is no such project, it is made, and the output says so", create=True,
    )  # fmt: skip
    parser.add_argument("files", metavar="FILE", nargs="+", help="a file, or - for standard input")
    queue_options(parser, "normal")
    parser = command(
        commands, "claims", _claims, "list claimed items, oldest first", project=""
    )
    _selection_options(parser, "claimed")
    parser.add_argument(
        "--limit", metavar="N", type=number(1, 100_000_000), default=1000,
        help="list at most N claims (default: 1000)",
    )  # fmt: skip
    parser = command(
        commands, "release", partial(_requeue, "released"),
        "release claims, so that the items are handed out again",
        "A downloader that finishes a released item can still report it: the item counts once.",
        project="",
    )  # fmt: skip
    _selection_options(parser, "claimed", "release every claim of the project")
    queue_options(parser, "the queue from which each came")
    parser = command(
        commands, "redo", partial(_requeue, "to be done again"),
        "put finished items into the redo queue",
        "Use this if results turn out to be bad. The totals of the first reports stay as they are.",
        project="",
    )  # fmt: skip
    _selection_options(parser, "done", "hand out every finished item again")


def _selection_options(parser: argparse.ArgumentParser, what: str, all_help: str = "") -> None:
    parser.add_argument(
        "--older-than", metavar="AGE", type=age,
        help=f"{what} at least this long ago: 90s, 15m, 6h or 2d",
    )  # fmt: skip
    parser.add_argument("--downloader", metavar="NAME", help=f"{what} by this downloader")
    parser.add_argument(
        "--pattern", metavar="GLOB",
        help="whose full name matches this glob: * any text, ? one character, [abc] one of these",
    )  # fmt: skip
    if all_help:
        parser.add_argument("--all", action="store_true", help=all_help)


@dataclass
class _Added:
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


def _add(store: Store, options: argparse.Namespace) -> Result:
    """Queue the items in the files; count how many were new, even if a file cannot be read."""
    result, status = _Added(check_project(options.project)), os.EX_OK
    for name in options.files:
        try:
            _add_file(store, result, name, options)
        except OSError as error:
            warn(f"Cannot read {name}: {error.strerror}.")
            status = os.EX_NOINPUT
            break
    if result.bad_count and not status:
        status = os.EX_DATAERR
    return Result(asdict(result), str(result), status)


def _add_file(store: Store, result: _Added, name: str, options: argparse.Namespace) -> None:
    """Queue the items of one file; raises OSError."""
    queue = queue_of(options.queue, options.for_downloader) or NORMAL_QUEUE
    polite = FolderLock.taken(options.data_dir)
    lines = Lines()

    def add() -> None:
        for added in add_items(store, result.project, lines.take(), queue, polite):
            result.new += added.new
            result.known += added.known

    try:
        with contextlib.nullcontext(sys.stdin.buffer) if name == "-" else open(name, "rb") as file:
            with store.transaction():
                result.created |= store.make_project(result.project)
            while piece := file.read(READ_BYTES):
                if lines.feed(piece):
                    add()
        lines.end()
        add()
    finally:
        _report_bad("standard input" if name == "-" else name, lines, result, as_json(options))


def _report_bad(label: str, lines: Lines, result: _Added, quiet: bool) -> None:
    """Add the bad lines of one file to the result, and warn people of them unless *quiet*."""
    result.bad_count += lines.bad_count
    result.bad += [{"file": label, "line": bad.number, "reason": bad.reason} for bad in lines.bad]
    if quiet:
        return
    for bad in lines.bad[:WARNED_LINES]:
        warn(f"{label}, line {bad.number}: {bad.reason}")
    more = lines.bad_count - min(WARNED_LINES, len(lines.bad))
    if more:
        warn(f"{label}: {more} more bad lines.")


def _selection(options: argparse.Namespace) -> Selection:
    return Selection(options.older_than, options.downloader, options.pattern)


def _claims(store: Store, options: argparse.Namespace) -> Result:
    # One more than is listed shows whether there are more.
    found = store.claims(options.project, _selection(options), options.limit + 1)
    if len(found) > options.limit:
        found.pop()
        warn(f"There are more than these {options.limit} claims: see --limit.")
    now = time.time()
    rows = (
        (one.name, one.downloader, stamp(one.claimed_at), short_age(now - one.claimed_at))
        for one in found
    )
    header = ("ITEM", "DOWNLOADER", "CLAIMED", "AGE")
    return Result(found, table(header, rows, "No such claims."))


def _requeue(what: str, store: Store, options: argparse.Namespace) -> Result:
    """Carry out ``release`` or ``redo``, in transactions that do not keep a server waiting."""
    chosen = _selection(options).confirmed(options.all, HOW_TO_SELECT)
    done = what != "released"
    queue = Queue(REDO) if done else queue_of(options.queue, options.for_downloader)
    total, more, last = 0, 1, 0
    while more:
        with store.transaction():
            more, last = store.requeue(options.project, chosen, queue, done, last)
        total += more
    value = {"project": options.project, what.replace(" ", "_"): total}
    return Result(value, f"{options.project}: {total} {what}")

"""``add``, ``status``, ``export``: items in, items counted, work out."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from dataclasses import asdict, dataclass, field
from typing import BinaryIO

from tracker.adding import Lines, add_items, item_names
from tracker.exporting import export_lines
from tracker.lock import FolderLock
from tracker.names import check_project
from tracker.options import (
    EX_DATAERR,
    EX_NOINPUT,
    EX_OK,
    Commands,
    as_json,
    command,
    moment_value,
    opened,
    queue_options,
)
from tracker.output import print_json, warn
from tracker.projects import Projects
from tracker.queues import queue_of
from tracker.store import Store

TOLD_BAD = 20
"""Bad lines told to people, of one file."""


def register(commands: Commands) -> None:
    """Add the commands to the parser."""
    parser = command(
        commands, "add", _add, "queue items, one a line, of files",
        "A name is the whole line as it stands, with blanks at its ends if it has some; a byte "
        "order mark at the start of a file, the carriage return of a Windows line and empty lines "
        "are dropped. "
        "Names that the project has already are counted and left as they are. Lines that cannot "
        "be names are told and left out; then the exit status is 65.",
    )  # fmt: skip
    parser.add_argument("project", metavar="PROJECT", help="made, and told, when it is not there")
    parser.add_argument("files", metavar="FILE", nargs="+", help="a file, or - for the input")
    queue_options(parser, "normal")
    parser = command(commands, "status", _status, "count a project's items")
    parser.add_argument("project", metavar="PROJECT")
    parser = command(
        commands, "export", _export, "write what was done as lines of JSON",
        "A line is one report: its time, downloader, items, bytes, and all that was told.",
        json=False,
    )  # fmt: skip
    parser.add_argument("project", metavar="PROJECT")
    parser.add_argument(
        "--since", metavar="TIME", type=moment_value, default=0.0,
        help="only what came then or later: 2026-01-02 or 2026-01-02T03:04:05Z",
    )  # fmt: skip


@dataclass
class _Account:
    """What came of an ``add``."""

    project: str
    created: bool = False
    """Whether there was no such project before: its name may be mistyped."""
    new: int = 0
    known: int = 0
    bad: list[dict[str, object]] = field(default_factory=list)
    bad_count: int = 0
    status: int = EX_OK

    def note_bad(self, label: str, lines: Lines) -> None:
        """Take over the bad lines of one file."""
        if lines.bad_count:
            self.status = EX_DATAERR
        self.bad_count += lines.bad_count
        self.bad += [{"file": label, "line": bad.number, "reason": bad.reason} for bad in lines.bad]


def _add(options: argparse.Namespace) -> int:
    """Queue the items in the files; says how many were new, also when one cannot be read."""
    account = _Account(check_project(options.project))
    told = not as_json(options)
    with opened(options, create=True) as store:
        for name in options.files:
            try:
                _add_file(store, account, name, options, told)
            except OSError as error:
                warn(f"cannot read {name}: {error.strerror}.")
                account.status = EX_NOINPUT
                break
    if not told:
        values = asdict(account)
        del values["status"]
        print_json(values)
        return account.status
    if account.created:
        print(f"{account.project} is a new project.")
    left_out = f", {account.bad_count} bad lines left out" if account.bad_count else ""
    print(f"{account.project}: {account.new} new, {account.known} already there{left_out}")
    return account.status


def _add_file(
    store: Store, account: _Account, name: str, options: argparse.Namespace, told: bool
) -> None:
    """Queue the items of one file; raises OSError."""
    label = "standard input" if name == "-" else name
    queue = queue_of(options.queue, options.for_downloader)
    polite = FolderLock.taken(options.data_dir)
    lines = Lines()
    try:
        with _file(name) as file:
            with store.transaction():
                account.created |= store.make_project(account.project)
            names = item_names(file, lines)
            for added in add_items(store, account.project, names, queue, polite):
                account.new += added.new
                account.known += added.known
    finally:
        account.note_bad(label, lines)
        if told:
            _tell_bad(label, lines)


def _tell_bad(label: str, lines: Lines) -> None:
    """Tell people the lines that were left out."""
    for bad in lines.bad[:TOLD_BAD]:
        warn(f"{label}, line {bad.number}: {bad.reason}")
    more = lines.bad_count - min(TOLD_BAD, len(lines.bad))
    if more:
        warn(f"{label}: {more} more bad lines.")


def _file(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if name == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    return open(name, "rb")


def _status(options: argparse.Namespace) -> int:
    """Print how many items of the project are in each state."""
    with opened(options) as store:
        counts = store.counts(options.project)
        its = Projects(store.connection).get(options.project)
    if as_json(options):
        print_json(its)
    else:
        print(f"{its.name}: {counts.todo} to do, {counts.out} out, {counts.done} done")
    return EX_OK


def _export(options: argparse.Namespace) -> int:
    """Print the reports."""
    with opened(options) as store:
        for line in export_lines(store, options.project, options.since):
            sys.stdout.write(line + os.linesep)
    return EX_OK

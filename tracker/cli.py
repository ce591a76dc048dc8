"""The command line of ``run-tracker``."""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from tracker.commands import backup, blocks, claims, items, keys, projects, serving, targets
from tracker.errors import (
    BackupFailed,
    CannotListen,
    FolderUnusable,
    NewerDatabase,
    StoreTrouble,
    TrackerError,
)
from tracker.options import (
    EX_CANTCREAT,
    EX_CONFIG,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
    EX_USAGE,
    Parser,
    data_dir_option,
)
from tracker.output import VisibleFormatter, warn

DESCRIPTION = """\
Hands out the items of projects, takes their results and uploads. Everything is kept in the
data folder; every command works while the server runs, which follows at its next request.
Without a command it serves."""

EXIT_STATUSES = """\
exit status: 0 done; 64 bad usage, or no such project; 65 a line of a file cannot be an item;
66 a file cannot be read; 69 cannot listen at the address; 73 the data folder or a file cannot
be used, or another tracker uses it; 75 the database is busy; 78 the database is of a newer
version."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line *arguments* (default: the process's own); return the exit status."""
    log = logging.StreamHandler()
    log.setFormatter(VisibleFormatter("%(asctime)s %(message)s"))
    logging.basicConfig(handlers=[log], level=logging.WARNING)
    if isinstance(sys.stdout, io.TextIOWrapper):  # whatever the terminal cannot show is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except TrackerError as error:
        return _complain(str(error), _status_of(error))
    except sqlite3.Error as error:
        return _complain(f"the database cannot be used now: {error}; try again.", EX_TEMPFAIL)
    except BrokenPipeError:  # the reader, such as head, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _status_of(error: TrackerError) -> int:
    """Return the exit status for *error*."""
    kinds = (
        (NewerDatabase, EX_CONFIG),
        (FolderUnusable, EX_CANTCREAT),
        (BackupFailed, EX_CANTCREAT),
        (CannotListen, EX_UNAVAILABLE),
        (StoreTrouble, EX_TEMPFAIL),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), EX_USAGE)


def _parser() -> argparse.ArgumentParser:
    """Return the parser; options may stand before and after the command."""
    parser = Parser(prog="run-tracker", description=DESCRIPTION, epilog=EXIT_STATUSES)
    parser.set_defaults(run=serving.run)
    data_dir_option(parser, Path("tracker-data"))
    serving.serve_options(parser, first=True)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser, title="commands")
    for each in (serving, projects, items, claims, targets, blocks, keys, backup):
        each.register(commands)
    return parser


def _complain(sentence: str, status: int) -> int:
    warn(sentence)
    return status

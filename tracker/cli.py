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

from tracker.commands import items, lists, projects, serving
from tracker.commands.options import Parser, data_dir_option
from tracker.commands.output import VisibleFormatter, warn
from tracker.errors import TrackerError

DESCRIPTION = """\
Hands out the items of projects, takes uploads, and counts results. All data is in the data
folder. Every command works while the server runs; a running server picks up changes at its
next request. Without a command, run-tracker runs the server."""

EXIT_STATUSES = """\
exit status: 0 success; 64 bad usage, or no such project; 65 a line of a file cannot be an item;
66 a file cannot be read; 69 cannot listen at the address; 73 the data folder or a file cannot
be used, or another tracker uses it; 75 the database is busy; 78 a newer version wrote the
database."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line *arguments* (default: the process's own); return the exit status."""
    log = logging.StreamHandler()
    log.setFormatter(VisibleFormatter("%(asctime)s %(message)s"))
    logging.basicConfig(handlers=[log], level=logging.WARNING)
    if isinstance(sys.stdout, io.TextIOWrapper):  # escape what the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except TrackerError as error:
        warn(str(error))
        return error.exit_status
    except sqlite3.Error as error:
        warn(f"Cannot use the database now: {error}. Try again.")
        return os.EX_TEMPFAIL
    except BrokenPipeError:  # the reader of the output, such as head, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    """Return the parser; options may be given before and after the command."""
    parser = Parser(prog="run-tracker", description=DESCRIPTION, epilog=EXIT_STATUSES)
    parser.set_defaults(run=serving.run)
    data_dir_option(parser, Path("tracker-data"))
    serving.serve_options(parser, first=True)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser, title="commands")
    for each in (serving, projects, items, lists):
        each.register(commands)
    return parser

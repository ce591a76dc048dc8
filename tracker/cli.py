"""The command line of ``run-tracker``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

from tracker.adding import add_items, item_names
from tracker.app import DATABASE, Settings
from tracker.errors import (
    BadValue,
    CannotListen,
    FolderUnusable,
    NewerDatabase,
    StoreTrouble,
    TrackerError,
)
from tracker.names import check_project
from tracker.practice.items import DEFAULT_ITEMS
from tracker.serve import serve
from tracker.store import Store
from tracker.targets import UploadTargets

EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE = 0, 64, 65, 66, 69
EX_CANTCREAT, EX_TEMPFAIL, EX_CONFIG = 73, 75, 78

DESCRIPTION = """\
Hands out the items of projects, takes their results and uploads. Everything is kept in the
data folder; items can be added and looked at while the server runs."""

EXIT_STATUSES = """\
exit status: 0 done; 64 bad usage; 65 a line of a file cannot be an item; 66 a file cannot be
read; 69 cannot listen at the address; 73 the data folder cannot be used, or another tracker
uses it; 75 the database is busy; 78 the database is of a newer version."""


class _Parser(argparse.ArgumentParser):
    """Exits with 64, the system's status for bad usage, where argparse has 2."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line *arguments* (default: the process's own); return the exit status."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    options = _parser().parse_args(arguments)
    try:
        if options.command == "add":
            return _add(options.data_dir, options.project, options.files)
        if options.command == "status":
            return _status(options.data_dir, options.project)
        serve(_settings(options))
        return EX_OK
    except TrackerError as error:
        return _complain(str(error), _status_of(error))
    except sqlite3.Error as error:
        return _complain(f"the database cannot be used now: {error}; try again.", EX_TEMPFAIL)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _status_of(error: TrackerError) -> int:
    """Return the exit status for *error*."""
    kinds = (
        (NewerDatabase, EX_CONFIG),
        (FolderUnusable, EX_CANTCREAT),
        (CannotListen, EX_UNAVAILABLE),
        (StoreTrouble, EX_TEMPFAIL),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), EX_USAGE)


def _parser() -> argparse.ArgumentParser:
    """Return the parser; options may stand before and after the command."""
    parser = _Parser(prog="run-tracker", description=DESCRIPTION, epilog=EXIT_STATUSES)
    _shared_options(parser, first=True)
    _serve_options(parser, first=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    command = commands.add_parser("serve", help="serve the projects (the default)")
    _shared_options(command)
    _serve_options(command)
    command = commands.add_parser("add", help="queue items, one a line, of the files")
    _shared_options(command)
    command.add_argument("project", metavar="PROJECT")
    command.add_argument("files", metavar="FILE", nargs="+", help="a file, or - for the input")
    command = commands.add_parser("status", help="count a project's items")
    _shared_options(command)
    command.add_argument("project", metavar="PROJECT")
    return parser


def _shared_options(parser: argparse.ArgumentParser, first: bool = False) -> None:
    """Add what every command takes; only the *first* parser has the defaults, or a command's
    parser would set them over what was given before the command."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        default=Path("tracker-data") if first else argparse.SUPPRESS,
        help="where items and uploads are kept (default: tracker-data)",
    )


def _serve_options(parser: argparse.ArgumentParser, first: bool = False) -> None:
    """Add the server's options."""

    def option(name: str, default: object, help: str, **more: object) -> None:
        chosen = default if first else argparse.SUPPRESS
        parser.add_argument(name, default=chosen, help=help, **more)  # type: ignore[arg-type]

    option("--address", "127.0.0.1", "where to listen (default: %(default)s)", metavar="HOST")
    option("--port", 8900, "0 takes any free one (default: 8900)", metavar="PORT", type=_port)
    option(
        "--upload-target", [], "send uploads there instead of to this server; may be given "
        "several times, and as PROJECT=URL", metavar="URL", action="append",
    )  # fmt: skip
    option(
        "--max-upload-size", 1 << 40, "largest file taken by this server: bytes, or a number "
        "with K, M, G or T (default: 1T)", metavar="SIZE", type=_size,
    )  # fmt: skip
    option("--practice", False, "serve the practice project and its site", action="store_true")
    option(
        "--practice-items", None, "practice items that wait at the start "
        f"(default: {DEFAULT_ITEMS})", metavar="N", type=_count,
    )  # fmt: skip


def _settings(options: argparse.Namespace) -> Settings:
    if options.practice_items is not None and not options.practice:
        raise BadValue("--practice-items is for --practice: give both.")
    waiting = DEFAULT_ITEMS if options.practice_items is None else options.practice_items
    return Settings(
        data_dir=options.data_dir,
        address=options.address,
        port=options.port,
        upload_targets=UploadTargets(options.upload_target),
        max_upload_bytes=options.max_upload_size,
        practice_items=waiting if options.practice else None,
    )


def _add(data_dir: Path, project: str, files: Sequence[str]) -> int:
    """Queue the items in *files*; says how many were new, also when a line stops it."""
    check_project(project)
    new = known = 0
    status, name = EX_OK, ""
    with contextlib.closing(Store.open(data_dir / DATABASE)) as store:
        try:
            for name in files:
                label = "standard input" if name == "-" else name
                with _opened(name) as file:
                    for added in add_items(store, project, item_names(file, label)):
                        new, known = new + added.new, known + added.known
        except BadValue as error:
            status = _complain(f"{error} It and what follows were not added.", EX_DATAERR)
        except OSError as error:
            status = _complain(f"cannot read {name}: {error.strerror}.", EX_NOINPUT)
    print(f"{project}: {new} new, {known} already there")
    return status


def _opened(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if name == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    return open(name, "rb")


def _status(data_dir: Path, project: str) -> int:
    """Print how many items of *project* are in each state."""
    with contextlib.closing(Store.open(data_dir / DATABASE, create=False)) as store:
        counts = store.counts(project)
    print(f"{project}: {counts.todo} to do, {counts.out} out, {counts.done} done")
    return EX_OK


def _complain(sentence: str, status: int) -> int:
    print(f"run-tracker: {sentence}", file=sys.stderr)
    return status


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return number


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError("give a number from 0 to 10000000")
    return number


def _size(text: str) -> int:
    """Return the bytes that *text* means: a number, with K, M, G or T for powers of 1024."""
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}.get(text[-1:].upper(), 0)
    digits = text[:-1] if factor else text
    if not (digits.isascii() and digits.isdigit() and int(digits)):
        raise argparse.ArgumentTypeError("give a size such as 500M or 20G")
    return int(digits) * (factor or 1)

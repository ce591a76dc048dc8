"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from tracker.errors import BadValue
from tracker.output import visible
from tracker.schema import DATABASE
from tracker.stamps import age, moment
from tracker.store import Store

EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE = 0, 64, 65, 66, 69
EX_CANTCREAT, EX_TEMPFAIL, EX_CONFIG = 73, 75, 78

Command = Callable[[argparse.Namespace], int]

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """Exits with 64, the system's status for bad usage, where argparse has 2."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {visible(message)}\n")


Commands = Any  # what add_subparsers returns has no public name


def command(
    commands: Commands, name: str, run: Command, help: str, more: str = "", json: bool = True
) -> argparse.ArgumentParser:
    """Return the parser of a new command *name*, carried out by *run*; *more* explains it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}. {more}".strip(),
    )
    parser.set_defaults(run=run)
    data_dir_option(parser)
    if json:
        json_option(parser)
    return parser


def verbs(parser: argparse.ArgumentParser) -> Commands:
    """Return what takes the verbs of a command that has some."""
    return parser.add_subparsers(metavar="VERB", parser_class=Parser, title="verbs")


def data_dir_option(parser: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    """Add --data-dir; only the outermost parser has a *default*, or a command's parser would set
    it over what was given before the command."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        default=default,
        help="where items and uploads are kept (default: tracker-data)",
    )


def json_option(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for scripts"
    )


def project_option(parser: argparse.ArgumentParser) -> None:
    """Add --project, for what may also be meant for every project."""
    parser.add_argument(
        "--project", metavar="PROJECT", help="for this project only (default: for every project)"
    )


def queue_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --queue and --for, which name a queue; *default* tells what neither means."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--queue",
        choices=("normal", "secondary", "redo"),
        help=f"the queue; they are emptied in this order (default: {default})",
    )
    group.add_argument(
        "--for", dest="for_downloader", metavar="DOWNLOADER",
        help="items that this downloader gets, before all others, and nobody else",
    )  # fmt: skip


@contextlib.contextmanager
def opened(options: argparse.Namespace, create: bool = False) -> Iterator[Store]:
    """Give the store of the data folder; raises FolderUnusable."""
    store = Store.open(options.data_dir / DATABASE, create=create)
    try:
        yield store
    finally:
        store.close()


def project_number(store: Store, project: str | None) -> int | None:
    """Return the number of *project*, None for every project; raises UnknownProject."""
    return None if project is None else store.project_id(project)


def as_json(options: argparse.Namespace) -> bool:
    """Say whether --json was given, before or after a verb."""
    return bool(getattr(options, "json", False))


def number(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from *low* to *high*."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text}: give a number from {low} to {high}")
        return int(text)

    return read


def size(text: str) -> int:
    """Return the bytes that *text* means: a number, with K, M, G or T for powers of 1024."""
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}.get(text[-1:].upper(), 0)
    digits = text[:-1] if factor else text
    if not (digits.isascii() and digits.isdigit() and int(digits)):
        raise argparse.ArgumentTypeError("give a size such as 500M or 20G")
    return int(digits) * (factor or 1)


def _read_by(read: Callable[[str], T]) -> Callable[[str], T]:
    """Return *read* with its BadValue as argparse wants it."""

    def reader(text: str) -> T:
        try:
            return read(text)
        except BadValue as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reader


age_value = _read_by(age)
moment_value = _read_by(moment)

"""The options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from tracker.commands.output import visible
from tracker.errors import BadValue
from tracker.store.queues import NUMBERS
from tracker.store.schema import DATABASE
from tracker.store.store import Store
from tracker.text import read_age, read_number, read_size, read_time

T = TypeVar("T")

Command = Callable[[argparse.Namespace], int | None]
"""Carries out a command; returns the exit status, None for 0."""

Commands = Any  # the type that add_subparsers returns has no public name


class Parser(argparse.ArgumentParser):
    """Exits with 64, the system's status for bad usage, instead of argparse's 2."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_USAGE, f"{self.prog}: {visible(message)}\n")


def command(
    commands: Commands,
    name: str,
    run: Command,
    help: str,
    more: str = "",
    json: bool = True,
    project: str | None = None,
) -> argparse.ArgumentParser:
    """Return the parser of a new command *name*, which *run* carries out.

    *more* explains it in its --help. *project*, the help of an argument PROJECT, adds that.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}. {more}".strip(),
    )
    parser.set_defaults(run=run)
    data_dir_option(parser)
    if json:
        parser.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for scripts"
        )
    if project is not None:
        parser.add_argument("project", metavar="PROJECT", help=project or None)
    return parser


def verbs(parser: argparse.ArgumentParser) -> Commands:
    """Return what takes the verbs of a command."""
    return parser.add_subparsers(metavar="VERB", parser_class=Parser, title="verbs")


def data_dir_option(parser: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    """Add --data-dir.

    Only the outermost parser has a *default*: that of a command's parser would replace a value
    that was given before the command.
    """
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        default=default,
        help="the folder of the database and the uploads (default: tracker-data)",
    )


def project_option(parser: argparse.ArgumentParser) -> None:
    """Add --project, for what can also apply to every project."""
    parser.add_argument(
        "--project", metavar="PROJECT", help="only for this project (default: for every project)"
    )


def switch(
    parser: argparse.ArgumentParser, name: str, on: tuple[str, str], off: tuple[str, str]
) -> None:
    """Add two options, each with its help, that set *name* to true and to false."""
    group = parser.add_mutually_exclusive_group()
    for value, (option, help) in ((True, on), (False, off)):
        group.add_argument(option, dest=name, action="store_const", const=value, help=help)


def queue_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --queue and --for, which name a queue; *default* says what neither of them means."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--queue",
        choices=tuple(NUMBERS),
        help=f"the queue; the queues are emptied in this order (default: {default})",
    )
    group.add_argument(
        "--for", dest="for_downloader", metavar="DOWNLOADER",
        help="reserve the items for this downloader, who gets them first",
    )  # fmt: skip


@contextlib.contextmanager
def opened(options: argparse.Namespace, create: bool = False) -> Iterator[Store]:
    """Open the store of the data folder, or make it if *create*; raises FolderUnusable."""
    with contextlib.closing(Store.open(options.data_dir / DATABASE, create=create)) as store:
        yield store


@contextlib.contextmanager
def changing(options: argparse.Namespace, create: bool = False) -> Iterator[Store]:
    """Open the store as ``opened`` does, and run the body in one transaction."""
    with opened(options, create) as store, store.transaction():
        yield store


def _read_by(read: Callable[[str], T]) -> Callable[[str], T]:
    """Return *read* with its BadValue as argparse wants it."""

    def reader(text: str) -> T:
        try:
            return read(text)
        except BadValue as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reader


age, moment, size = _read_by(read_age), _read_by(read_time), _read_by(read_size)


def number(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from *low* to *high*."""
    return _read_by(lambda text: read_number(text, low, high))

"""How commands are declared and run, and the options that several of them share."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

from tracker.commands.output import print_json, visible
from tracker.errors import BadValue
from tracker.store.items import NUMBERS
from tracker.store.schema import DATABASE
from tracker.store.store import Store
from tracker.text import read_age, read_number, read_size, read_time

T = TypeVar("T")


class Result(NamedTuple):
    """What a command prints, as JSON (*value*) or as *text*, and its exit status."""

    value: object
    text: str
    status: int = os.EX_OK


Command = Callable[[Store, argparse.Namespace], Result]
"""Carries out a command."""

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
    project: str | None = None,
    write: bool = False,
    create: bool = False,
) -> argparse.ArgumentParser:
    """Return the parser of a new command *name*, which *run* carries out.

    *more* explains it in its --help. *project*, the help of an argument PROJECT, adds that. If
    *write*, the command runs in one transaction. *create* makes the database if there is none.
    """
    parser = plain_command(commands, name, partial(_run, run, write, create), help, more)
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for scripts"
    )
    if project is not None:
        parser.add_argument("project", metavar="PROJECT", help=project or None)
    return parser


def plain_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    help: str,
    more: str = "",
) -> argparse.ArgumentParser:
    """Return the parser of a command that opens and prints things by itself."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}. {more}".strip()
    )
    parser.set_defaults(run=run)
    data_dir_option(parser)
    return parser


def _run(run: Command, write: bool, create: bool, options: argparse.Namespace) -> int:
    """Carry out a command on the store of the data folder, and print its result."""
    with contextlib.ExitStack() as closing:
        store = closing.enter_context(opened(options, create))
        if write:
            closing.enter_context(store.transaction())
        result = run(store, options)
    if as_json(options):
        print_json(result.value)
    else:
        print(result.text)
    return result.status


def opened(
    options: argparse.Namespace, create: bool = False
) -> contextlib.AbstractContextManager[Store]:
    """Return the store of the data folder, to be closed; make it if *create*.

    Raises FolderUnusable.
    """
    return contextlib.closing(Store(options.data_dir / DATABASE, create=create))


def as_json(options: argparse.Namespace) -> bool:
    """Return whether --json was given, before or after a verb."""
    return bool(getattr(options, "json", False))


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

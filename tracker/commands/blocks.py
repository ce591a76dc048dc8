"""``blocks``: who is sent away."""

from __future__ import annotations

import argparse

from tracker.blocks import Block, Blocks
from tracker.options import (
    EX_OK,
    Commands,
    as_json,
    command,
    opened,
    project_number,
    project_option,
    verbs,
)
from tracker.output import print_json, print_table
from tracker.stamps import stamp


def register(commands: Commands) -> None:
    """Add the command and its verbs to the parser."""
    parser = command(
        commands, "blocks", _list, "downloaders and addresses that get 403",
        "Without a verb: list them. Who is blocked can still give items back.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _list, "list them")
    for name, run, help in (("add", _add, "block"), ("remove", _remove, "let in again")):
        verb = command(found, name, run, f"{help} a downloader, an address or a network")
        verb.add_argument("value", metavar="WHO", help="NICKNAME, 192.0.2.1, 2001:db8::/32")
        project_option(verb)
        if run is _add:
            verb.add_argument("--reason", metavar="TEXT", default="", help="kept for yourself")


def _list(options: argparse.Namespace) -> int:
    with opened(options) as store:
        blocks = Blocks(store.connection).list()
    if as_json(options):
        print_json(blocks)
    else:
        header = ("BLOCKED", "KIND", "PROJECT", "SINCE", "REASON")
        print_table(header, map(_row, blocks), "Nobody is blocked.")
    return EX_OK


def _row(block: Block) -> tuple[object, ...]:
    since = stamp(block.created_at)
    return block.value, block.kind, block.project or "(every)", since, block.reason


def _add(options: argparse.Namespace) -> int:
    with opened(options, create=True) as store, store.transaction():
        number = project_number(store, options.project)
        block = Blocks(store.connection).add(number, options.value, options.reason)
    if as_json(options):
        print_json(block)
    else:
        print(f"{block.value} is blocked in {block.project or 'every project'}")
    return EX_OK


def _remove(options: argparse.Namespace) -> int:
    with opened(options) as store, store.transaction():
        number = project_number(store, options.project)
        Blocks(store.connection).remove(number, options.value)
    if as_json(options):
        print_json({"removed": options.value})
    else:
        print(f"{options.value} is let in again")
    return EX_OK

"""``blocks``: list, add and remove blocks."""

from __future__ import annotations

import argparse

from tracker.commands.options import Commands, changing, command, opened, project_option, verbs
from tracker.commands.output import tell, tell_list
from tracker.store.blocks import Block, Blocks
from tracker.text import stamp

HEADER = ("BLOCKED", "KIND", "PROJECT", "SINCE", "REASON")


def register(commands: Commands) -> None:
    """Add the command and its verbs to the parser."""
    parser = command(
        commands, "blocks", _list, "block downloaders and addresses, which then get 403",
        "Without a verb, list the blocks. Blocked downloaders can still release their items.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _list, "list the blocks")
    for name, run, help in (("add", _add, "block"), ("remove", _remove, "unblock")):
        verb = command(found, name, run, f"{help} a downloader, an address or a network")
        verb.add_argument(
            "value", metavar="WHO", help="NICKNAME, 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32"
        )
        project_option(verb)
        if run is _add:
            verb.add_argument(
                "--reason", metavar="TEXT", default="", help="a note for yourself and your team"
            )


def _list(options: argparse.Namespace) -> None:
    with opened(options) as store:
        tell_list(options, Blocks(store).list(), HEADER, _row, "Nobody is blocked.")


def _row(block: Block) -> tuple[object, ...]:
    since = stamp(block.created_at)
    return block.value, block.kind, block.project or "(every)", since, block.reason


def _add(options: argparse.Namespace) -> None:
    with changing(options, create=True) as store:
        block = Blocks(store).add(options.project, options.value, options.reason)
    tell(options, block, f"{block.value} is blocked in {block.project or 'every project'}")


def _remove(options: argparse.Namespace) -> None:
    with changing(options) as store:
        Blocks(store).remove(options.project, options.value)
    tell(options, {"removed": options.value}, f"{options.value} is not blocked any more")

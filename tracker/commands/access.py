"""``blocks`` and ``keys``: who may not use the tracker, and who may command it by HTTP."""

from __future__ import annotations

import argparse

from tracker.commands.options import Commands, changing, command, opened, project_option, verbs
from tracker.commands.output import print_list, print_result
from tracker.store.blocks import Block, Blocks
from tracker.store.keys import Keys
from tracker.text import stamp

HEADER = ("BLOCKED", "KIND", "PROJECT", "SINCE", "REASON")


def register(commands: Commands) -> None:
    """Add the commands and their verbs to the parser."""
    parser = command(
        commands, "blocks", _list_blocks, "block downloaders and addresses, which then get 403",
        "Without a verb, list the blocks. Blocked downloaders can still release their items.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _list_blocks, "list the blocks")
    for name, run, help in (("add", _block, "block"), ("remove", _unblock, "unblock")):
        verb = command(found, name, run, f"{help} a downloader, an address or a network")
        verb.add_argument(
            "value", metavar="WHO", help="NICKNAME, 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32"
        )
        project_option(verb)
        if run is _block:
            verb.add_argument(
                "--reason", metavar="TEXT", default="", help="a note for yourself and your team"
            )
    parser = command(
        commands, "keys", _list_keys, "manage the keys for scripts that use HTTP",
        "Without a verb, list the names of the keys. Scripts send a key as 'Authorization: Bearer "
        "KEY' to /_admin/projects and the other addresses below /_admin.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _list_keys, "list the names of the keys")
    verb = command(found, "make", _make_key, "make a key and print it; it cannot be printed again")
    verb.add_argument("name", metavar="NAME", help="who or what uses the key")
    verb = command(found, "revoke", _revoke_key, "make a key invalid at once")
    verb.add_argument("name", metavar="NAME")


def _list_blocks(options: argparse.Namespace) -> None:
    with opened(options) as store:
        print_list(options, Blocks(store).list(), HEADER, _row, "Nobody is blocked.")


def _row(block: Block) -> tuple[object, ...]:
    since = stamp(block.created_at)
    return block.value, block.kind, block.project or "(every)", since, block.reason


def _block(options: argparse.Namespace) -> None:
    with changing(options, create=True) as store:
        block = Blocks(store).add(options.project, options.value, options.reason)
    print_result(options, block, f"{block.value} is blocked in {block.project or 'every project'}")


def _unblock(options: argparse.Namespace) -> None:
    with changing(options) as store:
        Blocks(store).remove(options.project, options.value)
    print_result(options, {"removed": options.value}, f"{options.value} is not blocked any more")


def _list_keys(options: argparse.Namespace) -> None:
    with opened(options) as store:
        print_list(
            options, Keys(store).list(), ("KEY", "MADE"),
            lambda key: (key.name, stamp(key.created_at)),
            "No keys: nobody can command this tracker by HTTP.",
        )  # fmt: skip


def _make_key(options: argparse.Namespace) -> None:
    with changing(options, create=True) as store:
        key = Keys(store).make(options.name)
    print_result(options, {"name": options.name, "key": key}, key)


def _revoke_key(options: argparse.Namespace) -> None:
    with changing(options) as store:
        Keys(store).revoke(options.name)
    print_result(options, {"revoked": options.name}, f"{options.name} is revoked")

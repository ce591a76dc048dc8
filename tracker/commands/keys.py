"""``keys``: who may command the tracker by HTTP."""

from __future__ import annotations

import argparse

from tracker.keys import Keys
from tracker.options import EX_OK, Commands, as_json, command, opened, verbs
from tracker.output import print_json, print_table
from tracker.stamps import stamp


def register(commands: Commands) -> None:
    """Add the command and its verbs to the parser."""
    parser = command(
        commands, "keys", _list, "keys that command the tracker by HTTP",
        "Without a verb: list their names. Send a key as 'Authorization: Bearer KEY' to "
        "/_admin/projects and its like.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _list, "list their names")
    verb = command(found, "make", _make, "make a key; it is shown this once")
    verb.add_argument("name", metavar="NAME", help="whose it is, or what for")
    verb = command(found, "revoke", _revoke, "make a key worthless at once")
    verb.add_argument("name", metavar="NAME")


def _list(options: argparse.Namespace) -> int:
    with opened(options) as store:
        keys = Keys(store.connection).list()
    if as_json(options):
        print_json(keys)
    else:
        rows = ((key.name, stamp(key.created_at)) for key in keys)
        print_table(("KEY", "MADE"), rows, "No keys: nobody commands this tracker by HTTP.")
    return EX_OK


def _make(options: argparse.Namespace) -> int:
    with opened(options, create=True) as store, store.transaction():
        key = Keys(store.connection).make(options.name)
    if as_json(options):
        print_json({"name": options.name, "key": key})
    else:
        print(key)
    return EX_OK


def _revoke(options: argparse.Namespace) -> int:
    with opened(options) as store, store.transaction():
        Keys(store.connection).revoke(options.name)
    if as_json(options):
        print_json({"revoked": options.name})
    else:
        print(f"{options.name} is revoked")
    return EX_OK

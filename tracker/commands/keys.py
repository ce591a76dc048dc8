"""``keys``: list, make and revoke the keys for commands by HTTP."""

from __future__ import annotations

import argparse

from tracker.commands.options import Commands, changing, command, opened, verbs
from tracker.commands.output import tell, tell_list
from tracker.store.keys import Keys
from tracker.text import stamp


def register(commands: Commands) -> None:
    """Add the command and its verbs to the parser."""
    parser = command(
        commands, "keys", _list, "manage the keys with which scripts command the tracker by HTTP",
        "Without a verb, list the names of the keys. Scripts send a key as 'Authorization: Bearer "
        "KEY' to /_admin/projects and the other addresses below /_admin.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _list, "list the names of the keys")
    verb = command(found, "make", _make, "make a key and print it; it cannot be printed again")
    verb.add_argument("name", metavar="NAME", help="who or what uses the key")
    verb = command(found, "revoke", _revoke, "make a key invalid at once")
    verb.add_argument("name", metavar="NAME")


def _list(options: argparse.Namespace) -> None:
    with opened(options) as store:
        tell_list(
            options, Keys(store).list(), ("KEY", "MADE"),
            lambda key: (key.name, stamp(key.created_at)),
            "No keys: nobody can command this tracker by HTTP.",
        )  # fmt: skip


def _make(options: argparse.Namespace) -> None:
    with changing(options, create=True) as store:
        key = Keys(store).make(options.name)
    tell(options, {"name": options.name, "key": key}, key)


def _revoke(options: argparse.Namespace) -> None:
    with changing(options) as store:
        Keys(store).revoke(options.name)
    tell(options, {"revoked": options.name}, f"{options.name} is revoked")

"""``targets``, ``blocks`` and ``keys``: the operator's lists."""

from __future__ import annotations

import argparse

from tracker.commands.options import (
    Commands,
    Result,
    command,
    number,
    project_option,
    switch,
    verbs,
)
from tracker.commands.output import table
from tracker.errors import BadValue
from tracker.store.store import Store
from tracker.store.targets import MOST_WEIGHT, Target
from tracker.text import stamp


def register(commands: Commands) -> None:
    _register_targets(commands)
    parser = command(
        commands, "blocks", _blocks, "block downloaders and addresses, which then get 403",
        "Without a verb, list the blocks. Blocked downloaders can still release their items.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _blocks, "list the blocks")
    for name, run, help in (("add", _block, "block"), ("remove", _unblock, "unblock")):
        more = f"{help} a downloader, an address or a network"
        verb = command(found, name, run, more, write=True, create=run is _block)
        verb.add_argument(
            "value", metavar="WHO", help="NICKNAME, 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32"
        )
        project_option(verb)
        if run is _block:
            verb.add_argument(
                "--reason", metavar="TEXT", default="", help="a note for yourself and your team"
            )
    parser = command(
        commands, "keys", _keys, "manage the keys for scripts that use HTTP",
        "Without a verb, list the names of the keys. Scripts send a key as 'Authorization: Bearer "
        "KEY' to /_admin/projects and the other addresses below /_admin.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _keys, "list the names of the keys")
    verb = command(
        found, "make", _make_key, "make a key and print it once",
        write=True, create=True,
    )  # fmt: skip
    verb.add_argument("name", metavar="NAME", help="the person or script that uses the key")
    verb = command(found, "revoke", _revoke_key, "revoke a key immediately", write=True)
    verb.add_argument("name", metavar="NAME")


def _register_targets(commands: Commands) -> None:
    parser = command(
        commands, "targets", _targets, "manage the upload targets",
        "Without a verb, list the targets. Uploads go to them in turn. A project with targets of "
        "its own uses only those; other projects use the targets for every project. Without any "
        "target, uploads go to this server.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _targets, "list the targets")
    for name, run, help in (
        ("add", _add_target, "add a target"),
        ("change", _change_target, "change the weight of a target, or whether it is active"),
        ("remove", _remove_target, "remove a target"),
    ):
        verb = command(found, name, run, help, write=True, create=run is _add_target)
        verb.add_argument("url", metavar="URL", help="rsync://HOST/…/ or http(s)://HOST/…/")
        project_option(verb)
        if run is _remove_target:
            continue
        verb.add_argument(
            "--weight", metavar="N", type=number(1, MOST_WEIGHT),
            help="send it N uploads for each one to a target of weight 1 (default when added: 1)",
        )  # fmt: skip
        switch(
            verb, "active", ("--active", "use the target (default when added)"),
            ("--inactive", "send no uploads to the target"),
        )  # fmt: skip


def _targets(store: Store, options: argparse.Namespace) -> Result:
    found = store.targets()
    rows = ((one.url, one.project or "(every)", one.weight, one.active) for one in found)
    header = ("TARGET", "PROJECT", "WEIGHT", "ACTIVE")
    return Result(found, table(header, rows, "No targets: uploads go to this server."))


def _add_target(store: Store, options: argparse.Namespace) -> Result:
    return _target(
        store.add_target(options.project, options.url, options.weight, options.active)
    )


def _change_target(store: Store, options: argparse.Namespace) -> Result:
    if options.weight is None and options.active is None:
        raise BadValue("Say what to change: --weight, --active or --inactive.")
    return _target(
        store.change_target(options.project, options.url, options.weight, options.active)
    )


def _target(target: Target) -> Result:
    state = f"weight {target.weight}" if target.active else "inactive"
    return Result(target, f"{target.url} of {target.project or 'every project'}: {state}")


def _remove_target(store: Store, options: argparse.Namespace) -> Result:
    store.remove_target(options.project, options.url)
    return Result({"removed": options.url}, f"{options.url} is removed")


def _blocks(store: Store, options: argparse.Namespace) -> Result:
    found = store.blocks()
    rows = (
        (one.value, one.kind, one.project or "(every)", stamp(one.created_at), one.reason)
        for one in found
    )
    header = ("BLOCKED", "KIND", "PROJECT", "SINCE", "REASON")
    return Result(found, table(header, rows, "Nobody is blocked."))


def _block(store: Store, options: argparse.Namespace) -> Result:
    block = store.block(options.project, options.value, options.reason)
    return Result(block, f"{block.value} is blocked in {block.project or 'every project'}")


def _unblock(store: Store, options: argparse.Namespace) -> Result:
    store.unblock(options.project, options.value)
    return Result({"removed": options.value}, f"{options.value} is no longer blocked")


def _keys(store: Store, options: argparse.Namespace) -> Result:
    found = store.key_list()
    rows = ((key.name, stamp(key.created_at)) for key in found)
    nothing = "No keys: this tracker takes no commands over HTTP."
    return Result(found, table(("KEY", "MADE"), rows, nothing))


def _make_key(store: Store, options: argparse.Namespace) -> Result:
    key = store.make_key(options.name)
    return Result({"name": options.name, "key": key}, key)


def _revoke_key(store: Store, options: argparse.Namespace) -> Result:
    store.revoke_key(options.name)
    return Result({"revoked": options.name}, f"{options.name} is revoked")

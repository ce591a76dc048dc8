"""``targets``: where uploads go."""

from __future__ import annotations

import argparse

from tracker.errors import BadValue
from tracker.options import (
    EX_OK,
    Commands,
    as_json,
    command,
    number,
    opened,
    project_number,
    project_option,
    verbs,
)
from tracker.output import print_json, print_table
from tracker.targettable import MOST_WEIGHT, KeptTarget, TargetTable


def register(commands: Commands) -> None:
    """Add the command and its verbs to the parser."""
    parser = command(
        commands, "targets", _list, "where uploads go, in turn",
        "Without a verb: list them. A project with targets of its own uses those alone, others "
        "those for every project; with none, uploads come to this server.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _list, "list them")
    verb = command(found, "add", _add, "add a target")
    _target_options(verb)
    verb = command(found, "change", _change, "change a target's weight, or whether it is used")
    _target_options(verb)
    verb = command(found, "remove", _remove, "forget a target")
    verb.add_argument("url", metavar="URL")
    project_option(verb)


def _target_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="rsync://HOST/…/ or http(s)://HOST/…/")
    project_option(parser)
    parser.add_argument(
        "--weight", metavar="N", type=number(1, MOST_WEIGHT),
        help="it gets N uploads where one of weight 1 gets one (at first: 1)",
    )  # fmt: skip
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--inactive", dest="active", action="store_const", const=False, help="send nothing there"
    )
    group.add_argument(
        "--active", dest="active", action="store_const", const=True, help="use it (at first so)"
    )


def _list(options: argparse.Namespace) -> int:
    with opened(options) as store:
        targets = TargetTable(store.connection).list()
    if as_json(options):
        print_json(targets)
    else:
        header = ("TARGET", "PROJECT", "WEIGHT", "ACTIVE")
        print_table(header, map(_row, targets), "No targets: uploads come to this server.")
    return EX_OK


def _row(target: KeptTarget) -> tuple[object, ...]:
    return target.url, target.project or "(every)", target.weight, target.active


def _add(options: argparse.Namespace) -> int:
    with opened(options, create=True) as store, store.transaction():
        place = project_number(store, options.project)
        active = options.active is not False
        target = TargetTable(store.connection).add(place, options.url, options.weight or 1, active)
    return _show(options, target)


def _change(options: argparse.Namespace) -> int:
    if options.weight is None and options.active is None:
        raise BadValue("Say what to change: --weight, --active or --inactive.")
    with opened(options) as store, store.transaction():
        place = project_number(store, options.project)
        target = TargetTable(store.connection).change(
            place, options.url, options.weight, options.active
        )
    return _show(options, target)


def _show(options: argparse.Namespace, target: KeptTarget) -> int:
    if as_json(options):
        print_json(target)
    else:
        state = f"weight {target.weight}" if target.active else "inactive"
        print(f"{target.url} of {target.project or 'every project'}: {state}")
    return EX_OK


def _remove(options: argparse.Namespace) -> int:
    with opened(options) as store, store.transaction():
        place = project_number(store, options.project)
        TargetTable(store.connection).remove(place, options.url)
    if as_json(options):
        print_json({"removed": options.url})
    else:
        print(f"{options.url} is forgotten")
    return EX_OK

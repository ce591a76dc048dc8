"""``targets``: list, add, change and remove upload targets."""

from __future__ import annotations

import argparse

from tracker.commands.options import (
    Commands,
    changing,
    command,
    number,
    opened,
    project_option,
    switch,
    verbs,
)
from tracker.commands.output import print_list, print_result
from tracker.errors import BadValue
from tracker.store.targets import MOST_WEIGHT, Target, Targets

HEADER = ("TARGET", "PROJECT", "WEIGHT", "ACTIVE")


def register(commands: Commands) -> None:
    """Add the command and its verbs to the parser."""
    parser = command(
        commands, "targets", _list, "manage the targets to which uploads go, in turn",
        "Without a verb, list the targets. A project with targets of its own uses only those; "
        "other projects use the targets for every project. Without any target, uploads go to this "
        "server.",
    )  # fmt: skip
    found = verbs(parser)
    command(found, "list", _list, "list the targets")
    for name, run, help in (
        ("add", _add, "add a target"),
        ("change", _change, "change the weight of a target, or whether it is active"),
        ("remove", _remove, "remove a target"),
    ):
        verb = command(found, name, run, help)
        verb.add_argument("url", metavar="URL", help="rsync://HOST/…/ or http(s)://HOST/…/")
        project_option(verb)
        if run is _remove:
            continue
        verb.add_argument(
            "--weight", metavar="N", type=number(1, MOST_WEIGHT),
            help="send it N uploads for each one to a target of weight 1 (default when added: 1)",
        )  # fmt: skip
        switch(
            verb, "active", ("--active", "use the target (default when added)"),
            ("--inactive", "send no uploads to the target"),
        )  # fmt: skip


def _list(options: argparse.Namespace) -> None:
    with opened(options) as store:
        print_list(
            options, Targets(store).list(), HEADER, _row, "No targets: uploads go to this server."
        )


def _row(target: Target) -> tuple[object, ...]:
    return target.url, target.project or "(every)", target.weight, target.active


def _add(options: argparse.Namespace) -> None:
    with changing(options, create=True) as store:
        target = Targets(store).add(options.project, options.url, options.weight, options.active)
    _show(options, target)


def _change(options: argparse.Namespace) -> None:
    if options.weight is None and options.active is None:
        raise BadValue("Say what to change: --weight, --active or --inactive.")
    with changing(options) as store:
        target = Targets(store).change(options.project, options.url, options.weight, options.active)
    _show(options, target)


def _show(options: argparse.Namespace, target: Target) -> None:
    state = f"weight {target.weight}" if target.active else "inactive"
    print_result(options, target, f"{target.url} of {target.project or 'every project'}: {state}")


def _remove(options: argparse.Namespace) -> None:
    with changing(options) as store:
        Targets(store).remove(options.project, options.url)
    print_result(options, {"removed": options.url}, f"{options.url} is removed")

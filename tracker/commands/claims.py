"""``claims``, ``release``, ``redo``: list claims, release them, and hand out items again."""

from __future__ import annotations

import argparse
import time

from tracker.commands.options import Commands, age, command, number, opened, queue_options
from tracker.commands.output import print_list, print_result, warn
from tracker.store.claims import Claim, Claims, Selection
from tracker.store.queues import queue_of
from tracker.text import short_age, stamp

HOW_TO_SELECT = (
    "Select items with --older-than, --downloader or --pattern, or all of them with --all alone."
)
HEADER = ("ITEM", "DOWNLOADER", "CLAIMED", "AGE")


def register(commands: Commands) -> None:
    """Add the commands to the parser."""
    parser = command(
        commands, "claims", _list, "list the items that are out, oldest claims first", project=""
    )
    _selection_options(parser, "claimed")
    parser.add_argument(
        "--limit", metavar="N", type=number(1, 100_000_000), default=1000,
        help="list at most N claims (default: 1000)",
    )  # fmt: skip
    parser = command(
        commands, "release", _release, "release claims, so that the items are handed out again",
        "A downloader that finishes such an item later can still report it: the item counts once.",
        project="",
    )  # fmt: skip
    _selection_options(parser, "claimed", "release every claim of the project")
    queue_options(parser, "the queue from which each came")
    parser = command(
        commands, "redo", _redo, "put finished items into the redo queue",
        "Use this for results that turned out to be bad. The totals of the first reports stay as "
        "they are.",
        project="",
    )  # fmt: skip
    _selection_options(parser, "done", "hand out every finished item again")


def _selection_options(parser: argparse.ArgumentParser, what: str, all_help: str = "") -> None:
    parser.add_argument(
        "--older-than", metavar="AGE", type=age, help=f"{what} longer ago than 90s, 15m, 6h or 2d"
    )
    parser.add_argument("--downloader", metavar="NAME", help=f"{what} by this downloader")
    parser.add_argument(
        "--pattern", metavar="GLOB",
        help="whose whole name matches: * is any text, ? one character, [abc] one of these",
    )  # fmt: skip
    if all_help:
        parser.add_argument("--all", action="store_true", help=all_help)


def _selection(options: argparse.Namespace) -> Selection:
    return Selection(options.older_than, options.downloader, options.pattern)


def _list(options: argparse.Namespace) -> None:
    now = time.time()

    def row(claim: Claim) -> tuple[object, ...]:
        since = claim.claimed_at
        return claim.name, claim.downloader, stamp(since), short_age(now - since)

    with opened(options) as store:
        # One more than is listed shows whether there are more.
        found = Claims(store).list(options.project, _selection(options), options.limit + 1)
    print_list(options, found[: options.limit], HEADER, row, "No such claims.")
    if len(found) > options.limit:
        warn(f"There are more than these {options.limit} claims: see --limit.")


def _release(options: argparse.Namespace) -> None:
    chosen = _selection(options).confirmed(options.all, HOW_TO_SELECT)
    queue = queue_of(options.queue, options.for_downloader)
    released, more = 0, 1
    with opened(options) as store:
        while more:
            with store.transaction():
                more = Claims(store).release(options.project, chosen, queue)
            released += more
    _print_number(options, "released", released)


def _redo(options: argparse.Namespace) -> None:
    chosen = _selection(options).confirmed(options.all, HOW_TO_SELECT)
    total, more, last = 0, 1, 0
    with opened(options) as store:
        while more:
            with store.transaction():
                more, last = Claims(store).redo(options.project, chosen, last)
            total += more
    _print_number(options, "to be done again", total)


def _print_number(options: argparse.Namespace, what: str, number: int) -> None:
    value = {"project": options.project, what.replace(" ", "_"): number}
    print_result(options, value, f"{options.project}: {number} {what}")

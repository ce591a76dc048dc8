"""``claims``, ``release``, ``redo``: who holds what, taking it back, and having it done again."""

from __future__ import annotations

import argparse
import time

from tracker.claims import Claims, Selection
from tracker.errors import BadValue
from tracker.options import (
    EX_OK,
    Commands,
    age_value,
    as_json,
    command,
    number,
    opened,
    queue_options,
)
from tracker.output import print_json, print_table, warn
from tracker.queues import queue_of
from tracker.stamps import stamp


def register(commands: Commands) -> None:
    """Add the commands to the parser."""
    parser = command(commands, "claims", _list, "list the items that are out, oldest first")
    parser.add_argument("project", metavar="PROJECT")
    _selection_options(parser)
    parser.add_argument(
        "--limit", metavar="N", type=number(1, 100_000_000), default=1000,
        help="most claims listed (default: 1000)",
    )  # fmt: skip
    parser = command(
        commands, "release", _release, "take claims back, so that the items are handed out again",
        "A downloader that finishes such an item all the same is not turned away: the item counts "
        "once.",
    )  # fmt: skip
    parser.add_argument("project", metavar="PROJECT")
    _selection_options(parser)
    parser.add_argument("--all", action="store_true", help="every claim of the project")
    queue_options(parser, "where they came from")
    parser = command(
        commands, "redo", _redo, "hand out again what is done, from the redo queue",
        "For work that turned out to be bad. What was counted for it stays counted.",
    )  # fmt: skip
    parser.add_argument("project", metavar="PROJECT")
    _selection_options(parser, "done")
    parser.add_argument("--all", action="store_true", help="everything that is done")


def _selection_options(parser: argparse.ArgumentParser, what: str = "claimed") -> None:
    parser.add_argument(
        "--older-than", metavar="AGE", type=age_value, help=f"{what} longer ago: 90s, 15m, 6h, 2d"
    )
    parser.add_argument("--downloader", metavar="NAME", help=f"{what} by this downloader")
    parser.add_argument(
        "--pattern", metavar="GLOB",
        help="whose whole name matches: * is any text, ? one character, [abc] one of these",
    )  # fmt: skip


def _selection(options: argparse.Namespace) -> Selection:
    return Selection(options.older_than, options.downloader, options.pattern)


def _list(options: argparse.Namespace) -> int:
    with opened(options) as store:
        # One more than is listed tells that there are more.
        found = Claims(store).list(options.project, _selection(options), options.limit + 1)
    claims = found[: options.limit]
    if as_json(options):
        print_json(claims)
    else:
        now = time.time()
        rows = (
            (claim.name, claim.downloader, stamp(claim.claimed_at), _ago(now - claim.claimed_at))
            for claim in claims
        )
        print_table(("ITEM", "DOWNLOADER", "CLAIMED", "AGE"), rows, "No such claims.")
    if len(found) > len(claims):
        warn(f"there are more than these {len(claims)}: see --limit.")
    return EX_OK


def _ago(seconds: float) -> str:
    """Return an age in its largest whole unit."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


def _narrowed(options: argparse.Namespace, what: str) -> Selection:
    """Return what was chosen; raises BadValue when it is not clear that all is meant."""
    chosen = _selection(options)
    if chosen.everything and not options.all:
        raise BadValue(
            f"Say which {what}: --older-than, --downloader, --pattern, or --all for every one."
        )
    if options.all and not chosen.everything:
        raise BadValue(f"--all is every one of the {what}: leave it out to choose some.")
    return chosen


def _release(options: argparse.Namespace) -> int:
    chosen = _narrowed(options, "claims")
    named = options.queue is not None or options.for_downloader is not None
    queue = queue_of(options.queue, options.for_downloader) if named else None
    released, more = 0, 1
    with opened(options) as store:
        while more:
            with store.transaction():
                more = Claims(store).release(options.project, chosen, queue)
            released += more
    return _tell(options, "released", released)


def _redo(options: argparse.Namespace) -> int:
    chosen = _narrowed(options, "items")
    again, more, last = 0, 1, 0
    with opened(options) as store:
        while more:
            with store.transaction():
                more, last = Claims(store).redo(options.project, chosen, last)
            again += more
    return _tell(options, "to be done again", again)


def _tell(options: argparse.Namespace, what: str, number: int) -> int:
    """Print how many items it were."""
    if as_json(options):
        print_json({"project": options.project, what.replace(" ", "_"): number})
    else:
        print(f"{options.project}: {number} {what}")
    return EX_OK

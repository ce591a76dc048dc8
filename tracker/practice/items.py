"""The items of the practice project: ``practice:1``, ``practice:2``, …"""

from __future__ import annotations

from tracker.store.store import Store

PROJECT = "practice"

DEFAULT_ITEMS = 10_000
"""Enough for a night of practice, but too few to fill a disk (about 30 KB for each item)."""


def stock(store: Store, waiting: int) -> int:
    """Queue new practice items until *waiting* of them wait; return how many were new.

    The server calls it at every start, so that there are always items to practise with. Between
    two starts they can run out: a volunteer then sees what "no items" looks like, and a practice
    run that was forgotten for a month stops downloading.
    """
    store.make_project(PROJECT)
    counts = store.project(PROJECT).counts
    missing = max(0, waiting - counts["todo"])
    new, last = 0, sum(counts.values())
    while new < missing:  # an operator may have added such names already
        first, last = last + 1, last + missing - new
        new += store.add(PROJECT, [f"{PROJECT}:{n}" for n in range(first, last + 1)]).new
    return new

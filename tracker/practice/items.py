"""The practice project's items: ``practice:1``, ``practice:2``, …"""

from __future__ import annotations

from tracker.store import Store

PROJECT = "practice"

DEFAULT_ITEMS = 10_000
"""Enough for a night of practising, and not enough to fill a disk (about 30 KB an item)."""


def stock(store: Store, waiting: int) -> int:
    """Queue new practice items until *waiting* of them wait; return how many were new.

    Called at every start, so there is always something to practise with. Between starts
    the items do run out in the end: a volunteer then sees what "no items" looks like, and a
    practice run forgotten for a month stops by itself.
    """
    counts = store.projects().get(PROJECT)
    known = counts.todo + counts.out + counts.done if counts else 0
    missing = max(0, waiting - (counts.todo if counts else 0))
    new, last = 0, known
    while new < missing:  # names of this kind that were added by hand are known, not new
        first, last = last + 1, last + missing - new
        new += store.add(PROJECT, [f"{PROJECT}:{n}" for n in range(first, last + 1)]).new
    store.add(PROJECT, [])  # the project is there even when nothing was missing
    return new

"""Computes how many items each project may run, from what the projects need.

The first project in the volunteer's order that has work gets the slots. While its items only wait
for work, their slots are lent to the next project. One item beyond the number of slots keeps
asking, so that new work is noticed at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Demand:
    """The demand of a project: ``working`` items hold a slot, ``asking`` ones wait for work."""

    can_start: bool
    working: int = 0
    asking: int = 0
    #: Whether the tracker has recently said that there is no work.
    dry: bool = False


@dataclasses.dataclass(frozen=True)
class Allotment:
    """``cap``: the most items, working and asking together; ``asking``: how many of them may keep
    asking (the others are cancelled)."""

    cap: int
    asking: int


def allot(slots: int, demands: Sequence[Demand]) -> list[Allotment]:
    """Distribute ``slots`` over the projects, which are in the volunteer's order.

    A project keeps its working items, and their slots, until they end.
    """
    total = sum(demand.working for demand in demands)
    free = slots
    extra_asker = 1 if slots else 0  # the item that may ask for work beyond the number of slots
    result = []
    for place, demand in enumerate(demands):
        asking, taken = 0, demand.working
        if not demand.can_start:
            cap = 0
        elif demand.dry and any(later.can_start for later in demands[place + 1:]):
            # Leave the last free slot to a later project that may have work.
            asking = extra_asker or (1 if free - demand.working > 1 and total < slots else 0)
            cap = min(free, demand.working) + asking
            taken += asking - extra_asker
            extra_asker = 0
        else:
            others = total - demand.working
            cap = max(0, min(free, slots - others))
            if not cap and not demand.working and extra_asker and free and others == slots:
                # Others hold all slots: one item finds out whether there is work.
                cap, extra_asker = 1, 0
            asking, taken = max(0, cap - demand.working), free
        free = max(0, free - taken)
        result.append(Allotment(cap, asking))
    return result

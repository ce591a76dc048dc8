"""How many items each project may have at work: a plain function of what the projects need.

The first in the volunteer's order that has work gets the slots. Slots of items that
only wait for work are lent to the next; one item goes on asking meanwhile, beyond the
number, so that it is noticed at once when there is work again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Demand:
    """One project. ``working`` items hold a slot each, ``asking`` ones only wait for work."""

    can_start: bool
    working: int = 0
    asking: int = 0
    #: Whether it was answered lately that there is no work.
    dry: bool = False


@dataclasses.dataclass(frozen=True)
class Allotment:
    """``cap``: how many items it may have, working and asking together; ``asking``: how many
    of them may go on asking (those beyond are cancelled)."""

    cap: int
    asking: int


def allot(slots: int, demands: Sequence[Demand]) -> list[Allotment]:
    """The allotments of projects in order, for ``slots`` items at once in all.

    Items at work are never taken from a project: it keeps them until they end, and
    until then nobody else gets their slots.
    """
    total = sum(demand.working for demand in demands)
    free = slots
    beyond = 1 if slots else 0  # who may ask beyond the number
    result = []
    for place, demand in enumerate(demands):
        asking, taken = 0, demand.working
        if not demand.can_start:
            cap = 0
        elif demand.dry and any(later.can_start for later in demands[place + 1:]):
            # The last free slot is worth more to a project that may have work.
            asking = beyond or (1 if free - demand.working > 1 and total < slots else 0)
            cap = min(free, demand.working) + asking
            taken += asking - beyond
            beyond = 0
        else:
            others = total - demand.working
            cap = max(0, min(free, slots - others))
            if not cap and not demand.working and beyond and free and others == slots:
                # Others hold every slot: one item looks whether there is work at all.
                cap, beyond = 1, 0
            asking, taken = max(0, cap - demand.working), free
        free = max(0, free - taken)
        result.append(Allotment(cap, asking))
    return result

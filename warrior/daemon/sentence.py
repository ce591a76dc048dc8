"""The sentence at the top of the page: what the program does, or why it does nothing, who has
to act, and when it continues."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.runner import Runner
from warrior.daemon.view_models import Status

#: The order in which reasons are shown: first those that people can do most to fix.
FAULT_ORDER = (Fault.YOU, Fault.MACHINE, Fault.PROJECT, Fault.TARGET, Fault.HQ, Fault.TRACKER)

#: The codes of reasons of items that have no work yet.
_WITHOUT_WORK = {"starting", "asking", "no-items", "rate-limit", "outdated", "blocked"}


def because(waiting: Waiting, tone: str = "waiting") -> Status:
    """Return a reason as a status."""
    whose = "" if waiting.fault is Fault.NOBODY else waiting.fault.value
    return Status(waiting.reason, whose, waiting.next_try, tone)


def between_items(runner: Runner) -> Status | None:
    """Return why the runner starts no item now; None if nothing prevents it."""
    if runner.waiting is not None:
        return because(runner.waiting, "trouble")
    if runner.resting:
        return Status("The last item failed. The next one starts after a pause.",
                      next_try=runner.resting.next_end, tone="waiting")
    return None


def working(count: int, waiting: Sequence[Waiting]) -> Status:
    """Return the status while ``count`` items are active; ``waiting`` has one reason for each of
    those that wait."""
    busy = count - len(waiting)
    if not waiting:
        return Status(f"Working on {items(count)}.")
    why = because(most_urgent(waiting))
    if busy > 0:
        text = f"Working on {items(busy)}. {_are_waiting(len(waiting))}: {why.text}"
        return dataclasses.replace(why, text=text, tone="working")
    if count > 1 and most_urgent(waiting).code not in _WITHOUT_WORK:
        return dataclasses.replace(why, text=f"{why.text} All {count} items are waiting.")
    return why


def stopping(count: int, waiting: Sequence[Waiting]) -> Status:
    """Return the status while ``count`` items are being finished and no new ones start."""
    if not count:
        return Status("Stopping.", tone="stopping")
    still = "1 item is" if count == 1 else f"{count} items are"
    text = f"Stopping: {still} still being finished. No new items start."
    if not waiting:
        return Status(text, tone="stopping")
    why = because(most_urgent(waiting), "stopping")
    return dataclasses.replace(why, text=f"{text} {_are_waiting(len(waiting))}: {why.text}")


def counts_sentence(counts: Mapping[str, int]) -> str:
    """Return a sentence with the numbers of items that completed, failed and were cancelled."""
    parts = [f"{items(counts['completed'])} completed"]
    if counts["failed"]:
        parts.append(f"{counts['failed']} failed")
    if counts["canceled"]:
        parts.append(f"{counts['canceled']} cancelled")
    return ", ".join(parts) + "."


def most_urgent(waiting: Sequence[Waiting]) -> Waiting:
    """Return the reason to show: the first by FAULT_ORDER, then the one that ends first."""
    return min(waiting, key=lambda w: (
        FAULT_ORDER.index(w.fault) if w.fault in FAULT_ORDER else len(FAULT_ORDER),
        float("inf") if w.next_try is None else w.next_try))


def items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _are_waiting(count: int) -> str:
    return "1 is waiting" if count == 1 else f"{count} are waiting"

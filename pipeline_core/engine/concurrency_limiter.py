"""Lets a limited number of items in at a time, the others in the order in which they came."""

from __future__ import annotations

import collections
import contextlib
import functools
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.waiting import Fault, Waiting

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.task import LimitConcurrent


class ConcurrencyLimiter:
    """The queue of one limit. All on the loop.

    Each LimitConcurrent has one of its own; those whose limit is a setting that several
    projects share (``shared:rsync_threads``) have one together, so that the limit holds
    over all of them (``ConfigValue.limiter``).
    """

    def __init__(self) -> None:
        self._inside: set[Item] = set()
        self._queue: collections.deque[tuple[LimitConcurrent, Item]] = collections.deque()
        self._deciding: Item | None = None

    def line_up(self, task: LimitConcurrent, item: Item) -> None:
        """The item wants in; ``task.let_in(item)`` follows when there is room."""
        item.scope.at_end(functools.partial(self.leave, item))
        self._queue.append((task, item))
        self.look()

    def leave(self, item: Item) -> None:
        """The item is out again, or does not want in any more. Idempotent."""
        if self._deciding is item:
            self._deciding = None
        self._inside.discard(item)
        for waiting in self._queue:
            if waiting[1] is item:
                with contextlib.suppress(ValueError):
                    self._queue.remove(waiting)
                break
        self.look()

    def look(self) -> None:
        """See whether the next one may go in: room has been made, or the limit has changed."""
        if self._queue and self._deciding is None:
            task, self._deciding = self._queue[0]
            task.realize_limit(self._deciding, self._limit_known)

    def limit_changed(self, limit: Any) -> None:
        """A setting has a new value; from whichever thread it was set."""
        if self._queue and not self._queue[0][1].carried_over(ConcurrencyLimiter.look, self):
            self.look()

    def _limit_known(self, limit: Any) -> None:
        self._deciding = None
        room = int(limit) - len(self._inside)
        while room > 0 and self._queue:
            task, item = self._queue.popleft()
            self._inside.add(item)
            item.set_waiting(None)
            room -= 1
            task.let_in(item)
        for task, item in self._queue:
            item.set_waiting(Waiting(
                f"Waiting for its turn: {task.inner_task} works on {int(limit)} at a time.",
                Fault.NOBODY, None, "queue"))

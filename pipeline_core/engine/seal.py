"""The engine's interface to sealing; :mod:`pipeline_core.recovery.sealer` implements it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from pipeline_core.recovery.sealed_item import Sealed

if TYPE_CHECKING:
    from pipeline_core.engine.base_task import Task
    from pipeline_core.item import Item


@dataclasses.dataclass
class Seal:
    """An item's journal record, and the sealed position as counted in the item's pipeline."""

    sealed: Sealed
    position: int

    def next_after(self, position: int) -> int:
        """Return the position after this one, as the journal counts positions."""
        return self.sealed.position + position - self.position + 1


class Sealer(Protocol):
    """Seals the items of one loaded pipeline and records their progress. For the loop only."""

    def wants(self, position: int, item: Item) -> bool:
        """Return whether the item must be sealed before the task at this position."""

    async def seal_before(self, position: int, item: Item) -> None:
        """Seal the item. From then on, a crash loses nothing of it."""

    async def seal_at_start(self, upload: Task, item: Item) -> None:
        """Seal the item when an upload starts that could not be foreseen."""

    async def left(self, position: int, item: Item) -> None:
        """Record that a sealed item has left a task."""

    async def missing_file(self, item: Item) -> str:
        """Return a sealed file that is missing now; '' when all are there."""

    def ended(self, item: Item) -> bool:
        """Handle the end of the item. Return whether its folder is kept for another try."""

    def clear(self, item: Item) -> None:
        """Remove the folder of an item that is done. Blocks; raises OSError."""

    def gone(self, item: Item) -> None:
        """Forget an item that is done, and whose folder was removed (or kept on request)."""

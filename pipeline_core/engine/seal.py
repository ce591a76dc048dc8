"""What the way of an item knows of sealing; :mod:`pipeline_core.recovery.sealer` does it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from pipeline_core.recovery.sealed_item import Sealed

if TYPE_CHECKING:
    from pipeline_core.engine.base_task import Task
    from pipeline_core.item import Item


@dataclasses.dataclass
class Seal:
    """An item's record, and the number that its position has in the item's own pipeline."""

    sealed: Sealed
    position: int

    def next_after(self, position: int) -> int:
        """The position behind this one, as the journal counts."""
        return self.sealed.position + position - self.position + 1


class Sealer(Protocol):
    """Seals the items of one loaded pipeline, and notes how far they are. All on the loop."""

    def wants(self, position: int, item: Item) -> bool:
        """Whether the item is to be sealed before the task at this position."""

    async def seal_before(self, position: int, item: Item) -> None:
        """Seal the item: from here on a crash loses nothing of it."""

    async def seal_at_start(self, upload: Task, item: Item) -> None:
        """Seal the item, where an upload starts that could not be seen beforehand."""

    async def left(self, position: int, item: Item) -> None:
        """Note that the item has left a task behind its seal."""

    async def missing_file(self, item: Item) -> str:
        """A file that was there at the seal and is not there now; '' when all are."""

    def ended(self, item: Item) -> bool:
        """The item has ended: whether its folder is kept for a next try."""

    def clear(self, item: Item) -> None:
        """Remove the folder of an item that is done. Blocks; raises OSError."""

    def gone(self, item: Item) -> None:
        """The item is over, and its folder has been removed (or stays, as was wished)."""

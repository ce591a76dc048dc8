"""The coroutine that takes one item through its pipeline."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from pipeline_core.engine.base_task import run_task
from pipeline_core.engine.steps import plain_steps, run_steps
from pipeline_core.event import Event

if TYPE_CHECKING:
    from pipeline_core.item import Item


async def run_item(item: Item, position: int = 0) -> None:
    """Take an item through its pipeline, from the task at ``position`` to the end."""
    scope, pipeline = item.scope, item.pipeline
    tasks, sealer = pipeline.tasks, pipeline.sealer
    try:
        scope.begin()
        if position == 0 and (
                type(pipeline.on_start_item) is not Event or pipeline.on_start_item.owned):
            item.deliver(pipeline.on_start_item, pipeline, item)
            await scope.handlers_returned()
            scope.check()
        completed = True
        while completed and position < len(tasks):
            task = tasks[position]
            scope.position = position
            if sealer is not None and sealer.wants(position, item):
                await sealer.seal_before(position, item)
            if item.idle is not None and not getattr(task, "may_be_canceled", False):
                item.idle = None
            steps = plain_steps(item, position)
            if steps:
                completed = await run_steps(item, position, steps)
                position = scope.position
            else:
                completed = await run_task(task, item)
            if completed and item.seal is not None and sealer is not None:
                await sealer.left(position, item)
            position += 1
        scope.outcome = scope.outcome or ("completed" if completed else "failed")
    except asyncio.CancelledError:
        scope.outcome = scope.outcome or "canceled"
    except Exception as error:
        item.log_failure(error)
        scope.outcome = scope.outcome or "failed"
    if scope.was_cancelled:
        # A handler that ended the item may have cancelled this task between two awaits; then
        # the cancellation is still pending, and is delivered here.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    await scope.close()

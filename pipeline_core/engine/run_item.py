"""The coroutine that takes one item through its pipeline."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from pipeline_core.engine.base_task import run_task
from pipeline_core.engine.steps import plain_steps, run_steps

if TYPE_CHECKING:
    from pipeline_core.item import Item


async def run_item(item: Item, position: int = 0) -> None:
    """Take an item through its pipeline, from the task at ``position`` to the end."""
    scope = item.scope
    try:
        scope.begin()
        completed = await _run_tasks(item, position)
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


async def _run_tasks(item: Item, position: int) -> bool:
    """Take the item through the tasks from ``position`` on. Return whether it completed all."""
    scope, pipeline = item.scope, item.pipeline
    tasks, sealer = pipeline.tasks, pipeline.sealer
    if position == 0:
        item.deliver(pipeline.on_start_item, pipeline, item)
        await scope.handlers_returned()
        scope.check()
    while position < len(tasks):
        task = tasks[position]
        scope.position = position
        if sealer is not None and sealer.wants(position, item):
            await sealer.seal_before(position, item)
        if not getattr(task, "may_be_canceled", False):
            item.idle = None
        steps = plain_steps(item, position)
        if len(steps) > 1:
            completed = await run_steps(item, position, steps)
        else:
            completed = await run_task(task, item)
        if not completed:
            return False
        position = scope.position
        if item.seal is not None and sealer is not None:
            await sealer.left(position, item)
        position += 1
    return True

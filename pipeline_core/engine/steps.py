"""Run consecutive steps of a project in one job of its worker.

Between such steps the toolkit only reports progress, and the loop can do that meanwhile.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.base_task import Task, leave
from pipeline_core.engine.calls import crash_if_failed
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.printing import current_sink
from pipeline_core.engine.project_worker import ProjectWorker
from pipeline_core.event import Event
from pipeline_core.task import SimpleTask

if TYPE_CHECKING:
    from pipeline_core.item import Item

#: Methods by which a project can make something happen between two steps.
_METHODS = frozenset({
    "process", "enqueue", "start_item", "complete_item", "fail_item", "record_start",
    "record_end"})
#: The toolkit's own: a project may replace them on the class itself.
_OWN = {name: getattr(Task, name) for name in _METHODS if name != "process"}


def plain_steps(item: Item, position: int) -> list[SimpleTask]:
    """Return the tasks from ``position`` on that can run in one job: the project defines only
    their ``process``, and handles none of their events."""
    pipeline = item.pipeline
    steps: list[SimpleTask] = []
    if item.worker is None or item.seal is not None or not _is_unwatched(item):
        return steps
    for task in pipeline.tasks[position:]:
        if not _is_plain(task, pipeline.plain_classes):
            break
        steps.append(task)
    return steps


def _is_plain(task: Task, known: dict[Any, bool]) -> bool:
    """Return whether the project defines nothing of a task but its ``process``. ``known`` is the
    cache of what its pipeline's classes are."""
    kind: Any = type(task)
    # With its methods, because a project may replace one of them later.
    key = (kind, getattr(kind, "process", None), kind.enqueue, kind.start_item,
           kind.complete_item, kind.fail_item)
    if key not in known:
        known[key] = _is_plain_class(kind)
    start, complete, finish = task.on_start_item, task.on_complete_item, task.on_finish_item
    # Written out, because this is asked before each step.
    return (known[key] and _METHODS.isdisjoint(vars(task))
            and type(start) is Event and start.is_quiet
            and type(complete) is Event and complete.is_quiet
            and type(finish) is Event and finish.is_quiet)


def _is_unwatched(item: Item) -> bool:
    output, status, key, wait = (
        item.on_output, item.on_task_status, item.on_property, item.on_waiting)
    return (type(output) is Event and output.is_quiet and type(status) is Event and status.is_quiet
            and type(key) is Event and key.is_quiet and type(wait) is Event and wait.is_quiet)


def _is_plain_class(kind: Any) -> bool:
    return (issubclass(kind, SimpleTask) and kind._work_on is SimpleTask._work_on
            and all([getattr(kind, name) is own for name, own in _OWN.items()])
            and is_project_code(kind.process) and not inspect.iscoroutinefunction(kind.process))


async def run_steps(item: Item, position: int, steps: list[SimpleTask]) -> bool:
    """Take the item through these steps in its worker. Return whether it has completed all.

    Afterwards ``scope.position`` is the position of the last step that the item has entered.
    """
    worker = item.worker
    assert worker is not None
    _enter(item, position, steps[0])
    item.scope.check()
    last, error = await worker.run_for(
        item, steps[0].name, _process_all, worker, item, position, steps)
    scope = item.scope
    if error is not None:
        item.log_failure(error)
    scope.check()  # an item that has ended meanwhile may not have entered the last step
    await leave(item, last, error is None)
    visit = scope.visits[last]
    status = visit.status or await visit.left()
    if scope.awaits_handlers:
        await scope.handlers_returned()
    scope.check()
    return status == item.TaskStatus.completed


def _enter(item: Item, position: int, step: SimpleTask) -> None:
    item.scope.position = position
    item.scope.enter(step).is_awaited = True
    step.record_start(item)


def _next_step(item: Item, position: int, left: SimpleTask, entered: SimpleTask) -> None:
    """On the loop: record that the worker has reached the next step."""
    if item.scope.outcome is not None:
        return
    try:
        left.record_end(item, item.TaskStatus.completed)
        _enter(item, position, entered)
    except Exception as error:
        item.crash(error)


def _process_all(
    worker: ProjectWorker, item: Item, position: int, steps: list[SimpleTask]
) -> tuple[SimpleTask, BaseException | None]:
    """In the worker: run the steps. Return the last step entered, and the error it raised."""
    for number, step in enumerate(steps):
        if number:
            if not (_is_plain(step, item.pipeline.plain_classes) and _is_unwatched(item)):
                # The previous step has changed this one: return, so that the loop runs it.
                return steps[number - 1], None
            worker.post(_next_step, item, position + number, steps[number - 1], step)
            worker.set_busy(item, step.name)
        asked_for = item.scope.asked_for
        try:
            os.chdir(step.cwd)
            result = step.process(item)
            if isinstance(result, asyncio.Future):
                # A Tornado coroutine: an error that it raises later must fail the item too.
                item.scope.asked_for += 1
                worker.post(result.add_done_callback, functools.partial(crash_if_failed, item))
        except BaseException as error:
            # SystemExit as well: sys.exit() in project code is an error of the project.
            return step, error
        finally:
            lines = current_sink.get()
            if lines is not None and lines.parts:
                lines.flush()
        if item.scope.outcome is not None or item.scope.asked_for != asked_for:
            # The step has completed or failed the item itself, or has called the toolkit for
            # something else; the loop has to handle that before the next step.
            return step, None
        if not (_is_plain(step, item.pipeline.plain_classes) and _is_unwatched(item)):
            # It has attached a handler, which the loop has to call before the next step.
            return step, None
    return steps[-1], None

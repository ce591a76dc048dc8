"""Run consecutive steps of a project in one job of its worker.

Between such steps the toolkit only reports progress, and the loop can do that meanwhile.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.base_task import Task
from pipeline_core.engine.calls import carry_out
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.printing import current_sink
from pipeline_core.engine.project_worker import ProjectWorker
from pipeline_core.event import Event
from pipeline_core.task import SimpleTask

if TYPE_CHECKING:
    from pipeline_core.item import Item

#: Methods and events by which a project can make something happen between two steps.
_METHODS = (
    "process", "enqueue", "start_item", "complete_item", "fail_item", "_begin", "_leave")
_EVENTS = ("on_start_item", "on_complete_item", "on_finish_item")
_ITEM_EVENTS = ("on_output", "on_task_status", "on_property", "on_waiting")


def plain_steps(item: Item, position: int) -> list[SimpleTask]:
    """Return the tasks from ``position`` on that can run in one job: the project defines only
    their ``process``, and handles none of their events."""
    steps: list[SimpleTask] = []
    worker = item.worker
    if worker is None or item.seal is not None or not _are_quiet(item, _ITEM_EVENTS):
        return steps
    for task in item.pipeline.tasks[position:]:
        if not _is_plain(worker, task):
            break
        steps.append(task)
    return steps


def _is_plain(worker: ProjectWorker, task: Task) -> bool:
    kind: Any = type(task)
    known = worker.plain_classes
    if kind not in known:
        known[kind] = _is_plain_class(kind)
    return (known[kind] and _are_quiet(task, _EVENTS)
            and vars(task).keys().isdisjoint(_METHODS))


def _are_quiet(owner: Item | Task, names: tuple[str, ...]) -> bool:
    for name in names:
        event = getattr(owner, name)
        if type(event) is not Event or not event.is_quiet:
            return False
    return True


def _is_plain_class(kind: Any) -> bool:
    return (issubclass(kind, SimpleTask) and kind._work_on is SimpleTask._work_on
            and all(getattr(kind, name) is getattr(Task, name)
                    for name in _METHODS if name != "process")
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
    if error is not None:
        item.log_failure(error)
    if item.scope.is_in(last):
        if error is None:
            last.complete_item(item)
        else:
            last.fail_item(item)
    visit = item.scope.visit(last)
    assert visit is not None
    status = await visit.left()
    await item.scope.handlers_returned()
    item.scope.check()
    return status == item.TaskStatus.completed


def _enter(item: Item, position: int, step: SimpleTask) -> None:
    item.scope.position = position
    item.scope.enter(step).is_awaited = True
    step.start_item(item)


def _next_step(item: Item, position: int, left: SimpleTask, entered: SimpleTask) -> None:
    """On the loop: record that the worker has reached the next step."""
    if not item.scope.ending:
        left.complete_item(item)
        _enter(item, position, entered)


def _process_all(
    worker: ProjectWorker, item: Item, position: int, steps: list[SimpleTask]
) -> tuple[SimpleTask, BaseException | None]:
    """In the worker: run the steps. Return the last step entered, and the error it raised."""
    for number, step in enumerate(steps):
        if number:
            if not (_is_plain(worker, step) and _are_quiet(item, _ITEM_EVENTS)):
                # The previous step has changed this one: return, so that the loop runs it.
                return steps[number - 1], None
            worker.post(carry_out, item, _next_step,
                        (item, position + number, steps[number - 1], step), {})
            worker.set_busy(item, step.name)
        asked_for = item.scope.asked_for
        try:
            os.chdir(step.cwd)
            step.process(item)
        except BaseException as error:
            # SystemExit as well: sys.exit() in project code is an error of the project.
            return step, error
        finally:
            lines = current_sink.get()
            if lines is not None:
                lines.flush()
        if item.scope.ending or item.scope.asked_for != asked_for:
            # The step has completed or failed the item itself, or has called the toolkit for
            # something else; the loop has to handle that before the next step.
            return step, None
    return steps[-1], None

"""Steps of a project that follow one another stay in its worker: nothing of ours has to happen
between them but to tell everybody, and the loop does that meanwhile."""

from __future__ import annotations

import inspect
import os
import weakref
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

#: What a project may override, so that something else happens between two steps.
_METHODS = ("enqueue", "start_item", "complete_item", "fail_item", "_begin", "_leave")
_EVENTS = ("on_start_item", "on_complete_item", "on_finish_item")
_ITEM_EVENTS = ("on_output", "on_task_status", "on_property", "on_waiting")

#: What is known of classes; weakly, for behind each is all of a project's code.
_plain_classes: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


def plain_steps(item: Item, position: int) -> list[SimpleTask]:
    """The tasks from this one on that are only a project's ``process``, and that nothing of the
    project watches."""
    if item.worker is None or item.seal is not None or not _is_unwatched(item):
        return []
    steps: list[SimpleTask] = []
    for task in item.pipeline.tasks[position:]:
        if not _is_plain(task):
            break
        steps.append(task)
    return steps


def _is_unwatched(item: Item) -> bool:
    return all(_is_quiet(getattr(item, name)) for name in _ITEM_EVENTS)


def _is_plain(task: Task) -> bool:
    kind: Any = type(task)
    return (_is_plain_class(kind) and not any(name in vars(task) for name in _METHODS)
            and "process" not in vars(task)
            and all(_is_quiet(getattr(task, name)) for name in _EVENTS))


def _is_plain_class(kind: Any) -> bool:
    plain = _plain_classes.get(kind)
    if plain is None:
        plain = _plain_classes[kind] = _looks_plain(kind)
    return plain


def _looks_plain(kind: Any) -> bool:
    return (issubclass(kind, SimpleTask) and kind._work_on is SimpleTask._work_on
            and all(getattr(kind, name) is getattr(Task, name) for name in _METHODS)
            and is_project_code(kind.process) and not inspect.iscoroutinefunction(kind.process))


def _is_quiet(event: Any) -> bool:
    return isinstance(event, Event) and not any(projects for _, projects in event.owned)


async def run_steps(item: Item, position: int, steps: list[SimpleTask]) -> bool:
    """Bring the item through these steps in its worker; whether it has completed all of them.

    ``scope.position`` is that of the last step that it has entered.
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


def _go_on(item: Item, position: int, left: SimpleTask, entered: SimpleTask) -> None:
    """On the loop: the worker has come to the next step."""
    if not item.scope.ending:
        left.complete_item(item)
        _enter(item, position, entered)


def _process_all(
    worker: ProjectWorker, item: Item, position: int, steps: list[SimpleTask]
) -> tuple[SimpleTask, BaseException | None]:
    """In the worker: the last step that was entered, and the error that it raised."""
    for number, step in enumerate(steps):
        if number:
            if not (_is_plain(step) and _is_unwatched(item)):
                # The last step has made it so: it goes on by way of the loop.
                return steps[number - 1], None
            worker.post(carry_out, item, _go_on,
                        (item, position + number, steps[number - 1], step), {})
            worker.does(item, step.name)
        asked_for = item.scope.asked_for
        try:
            os.chdir(step.cwd)
            step.process(item)
        except BaseException as error:
            # SystemExit as well: sys.exit() in a project's code is an error of it.
            return step, error
        finally:
            lines = current_sink.get()
            if lines is not None:
                lines.flush()
        if item.scope.ending or item.scope.asked_for != asked_for:
            # It has left the step itself, or begun something: the loop sees to that first.
            return step, None
    return steps[-1], None

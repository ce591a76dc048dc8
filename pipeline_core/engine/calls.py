"""Calls between the loop and project code, in both directions.

From the loop, ``await call(item, task, function, ...)`` runs project code in its worker. In the
other direction, the contract's methods that a project may call are marked with ``@on_loop``:
when a worker calls one, the call is posted to the loop, in order.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pipeline_core.config import realize
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.project_code import is_project_value
from pipeline_core.engine.worker_thread import NotAnException

if TYPE_CHECKING:
    from pipeline_core.engine.base_task import Task
    from pipeline_core.item import Item

Method = TypeVar("Method", bound=Callable[..., Any])


# -- from the loop to project code -------------------------------------------------------------
async def call(
    item: Item, task: Task, function: Callable[..., Any], *args: Any, in_worker: bool = False
) -> Any:
    """Call ``function(*args)`` on the right thread, and return or raise what it does.

    Project code, and toolkit code that calls it (``in_worker``), runs in the project's worker,
    in the task's folder. Other code runs directly. Raises CancelledError when the item has
    ended.
    """
    worker = item.worker
    if worker is not None and (in_worker or is_project_code(function)):
        result = await worker.run_for(item, task.name, function, *args, cwd=task.cwd)
        if isinstance(result, asyncio.Future):
            # A Tornado coroutine: an error that it raises later must fail the item too.
            result.add_done_callback(functools.partial(crash_if_failed, item))
    else:
        result = function(*args)
    if item.scope.outcome is not None:
        raise asyncio.CancelledError
    return result


def hook(
    item: Item, task: Task, name: str,
    default: Callable[..., Coroutine[Any, Any, None]], *args: Any,
) -> Coroutine[Any, Any, None]:
    """Return a coroutine that calls the contract method ``name`` if project code overrides it.
    Otherwise the coroutine is ``default``, which the method itself would start."""
    overridden = item.pipeline.overridden
    method = getattr(type(task), name)  # read each time: a project may replace it later
    if method not in overridden:
        overridden[method] = is_project_code(method)
    if overridden[method] or name in vars(task):
        return call(item, task, getattr(task, name), *args)
    return default(*args)


async def realized(item: Item, task: Task, value: Any) -> Any:
    """Realize ``value``, in the worker if that calls a class of the project."""
    if is_project_value(value):
        return await call(item, task, realize, value, item, in_worker=True)
    return realize(value, item)


async def contained(work: Coroutine[Any, Any, Any]) -> Any:
    """Await a project's coroutine, and turn SystemExit into NotAnException: a SystemExit that
    reached the loop would end the process."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise NotAnException(error) from None


def start_contained(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]
) -> asyncio.Task[Any]:
    """Start a project's coroutine as a task (see :func:`contained`)."""
    task = loop.create_task(contained(work))
    # A task that is cancelled before its first step never awaits the work: close it here.
    task.add_done_callback(lambda _: work.close())
    return task


def crash_if_failed(item: Item, future: asyncio.Future[Any]) -> None:
    """Fail the item when a future of the project's has failed."""
    error = None if future.cancelled() else future.exception()
    if error is not None:
        item.crash(error)


# -- from project code to the loop -------------------------------------------------------------
def on_loop(method: Method) -> Method:
    """Decorate a method that project code may call: a call from a worker is posted to the loop,
    and returns None.

    The item is the parameter named ``item``, else ``self``. An error in the method fails the
    item.
    """
    names = list(inspect.signature(method).parameters)
    place = names.index("item") if "item" in names else 0

    @functools.wraps(method)
    def call_or_post(*args: Any, **kwargs: Any) -> Any:
        item: Item = args[place] if place < len(args) else kwargs["item"]
        worker = item.worker
        if worker is None or threading.get_ident() == worker.loop_thread:
            return method(*args, **kwargs)
        item.scope.asked_for += 1
        worker.post(carry_out, item, method, args, kwargs)
        return None

    return cast(Method, call_or_post)


def carry_out(
    item: Item, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """On the loop: make a call that a worker has posted for an item."""
    try:
        method(*args, **kwargs)
    except asyncio.CancelledError:
        pass  # the item has ended meanwhile
    except Exception as error:
        item.crash(error)

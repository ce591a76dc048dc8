"""The two ways between project code and ours: calling it in its worker, and being called by it.

``await call(item, function, ...)`` is the only way from the loop into a worker. The methods of the
contract that a project may call itself are marked with ``@on_loop``: in a worker they are
posted to the loop, in order.
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
    """What ``function(*args)`` returns or raises, called where it belongs.

    Project code, and code of ours that asks it (``in_worker``), runs in its worker, in the
    task's folder; the rest runs here and now. Raises CancelledError when the item has ended.
    """
    worker = item.worker
    if worker is not None and (in_worker or is_project_code(function)):
        result = await worker.run_for(item, task.name, function, *args, cwd=task.cwd)
        if isinstance(result, asyncio.Future):
            # A coroutine of Tornado's: what it raises later is an error all the same.
            result.add_done_callback(functools.partial(_crash_if_failed, item))
    else:
        result = function(*args)
    if item.scope.outcome is not None:
        raise asyncio.CancelledError
    return result


def hook(
    item: Item, task: Task, method: Callable[..., Any],
    ours: Callable[..., Coroutine[Any, Any, None]], *args: Any,
) -> Coroutine[Any, Any, None]:
    """To await: call a method of the contract where project code has overridden it; else run
    ``ours``, which is what the method itself would start."""
    if is_project_code(method):
        return call(item, task, method, *args)
    return ours(*args)


async def realized(item: Item, task: Task, value: Any) -> Any:
    """What ``value`` stands for; in the worker where a class of the project takes part."""
    if is_project_value(value):
        return await call(item, task, realize, value, item, in_worker=True)
    return realize(value, item)


async def contained(work: Coroutine[Any, Any, Any]) -> Any:
    """Await a coroutine of a project; its SystemExit must not reach the loop, which would end."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise NotAnException(error) from None


def _crash_if_failed(item: Item, future: asyncio.Future[Any]) -> None:
    error = None if future.cancelled() else future.exception()
    if error is not None:
        item.crash(error)


# -- from project code to the loop -------------------------------------------------------------
def on_loop(method: Method) -> Method:
    """A method that project code may call: in a worker it is posted to the loop, and returns None.

    The item is the parameter of that name, else ``self``. An error in it fails the item.
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
    """On the loop: what a worker has posted for an item."""
    try:
        method(*args, **kwargs)
    except asyncio.CancelledError:
        pass  # the item has ended meanwhile
    except Exception as error:
        item.crash(error)

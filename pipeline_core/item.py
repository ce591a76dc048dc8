"""The item, one unit of work: its values, its log, its state and its end."""

from __future__ import annotations

import asyncio
import codecs
import datetime
import functools
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from pipeline_core.compat.python2 import python_2_name_used
from pipeline_core.config import realize
from pipeline_core.engine.calls import on_loop
from pipeline_core.engine.item_scope import ItemScope
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.tracebacks import format_failure
from pipeline_core.engine.worker_thread import original
from pipeline_core.event import Event

if TYPE_CHECKING:
    from pipeline_core.engine.project_worker import ProjectWorker
    from pipeline_core.engine.seal import Seal
    from pipeline_core.engine.waiting import Waiting
    from pipeline_core.net.governor import Governor
    from pipeline_core.task import Task

__all__ = [
    "Item", "ItemInterpolation", "ItemValue",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]

#: Seconds between two deliveries of an item's output; the first after a pause does not wait.
OUTPUT_INTERVAL = 0.02
#: The most characters that wait for the next delivery.
MOST_UNDELIVERED = 1 << 16


class _ItemState:
    running = "running"
    completed = "completed"
    failed = "failed"
    canceled = "canceled"


class _TaskStatus:
    running = "running"
    completed = "completed"
    failed = "failed"
    canceled = "canceled"


_EVENTS = tuple(f"on_{event}" for event in (
    "output", "error", "item_state", "task_status", "property", "name", "waiting", "complete",
    "fail", "cancel", "finish"))


class Item(MutableMapping[str, Any]):
    """A mapping of values, with a log and a state.

    An item has a folder, ``item['data_dir']``, which is created empty at the start and removed
    at the end (unless ``keep_data``). Its state changes only on the loop: calls from other
    threads are posted there, in order.
    """

    #: Names of properties and attributes that were lost when the item was resumed.
    lost: frozenset[str] = frozenset()
    lost_attributes: frozenset[str] = frozenset()

    ItemState = _ItemState
    TaskStatus = _TaskStatus

    def __init__(
        self,
        pipeline: Any,
        item_id: str,
        item_number: int,
        keep_data: bool = False,
        prepare_data_directory: bool = True,
        properties: dict[str, Any] | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.item_id = item_id
        self.item_number = item_number
        self.keep_data = keep_data
        self.start_time = time.time()
        self.end_time: float | None = None
        self.item_state = _ItemState.running
        self.task_status: dict[Task, str] = {}
        self.may_be_canceled = False
        self.waiting: Waiting | None = None
        #: What the item does while it has no work yet: it starts, or asks for work. None as soon
        #: as it has work.
        self.idle: Waiting | None = None
        #: Whether it was cancelled before it had any work; such items are not counted.
        self.only_waited = False
        #: Its record in the journal, once it is sealed.
        self.seal: Seal | None = None
        for event in _EVENTS:
            setattr(self, event, Event())
        #: The worker of this item's project; None for an item outside a runner.
        self.worker: ProjectWorker | None = getattr(pipeline, "worker", None)
        self.scope = ItemScope(self)
        #: Its values; set them by ``item[key] = value``, which tells the handlers.
        self.properties: dict[str, Any] = dict(properties or {})
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at_line_start = True
        #: Output that the handlers get in one piece, and the timer that delivers it.
        self._new_output: list[str] = []
        self._new_size = 0
        #: The handlers that get it: those of the time when it was logged.
        self._receivers: tuple[tuple[Callable[..., Any], bool], ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._delivered_at = 0.0
        self.properties["data_dir"] = os.path.join(str(pipeline.data_dir), item_id)
        if prepare_data_directory:
            self.prepare_data_directory()

    on_output: Event
    on_error: Event
    on_item_state: Event
    on_task_status: Event
    on_property: Event
    on_waiting: Event
    #: ``(item, name)``: its ``item_name`` has changed. For the page and the terminal.
    on_name: Event
    on_complete: Event
    on_fail: Event
    on_cancel: Event
    on_finish: Event

    # -- a mapping -----------------------------------------------------------
    def __getitem__(self, key: str) -> Any:
        return self.properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        old = self.properties.get(key)
        self.properties[key] = value
        if type(self.on_property) is not Event or self.on_property.owned:
            self._on_loop(self.deliver, self.on_property, self, key, value, old)
        if key == "item_name":
            self._on_loop(self.deliver, self.on_name, self, value)

    def __delitem__(self, key: str) -> None:
        old = self.properties.pop(key)
        if type(self.on_property) is not Event or self.on_property.owned:
            self._on_loop(self.deliver, self.on_property, self, key, None, old)
        if key == "item_name":
            self._on_loop(self.deliver, self.on_name, self, None)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.properties))

    def __len__(self) -> int:
        return len(self.properties)

    def __contains__(self, key: object) -> bool:
        return key in self.properties

    # An item is equal to itself alone, unlike other mappings.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def property_items(self) -> list[tuple[str, Any]]:
        """Return all current values."""
        return list(self.properties.items())

    # -- the folder ----------------------------------------------------------
    def prepare_data_directory(self) -> None:
        """Create the item's folder, empty. Raises OSError."""
        path = self.properties["data_dir"]
        try:
            os.mkdir(path)
        except FileNotFoundError:
            os.makedirs(path)
        except FileExistsError:
            shutil.rmtree(path)
            os.mkdir(path)

    def clear_data_directory(self) -> None:
        """Remove the item's folder and its contents, unless ``keep_data``. Raises OSError."""
        if self.keep_data:
            return
        path = self.properties["data_dir"]
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError:
            shutil.rmtree(path)

    # -- the log -------------------------------------------------------------
    def log_output(self, data: str | bytes, full_line: bool = True) -> None:
        """Add text to the log. A full line gets its own line.

        Bytes are decoded as UTF-8, and invalid bytes become U+FFFD. A character may be split
        between two calls. Where only the toolkit handles ``on_output``, its handlers get what is
        logged within OUTPUT_INTERVAL in one piece.
        """
        worker = self.worker
        if worker is not None and threading.get_ident() != worker.loop_thread:
            size = len(data) if isinstance(data, (str, bytes)) else 1
            worker.post(self.log_output, data, full_line, size=size)
            return
        if type(data) is str:
            text = data
        elif isinstance(data, (bytes, bytearray, memoryview)):
            text = self._decoder.decode(bytes(data), final=full_line)
        else:
            text = str(data)
        if full_line:
            if not self._at_line_start:
                text = "\n" + text
            if not text.endswith("\n"):
                text += "\n"
        if not text:
            return
        self._at_line_start = text.endswith("\n")
        if (worker is not None and self.item_state == _ItemState.running
                and type(self.on_output) is Event and self.on_output.is_quiet):
            if self._receivers is not self.on_output.owned:
                self.deliver_output()
                self._receivers = self.on_output.owned
            self._new_output.append(text)
            self._new_size += len(text)
            if self._new_size > MOST_UNDELIVERED:
                self.deliver_output()
            elif self._timer is None:
                self._timer = worker.loop.call_at(
                    self._delivered_at + OUTPUT_INTERVAL, self.deliver_output)
        else:
            self.deliver_output()
            self.deliver(self.on_output, self, text)

    def deliver_output(self) -> None:
        """Give the handlers of ``on_output`` what has been logged since the last time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._delivered_at = time.monotonic()
        if self._new_output:
            text = "".join(self._new_output)
            self._new_output.clear()
            self._new_size = 0
            for handler, _ in self._receivers:
                try:
                    handler(self, text)
                except Exception as error:
                    self.crash(error)

    def flush_output(self) -> None:
        """Log the rest of the bytes: an incomplete character at the end becomes U+FFFD."""
        text = self._decoder.decode(b"", final=True)
        if text:
            self.log_output(text, full_line=False)

    def log_error(self, task: Any, *args: Any) -> None:
        """Tell the handlers of ``on_error`` about an error in a task."""
        self._on_loop(self.deliver, self.on_error, self, task, *args)

    def log_failure(self, error: BaseException) -> None:
        """Add an error's traceback to the log."""
        error = original(error)
        self.scope.failure = error
        only_python_2 = python_2_name_used(error)
        if only_python_2:
            self.log_output(f"The project is written for Python 2: it uses {only_python_2}, which "
                            "Python 3 does not have.")
        self.log_output(format_failure(error))

    # -- states --------------------------------------------------------------
    @property
    def completed(self) -> bool:
        return self.item_state == _ItemState.completed

    @property
    def failed(self) -> bool:
        return self.item_state == _ItemState.failed

    @property
    def canceled(self) -> bool:
        return self.item_state == _ItemState.canceled

    @property
    def finished(self) -> bool:
        return self.item_state != _ItemState.running

    @on_loop
    def set_task_status(self, task: Task, status: str) -> None:
        """Record how far the item is in a task."""
        self.record_status(task, status)

    def record_status(self, task: Task, status: str) -> None:
        """On the loop: like :meth:`set_task_status`."""
        old = self.task_status.get(task)
        self.task_status[task] = status
        if status != old and (
                type(self.on_task_status) is not Event or self.on_task_status.owned):
            self.deliver(self.on_task_status, self, task, status, old)

    def set_waiting(self, waiting: Waiting | None) -> None:
        """Show why the item waits; None when it no longer waits."""
        if waiting != self.waiting:
            self.waiting = waiting
            self.deliver(self.on_waiting, self, waiting)

    @on_loop
    def complete(self) -> None:
        """End the item as completed."""
        self.scope.end(_ItemState.completed)

    @on_loop
    def fail(self) -> None:
        """End the item as failed, after its children have ended."""
        self.scope.end(_ItemState.failed)

    @on_loop
    def cancel(self) -> None:
        """End the item as canceled."""
        self.scope.end(_ItemState.canceled)

    @on_loop
    def crash(self, error: BaseException) -> None:
        """Fail the item because of an error; the traceback goes to its log."""
        self.log_failure(error)
        if not self.scope.ending:
            self.scope.end(_ItemState.failed)

    # -- events, and the thread of the project -----------------------------------
    @property
    def governor(self) -> Governor:
        """The governor that spaces this item's requests."""
        governor: Governor = self.pipeline.governor
        return governor

    def _on_loop(self, function: Callable[..., Any], *args: Any, size: int = 0) -> None:
        """Call a function on the loop; a call from a worker is posted there."""
        worker = self.worker
        if worker is None or threading.get_ident() == worker.loop_thread:
            function(*args)
        else:
            worker.post(function, *args, size=size)

    def deliver(self, event: Any, *args: Any) -> None:
        """Fire an event, or call what project code has replaced it with.

        The toolkit's handlers run now, the project's run in its worker. A handler that raises
        fails this item.
        """
        handlers = event.owned if isinstance(event, Event) else (
            (event, is_project_code(event)),)
        for handler, is_projects in handlers:
            if is_projects and self.worker is not None:
                self.scope.project_call(self.worker, handler, args)
                continue
            try:
                handler(*args)
            except Exception as error:
                self.crash(error)

    # -- what is shown -------------------------------------------------------
    def description(self) -> str:
        return f"Item {self.properties.get('item_name', '')}"

    def __str__(self) -> str:
        name = self.properties.get("item_name", "")
        return f"<Item {name!r} {self.item_id} {self.item_state}>"

    __repr__ = __str__


class ItemValue:
    """``item[key]``, looked up when it is realized."""

    def __init__(self, key: str) -> None:
        self.key = key

    def realize(self, item: Item) -> Any:
        return item[self.key]

    def fill(self, item: Item, value: Any) -> None:
        """Set ``item[key]``."""
        item[self.key] = value

    def __str__(self) -> str:
        return f"<{self.key}>"


class ItemInterpolation:
    """``text % item``: text such as ``'%(item_dir)s/x'`` with the item's values filled in."""

    def __init__(self, s: Any) -> None:
        self.s = s

    def realize(self, item: Item) -> Any:
        text = self.s if type(self.s) is str else realize(self.s, item)
        # A dict is read without a call for each name.
        return text % (item.properties if type(item) is Item else item)

    def __str__(self) -> str:
        return f"<{self.s!r}>"

"""A program that project code starts itself; events deliver its output and its end."""

from __future__ import annotations

import functools
from typing import Any

from pipeline_core.engine.child import Child, Children
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.project_code import current_item, report_failure
from pipeline_core.engine.project_worker import ProjectWorker, this_worker
from pipeline_core.engine.worker_thread import this_loop
from pipeline_core.event import Event
from pipeline_core.item import Item


class _Stdin:
    """Its standard input: ``write`` and ``close`` never block."""

    def __init__(self, popen: AsyncPopen) -> None:
        self._popen = popen

    def write(self, data: bytes) -> None:
        self._popen._on_loop(self._popen._child.write, bytes(data))

    def flush(self) -> None:
        """Do nothing: writes are not buffered."""

    def close(self) -> None:
        self._popen._on_loop(self._popen._child.close_stdin)


class AsyncPopen:
    """A program started by ``run()``. ``on_output(data: bytes)`` delivers its output; after the
    last output, ``on_end(returncode)`` is fired.

    ``env`` and ``cwd`` are those of ``subprocess.Popen``. The program runs in its own process
    group, which ends with the item that started it. After ``run()``, ``pipe`` is the Popen
    object and ``stdin`` takes its input.
    """

    def __init__(
        self, args: Any = (), *, env: Any = None, cwd: str | None = None, **ignored: Any
    ) -> None:
        self.args = list(args)
        self.env = env
        self.cwd = cwd
        self.on_output: Any = Event()
        self.on_end: Any = Event()
        self.pipe: Any = None
        self.stdin: Any = None
        self._item: Item | None = None
        self._worker: ProjectWorker | None = None

    def run(self) -> None:
        """Start the program. Raises OSError when it cannot be started.

        A plain script may call this before the loop runs; the events are fired once it runs.
        """
        self._item = current_item.get()
        self._worker = _this_worker()
        self._children = (self._worker.children if self._worker is not None
                          else Children(this_loop()))
        self._child = Child(
            self._children, self.args, env=self.env, cwd=self.cwd,
            on_output=functools.partial(self._fire, "on_output"),
            on_end=functools.partial(self._fire, "on_end"), on_gone=self._gone)
        self._child.start()
        self.pipe = self._child.process
        self.stdin = _Stdin(self)
        self._on_loop(self._attach)

    def _attach(self) -> None:
        if self._item is not None:
            self._item.scope.add_child(self._child)
        self._child.attach()

    def _gone(self) -> None:
        if self._item is not None:
            self._item.scope.child_gone(self._child)
        if self._worker is None:
            self._children.close()

    def _on_loop(self, function: Any, *args: Any) -> None:
        if self._worker is not None and not self._worker.on_loop():
            if self._item is not None:
                self._item.scope.asked_for += 1
            self._worker.post(function, *args)
        else:
            function(*args)

    def _fire(self, name: str, value: Any) -> None:
        event = getattr(self, name)
        for handler in event if isinstance(event, Event) else (event,):
            if self._worker is not None and is_project_code(handler):
                self._worker.call_for(self._item, "a handler of a program", handler, value)
                continue
            try:
                handler(value)
            except Exception as error:
                report_failure(self._item, "a handler of a program", error)


class AsyncPopen2(AsyncPopen):
    """The same under the name that newer files use."""


def _this_worker() -> ProjectWorker | None:
    item = current_item.get()
    return this_worker() if item is None else item.worker

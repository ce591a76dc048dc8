"""Small parts of the engine at work: a loop, a worker, a pipeline with items, without a file."""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

from pipeline_core.engine.project_worker import ProjectWorker
from pipeline_core.item import Item
from pipeline_core.pipeline import Pipeline
from pipeline_core.task import Task

Function = TypeVar("Function", bound=Callable[..., Any])
Found = TypeVar("Found")


def ours(function: Function) -> Function:
    """The function as one of the toolkit's own; what a test defines is else a project's, and runs
    in a worker."""
    assert isinstance(function, types.FunctionType)
    twin = types.FunctionType(
        function.__code__, {**function.__globals__, "__name__": "pipeline_core.of_a_test"},
        function.__name__, function.__defaults__, function.__closure__)
    return cast(Function, twin)


def run(work: Coroutine[Any, Any, Found], timeout: float = 20.0) -> Found:
    """Run the coroutine on a new loop."""

    async def within() -> Found:
        return await asyncio.wait_for(work, timeout)

    return asyncio.run(within())


async def until(condition: Callable[[], Found], what: str = "the condition") -> Found:
    """Wait on the loop until the condition is true; its value."""
    deadline = time.monotonic() + 15
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about"
        await asyncio.sleep(0.002)
    return found


class OursTask(Task):
    """A task whose ``work(item)`` is awaited on the loop, as that of the toolkit's own tasks."""

    def __init__(self, name: str, work: Callable[[Item], Coroutine[Any, Any, Any]]) -> None:
        super().__init__(name)
        self.work = work

    async def _work_on(self, item: Item) -> None:
        await self.work(item)
        if self in item.scope.open_tasks() and not item.scope.ending:
            self.complete_item(item)


class Line:
    """A pipeline with a worker of its own, and the items that were sent through it; a context
    manager, to be made on the loop."""

    def __init__(self, folder: Path, *tasks: Task, worker: ProjectWorker | None = None) -> None:
        self.worker = worker or ProjectWorker("worker of a test", str(folder))
        self.pipeline = Pipeline(*tasks)
        self.pipeline.data_dir = str(folder / "data")
        self.pipeline.worker = self.worker
        self.items: list[Item] = []
        self._logs: dict[Item, list[str]] = {}

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *exception: object) -> None:
        self.worker.children.kill_all()
        self.worker.children.close()
        self.worker.close()

    def item(self) -> Item:
        """A new item that has not begun."""
        number = len(self.items) + 1
        item = Item(self.pipeline, f"item-{number}", number, prepare_data_directory=False)
        lines = self._logs[item] = []

        @ours
        def note(item: Item, text: str) -> None:
            lines.append(text)

        item.on_output += note
        self.items.append(item)
        return item

    def start(self, item: Item | None = None) -> Item:
        """Send it, or a new one, through the pipeline."""
        item = item or self.item()
        self.pipeline.enqueue(item)
        return item

    async def ended(self, item: Item) -> str:
        """Wait for its end: how."""
        await item.scope.has_closed()
        return item.item_state

    async def send(self) -> Item:
        """Send a new item through, to its end."""
        item = self.start()
        await self.ended(item)
        return item

    def log(self, item: Item) -> str:
        """What its log has."""
        item.deliver_output()
        return "".join(self._logs[item])

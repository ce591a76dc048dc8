"""The way of one item through its pipeline: where it may end, and where it is sealed."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.seal import Seal
from pipeline_core.externalprocess import ExternalProcess
from pipeline_core.item import Item
from pipeline_core.task import LimitConcurrent, SimpleTask, Task
from tests.support.engine import Line, OursTask, ours, run, until


class Held(threading.Event):
    """Code of the project that waits until it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()

    def hold(self, *args: Any) -> None:
        self.reached.set()
        assert self.wait(10)


class Process(SimpleTask):
    """Holds in its process."""

    def __init__(self, held: Held) -> None:
        super().__init__("Held")
        self.process = held.hold  # type: ignore[method-assign]


class Enqueue(SimpleTask):
    """Holds in its enqueue, then begins."""

    def __init__(self, held: Held) -> None:
        super().__init__("Held")
        self.held = held

    def enqueue(self, item: Item) -> None:
        self.held.hold()
        super().enqueue(item)


async def for_ever(item: Item) -> None:
    await asyncio.Event().wait()


def held_at(point: str, held: Held) -> tuple[Task, ...]:
    """Tasks in which the item comes to ``point`` and goes no further by itself."""
    if point == "a handler of the start":
        task = OursTask("Held", for_ever)
        task.on_start_item += held.hold
        return (task,)
    if point == "a handler of the end of a task":
        task = OursTask("Held", lambda item: asyncio.sleep(0))
        task.on_complete_item += held.hold
        return (task,)
    return {
        "process": lambda: (Process(held),),
        "two steps": lambda: (Process(held), Process(held)),
        "enqueue": lambda: (Enqueue(held),),
        "the loop": lambda: (OursTask("Held", for_ever),),
        "a program": lambda: (ExternalProcess("Held", ["sleep", "1000"]),),
        "a pause between tries": lambda: (
            ExternalProcess("Held", ["false"], max_tries=2, retry_delay=1000),),
        "a limit": lambda: (LimitConcurrent(0, OursTask("Inside", for_ever)),),
        "a limit of a program": lambda: (
            LimitConcurrent(1, ExternalProcess("Held", ["sleep", "1000"])),),
    }[point]()


POINTS = ("a handler of the start", "a handler of the end of a task", "process", "two steps",
          "enqueue", "the loop", "a program", "a pause between tries", "a limit",
          "a limit of a program")


@pytest.mark.parametrize("end", ["cancel", "fail"])
@pytest.mark.parametrize("point", POINTS)
def test_an_end_at_each_point(tmp_path: Path, point: str, end: str) -> None:
    """It ends at once, once, although the project's code goes on; no further task begins, and
    nothing of it is left."""
    ends: list[str] = []
    begun: list[str] = []

    async def next_one(item: Item) -> None:
        begun.append("the next task")

    async def main() -> None:
        held = Held()
        with Line(tmp_path, *held_at(point, held), OursTask("Next", next_one)) as line:
            item = line.item()
            item.on_finish += ours(lambda item: ends.append(item.item_state))
            line.start(item)
            await until({
                "the loop": lambda: item.task_status,
                "a program": lambda: item.scope.children,
                "a pause between tries": lambda: item.waiting, "a limit": lambda: item.waiting,
                "a limit of a program": lambda: item.scope.children,
            }.get(point, held.reached.is_set), point)
            await asyncio.sleep(0)
            getattr(item, end)()
            await asyncio.wait_for(item.scope.has_closed(), 5)
            held.set()
            await line.worker.run_for(None, "x", int)
            await asyncio.sleep(0)
            assert not line.pipeline.items_in_pipeline and not item.scope.children
            assert item.waiting is None
            if point == "a limit of a program":
                other = line.start()
                await until(lambda: other.scope.children)
                other.cancel()
                await line.ended(other)

    run(main())
    assert begun == [] and ends == ["canceled" if end == "cancel" else "failed"]


def test_no_task_at_all(tmp_path: Path) -> None:
    """An empty pipeline completes its items."""
    async def main() -> None:
        with Line(tmp_path) as line:
            assert (await line.send()).completed

    run(main())


def test_a_pipeline_that_grows_while_an_item_is_in_it(tmp_path: Path) -> None:
    """The item goes through what is there when it comes to it."""
    order: list[str] = []

    async def main() -> None:
        async def first(item: Item) -> None:
            order.append("first")
            item.pipeline.add_task(OursTask("Second", second))

        async def second(item: Item) -> None:
            order.append("second")

        with Line(tmp_path, OursTask("First", first)) as line:
            assert (await line.send()).completed

    run(main())
    assert order == ["first", "second"]


# -- the seal ------------------------------------------------------------------------------
class FakeSealer:
    """Seals before the task at ``place``; each of its ways can be held or fail."""

    def __init__(self, place: int, hold: str = "", wrong: str = "") -> None:
        self.place = place
        self.held = hold
        self.wrong = wrong
        self.reached = asyncio.Event()
        self.calls: list[tuple[str, int]] = []

    def wants(self, position: int, item: Item) -> bool:
        return position == self.place and item.seal is None

    async def _call(self, name: str, position: int) -> None:
        self.calls.append((name, position))
        if name == self.wrong:
            raise OSError("the disk is gone")
        if name == self.held:
            self.reached.set()
            await asyncio.Event().wait()

    async def seal_before(self, position: int, item: Item) -> None:
        await self._call("seal_before", position)
        item.seal = Seal(None, position)  # type: ignore[arg-type]

    async def left(self, position: int, item: Item) -> None:
        await self._call("left", position)


def sealed_line(tmp_path: Path, sealer: FakeSealer, entered: list[int]) -> Line:
    async def enter(item: Item) -> None:
        entered.append(item.scope.position)

    line = Line(tmp_path, *(OursTask(f"Task {number}", enter) for number in range(4)))
    line.pipeline.sealer = sealer  # type: ignore[assignment]
    return line


def test_it_is_sealed_on_its_way(tmp_path: Path) -> None:
    """Before the task, and from there on each one that it leaves is noted."""
    async def main() -> None:
        entered: list[int] = []
        sealer = FakeSealer(1)
        with sealed_line(tmp_path, sealer, entered) as line:
            assert (await line.send()).completed
        assert sealer.calls == [("seal_before", 1), ("left", 1), ("left", 2), ("left", 3)]
        assert entered == [0, 1, 2, 3]

    run(main())


@pytest.mark.parametrize("end", ["cancel", "fail"])
@pytest.mark.parametrize(("hold", "sealed", "last"), [("seal_before", False, 0), ("left", True, 1)])
def test_an_end_while_it_is_sealed(
    tmp_path: Path, hold: str, sealed: bool, last: int, end: str
) -> None:
    """The task behind it does not begin; an item that is not sealed yet has no seal."""
    async def main() -> None:
        entered: list[int] = []
        sealer = FakeSealer(1, hold=hold)
        with sealed_line(tmp_path, sealer, entered) as line:
            item = line.start()
            await sealer.reached.wait()
            getattr(item, end)()
            assert await line.ended(item) == {"cancel": "canceled", "fail": "failed"}[end]
            assert (item.seal is not None) is sealed and entered[-1] == last

    run(main())


@pytest.mark.parametrize("wrong", ["seal_before", "left"])
def test_an_error_of_ours_fails_the_item(tmp_path: Path, wrong: str) -> None:
    """It does not hang, whatever is wrong."""
    async def main() -> None:
        with sealed_line(tmp_path, FakeSealer(1, wrong=wrong), []) as line:
            item = await line.send()
            assert item.failed and "OSError: the disk is gone" in line.log(item)

    run(main())


def test_going_on_behind_the_seal(tmp_path: Path) -> None:
    """An item of an earlier process enters in the middle; it is no new one for the project."""
    async def main() -> None:
        entered: list[int] = []
        sealer = FakeSealer(1)
        with sealed_line(tmp_path, sealer, entered) as line:
            line.pipeline.on_start_item += ours(lambda pipeline, item: entered.append(-1))
            item = line.item()
            item.seal = Seal(None, 1)  # type: ignore[arg-type]
            line.pipeline.resume_item(item, 2)
            assert await line.ended(item) == "completed"
        assert entered == [2, 3] and sealer.calls == [("left", 2), ("left", 3)]

    run(main())


@pytest.mark.parametrize("end", [Item.complete, Item.fail, Item.cancel])
def test_a_handler_ends_the_item_where_nothing_is_awaited(
    tmp_path: Path, end: Callable[[Item], None]
) -> None:
    """The cancellation that is still pending must not cut short what the end has to wait for."""

    async def main() -> None:
        @ours
        def end_it(task: Task, item: Item) -> None:
            item.scope.spawn(for_ever(item))
            end(item)

        last = OursTask("Last", lambda item: asyncio.sleep(0))
        last.on_finish_item += end_it
        with Line(tmp_path, last) as line:
            item = await line.send()
            assert item.finished and item.end_time is not None

    run(main())


class Coroutine(SimpleTask):
    """A project's step of the new kind."""

    async def process(self, item: Item) -> None:
        raise AssertionError("it began")


def test_a_coroutine_that_is_cancelled_before_its_first_step(tmp_path: Path) -> None:
    """It does not begin, and Python does not complain that nobody awaited it."""

    async def main() -> None:
        @ours
        def cancel_soon(task: Task, item: Item) -> None:
            asyncio.get_running_loop().call_soon(item.cancel)

        step = Coroutine("Coroutine")
        step.on_start_item += cancel_soon
        with Line(tmp_path, step) as line:
            item = await line.send()
            assert item.canceled and "it began" not in line.log(item)

    run(main())
    gc.collect()

"""What an item holds while it runs, and how all of it ends with the item."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.child import Child
from pipeline_core.engine.item_scope import PROJECT_BACKLOG, Visit
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.item import Item
from pipeline_core.task import SimpleTask, Task
from tests.support.engine import Line, OursTask, ours, run, until

WHY = Waiting("A reason.", Fault.NOBODY, None, "queue")


def start_child(line: Line, item: Item, script: str) -> tuple[Child, list[str]]:
    """A shell of the item's, and what it has printed."""
    said: list[str] = []
    child = Child(
        line.worker.children, ["/bin/sh", "-c", script], env={}, cwd="/", stdin_data=b"",
        on_output=lambda data: said.append(data.decode()), on_end=lambda code: None,
        on_gone=lambda: item.scope.child_gone(child))
    child.start()
    item.scope.add_child(child)
    child.attach()
    return child, said


# -- visits --------------------------------------------------------------------------------
def test_a_task_is_left_once_per_visit(tmp_path: Path) -> None:
    """Entering it again while inside is the same visit; afterwards it is a new one."""
    async def main() -> None:
        with Line(tmp_path) as line:
            scope, outer, inner = line.item().scope, Task("outer"), Task("inner")
            first = scope.enter(outer)
            assert scope.enter(outer) is first
            scope.enter(inner)
            assert scope.open_tasks() == [inner, outer]
            first.status = "completed"
            assert scope.open_tasks() == [inner]
            assert scope.enter(outer) is not first
            assert scope.open_tasks() == [outer, inner]

    run(main())


def test_all_who_wait_learn_how_it_was_left() -> None:
    """However many there are; and one that comes later learns it at once."""
    async def main() -> None:
        visit = Visit()
        waiting = [asyncio.ensure_future(visit.left()) for _ in range(3)]
        await asyncio.sleep(0)
        visit.status = "failed"
        visit.wake()
        assert await asyncio.gather(*waiting) == ["failed"] * 3
        assert await visit.left() == "failed"

    run(main())


def test_the_first_word_about_a_try_counts() -> None:
    """What was said before the try does not; leaving counts for more than trying again."""
    async def main() -> None:
        visit = Visit()
        visit.ask_again("before")
        visit.begin_try()
        assert not visit.is_retrying
        visit.ask_again("first")
        visit.ask_again("second")
        assert await visit.tried() == "first"
        visit.status = "completed"
        visit.wake()
        visit.ask_again("late")
        assert await visit.tried() is None

    run(main())


def test_a_task_that_was_left_is_not_tried_again(tmp_path: Path) -> None:
    """It is not entered by that either."""
    async def main() -> None:
        with Line(tmp_path) as line:
            scope, task = line.item().scope, Task("task")
            visit = scope.enter(task)
            visit.status = "completed"
            visit.wake()
            scope.ask_again(task, "late")
            assert scope.visits[task] is visit and scope.open_tasks() == []
            assert not scope.try_begun_by_project(task)

    run(main())


# -- the end -------------------------------------------------------------------------------
def test_only_the_first_end_counts(tmp_path: Path) -> None:
    """A second one is told, but for an item that was cancelled: there it may be on its way."""
    async def main() -> None:
        with Line(tmp_path) as line:
            one, two = line.item(), line.item()
            one.complete()
            one.fail()
            assert one.completed and "was already completed" in line.log(one)
            two.cancel()
            two.complete()
            assert two.canceled and line.log(two) == ""

    run(main())


def test_what_an_item_holds_goes_in_order(tmp_path: Path) -> None:
    """Its coroutine's own things, the inner first; then what it has spawned; then its children;
    then the item has its state."""
    order: list[str] = []

    @contextlib.asynccontextmanager
    async def slot(name: str) -> AsyncIterator[None]:
        try:
            yield
        finally:
            order.append(name)

    async def spawned() -> None:
        async with slot("spawned"):
            await asyncio.Event().wait()

    async def work(item: Item) -> None:
        item.scope.spawn(spawned())
        child, _ = start_child(line, item, "exec sleep 1000")
        children.append(child)
        async with slot("outer"), slot("inner"):
            await asyncio.Event().wait()

    @ours
    def finished(item: Item) -> None:
        order.append(item.item_state)

    children: list[Child] = []

    async def main() -> None:
        nonlocal line
        with Line(tmp_path, OursTask("Work", work)) as line:
            item = line.start()
            item.on_finish += finished
            await until(lambda: children)
            gone = asyncio.ensure_future(children[0].gone())
            gone.add_done_callback(lambda _: order.append("child"))
            item.fail()
            await line.ended(item)
            assert item.scope.children == []
            await gone

    line: Line
    run(main())
    assert order[:3] == ["inner", "outer", "spawned"]
    assert sorted(order[3:]) == ["child", "failed"]


def test_an_end_before_the_beginning(tmp_path: Path) -> None:
    """No task begins, and the end is told once."""
    told: list[str] = []

    async def work(item: Item) -> None:
        told.append("work")

    async def main() -> None:
        with Line(tmp_path, OursTask("Work", work)) as line:
            item = line.start()
            item.on_finish += ours(lambda item: told.append(item.item_state))
            item.cancel()
            assert not item.finished
            await line.ended(item)
            assert line.pipeline.items_in_pipeline == set()

    run(main())
    assert told == ["canceled"]


@pytest.mark.parametrize("event", [
    "pipeline start", "task start", "task status", "output", "waiting", "task complete",
    "task finish", "property"])
def test_a_handler_of_ours_ends_the_item(tmp_path: Path, event: str) -> None:
    """Wherever the item is by then, it ends once, and no further task begins."""
    ends: list[str] = []
    begun: list[str] = []

    async def first(item: Item) -> None:
        item.set_waiting(WHY)
        item["key"] = 1
        item.deliver_output()
        await asyncio.sleep(0)

    async def second(item: Item) -> None:
        begun.append("second")

    async def main() -> None:
        one, two = OursTask("One", first), OursTask("Two", second)
        with Line(tmp_path, one, two) as line:
            item = line.item()
            named = {
                "pipeline start": line.pipeline.on_start_item, "task start": one.on_start_item,
                "task status": item.on_task_status, "output": item.on_output,
                "waiting": item.on_waiting, "task complete": one.on_complete_item,
                "task finish": one.on_finish_item, "property": item.on_property}
            named[event].handle(ours(lambda *args: None if item.scope.ending else item.fail()))
            item.on_finish += ours(lambda item: ends.append(item.item_state))
            line.start(item)
            assert await line.ended(item) == "failed"
            await asyncio.sleep(0)

    run(main())
    assert ends == ["failed"] and begun == []


def test_a_handler_that_ends_the_item_and_an_error_behind_it(tmp_path: Path) -> None:
    """The cancellation that is on its way must not hit the end of the item itself."""
    async def main() -> None:
        async def work(item: Item) -> None:
            item.scope.spawn(asyncio.Event().wait())
            await asyncio.sleep(0)
            item.fail()
            raise ValueError("behind it")

        with Line(tmp_path, OursTask("Work", work)) as line:
            item = line.start()
            assert await line.ended(item) == "failed"
            assert "behind it" in line.log(item)

    run(main())


def test_leaving_in_a_handler_of_the_leaving_counts_once(tmp_path: Path) -> None:
    """A handler of the task's state that completes the task as well: one end, one warning."""
    left: list[Any] = []

    async def work(item: Item) -> None:
        """Completes."""

    async def main() -> None:
        task = OursTask("Work", work)

        @ours
        def again(item: Item, task: Task, new: str, old: str) -> None:
            if new == "completed":
                task.complete_item(item)

        with Line(tmp_path, task) as line:
            item = line.item()
            item.on_task_status += again
            task.on_complete_item += ours(lambda task, item: left.append(task))
            line.start(item)
            assert await line.ended(item) == "completed"
            assert line.log(item).count("Finished Work") == 1
            assert "It counts once" in line.log(item)
        assert left == [task]

    run(main())


# -- coroutines ----------------------------------------------------------------------------
def test_an_error_of_a_coroutine_fails_the_item(tmp_path: Path) -> None:
    """With its traceback in the log."""
    async def wrong() -> None:
        raise LookupError("in a coroutine")

    async def work(item: Item) -> None:
        item.scope.spawn(wrong())
        await asyncio.Event().wait()

    async def main() -> None:
        with Line(tmp_path, OursTask("Work", work)) as line:
            item = await line.send()
            assert item.failed and "LookupError: in a coroutine" in line.log(item)

    run(main())


def test_no_coroutine_begins_behind_the_end(tmp_path: Path) -> None:
    """It is closed, so nobody warns of one that was never awaited."""
    begun: list[int] = []

    async def late() -> None:
        begun.append(1)

    async def main() -> None:
        with Line(tmp_path) as line:
            item = line.item()
            item.cancel()
            item.scope.spawn(late())
            await asyncio.sleep(0)

    run(main())
    assert begun == []


def test_coroutines_of_an_item_without_a_pipeline_end_too(tmp_path: Path) -> None:
    """A script may work with an item by hand; it has its state at once."""
    ended: list[str] = []

    async def works() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("it")

    async def main() -> None:
        with Line(tmp_path) as line:
            item = line.item()
            item.scope.spawn(works())
            await asyncio.sleep(0)
            item.fail()
            assert item.failed
            await until(lambda: ended)

    run(main())


# -- children ------------------------------------------------------------------------------
def test_a_child_that_ignores_the_end_is_killed(tmp_path: Path) -> None:
    """As soon as somebody is in a hurry."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item = line.item()
            child, said = start_child(
                line, item, "trap '' TERM; echo ready; while :; do sleep 1000; done")
            await until(lambda: said)
            item.fail()
            assert not item.finished
            item.scope.hurry(0.03)
            await child.gone()
            await until(lambda: item.finished)

    run(main())


def test_a_child_of_an_item_that_ends_is_ended(tmp_path: Path) -> None:
    """One that project code has just started."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item = line.item()
            item.fail()
            child, _ = start_child(line, item, "exec sleep 1000")
            await child.gone()
            assert child.returncode == -15

    run(main())


# -- handlers of the project -----------------------------------------------------------------
def test_handlers_return_before_the_item_goes_on(tmp_path: Path) -> None:
    """The next task finds what a handler has set."""
    class Sets(SimpleTask):
        def process(self, item: Item) -> None:
            """Leaves it to the handler."""

    async def look(item: Item) -> None:
        found.append(item["set"])

    found: list[Any] = []

    async def main() -> None:
        sets = Sets("Sets")
        sets.on_complete_item += lambda task, item: item.__setitem__("set", 5)
        with Line(tmp_path, sets, OursTask("Look", look)) as line:
            assert (await line.send()).completed
            assert not line.items[0].scope.awaits_handlers

    run(main())
    assert found == [5]


def test_a_child_waits_for_handlers_that_are_far_behind(tmp_path: Path) -> None:
    """It is not read while the project's handlers have too much to take; and then goes on."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item = line.item()
            child, said = start_child(line, item, "cat /dev/zero | tr '\\0' x")
            release, piece = asyncio.Event(), "x" * (1 << 20)
            loop = asyncio.get_running_loop()

            def handler(item: Item, data: str) -> None:
                asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

            await until(lambda: said)
            for _ in range(PROJECT_BACKLOG // len(piece) + 1):
                item.scope.project_call(line.worker, handler, (item, piece))
            await asyncio.sleep(0)
            before = len(said)
            await asyncio.sleep(0.03)
            assert len(said) == before
            release.set()
            await until(lambda: len(said) > before)
            item.fail()
            await child.gone()

    run(main())


def test_a_wait_is_shown(tmp_path: Path) -> None:
    """While it lasts, and never at the end of an item."""
    async def main() -> None:
        with Line(tmp_path, OursTask("Wait", lambda item: item.scope.wait(WHY, 1000))) as line:
            item = line.start()
            await until(lambda: item.waiting == WHY)
            item.cancel()
            await line.ended(item)
            assert item.waiting is None
            item.scope.show_waiting(WHY)
            assert item.waiting is None

    run(main())


def test_an_error_of_a_handler_fails_the_item(tmp_path: Path) -> None:
    """Also of one whose place a project's function has taken."""
    def wrong(task: Task, item: Item) -> None:
        raise KeyError("in a handler")

    async def main() -> None:
        task = OursTask("Work", functools.partial(asyncio.sleep, 0, result=None))
        task.on_start_item = wrong
        with Line(tmp_path, task) as line:
            item = await line.send()
            assert item.failed and "KeyError: 'in a handler'" in line.log(item)

    run(main())

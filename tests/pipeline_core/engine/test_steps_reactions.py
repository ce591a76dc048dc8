"""What a step attaches, starts, or returns has its effect before the next step runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tornado import gen
from tornado.ioloop import IOLoop

from pipeline_core.engine.async_popen import AsyncPopen
from pipeline_core.item import Item
from pipeline_core.task import SimpleTask
from tests.support.engine import Line, run
from tests.support.kit import play, write_pipeline

Does = Callable[[SimpleTask, Item], Any]


class Step(SimpleTask):
    """A project's own step, which notes its turn."""

    def __init__(self, name: str, does: Does | None = None) -> None:
        super().__init__(name)
        self.does = does

    def process(self, item: Item) -> Any:
        note(item, self.name)
        return None if self.does is None else self.does(self, item)


def note(item: Item, what: str) -> None:
    item.setdefault("order", []).append(what)


def send(tmp_path: Path, *steps: Step) -> tuple[Item, str]:
    """One item through the steps: it and its log."""
    async def main() -> tuple[Item, str]:
        with Line(tmp_path, *steps) as line:
            item = await line.send()
            return item, line.log(item)

    return run(main())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's posts are delivered when it is done, however long it takes."""
    monkeypatch.setattr("pipeline_core.engine.worker_thread.QUICK_JOB", 60.0)


def told_of_its_end(task: SimpleTask, item: Item) -> None:
    note(item, "told")


def told_of_a_status(item: Item, task: Any, new: str, old: str | None) -> None:
    if task.name == "a":
        note(item, "told")


@pytest.mark.parametrize("attach", [
    lambda task, item: task.on_finish_item.handle(told_of_its_end),
    lambda task, item: task.on_complete_item.handle(told_of_its_end),
    lambda task, item: item.on_task_status.handle(told_of_a_status),
], ids=["on_finish_item", "on_complete_item", "on_task_status"])
def test_a_step_that_attaches_to_itself(tmp_path: Path, attach: Does) -> None:
    """Its handler runs before the next step."""
    item, log = send(tmp_path, Step("a", attach), Step("b"))
    assert item.completed, log
    assert item["order"] == ["a", "told", "b"]


@pytest.mark.parametrize("steps", ["Step('one')", "Step('one'), Step('two')"])
@pytest.mark.parametrize("event", ["self.on_finish_item", "item.on_task_status"])
def test_its_handler_still_finds_the_folder(tmp_path: Path, event: str, steps: str) -> None:
    """Also when the step that attaches it is the last one."""
    path = write_pipeline(tmp_path, f"""\
        class Step(SimpleTask):
            def process(self, item):
                event = {event}
                event += look
        def look(*args):
            item = next(one for one in args if isinstance(one, Item))
            item['found'] = item.get('found', []) + [os.path.isdir(item['data_dir'])]
        pipeline = Pipeline({steps})
        """)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["found"] and all(seen.item["found"])


@pytest.mark.usefixtures("quick")
def test_a_program_that_a_step_starts_is_attached_first(tmp_path: Path) -> None:
    """The item knows its child when the next step begins."""
    def starts(task: SimpleTask, item: Item) -> None:
        program = AsyncPopen(["/bin/sh", "-c", "read line"])
        program.run()
        item["program"] = program

    def looks(task: SimpleTask, item: Item) -> None:
        item["known"] = item["program"]._child in item.scope.children
        item["program"].stdin.close()

    item, log = send(tmp_path, Step("a", starts), Step("b", looks))
    assert item.completed, log
    assert item["known"]


@pytest.mark.usefixtures("quick")
def test_a_callback_that_a_step_schedules_comes_first(tmp_path: Path) -> None:
    """One that is due at once runs before the next step."""
    def schedules(task: SimpleTask, item: Item) -> None:
        IOLoop.instance().add_callback(note, item, "callback")

    item, log = send(tmp_path, Step("a", schedules), Step("b"))
    assert item.completed, log
    assert item["order"] == ["a", "callback", "b"]


@pytest.mark.parametrize("pauses", [0, 1])
def test_a_tornado_coroutine_that_fails(tmp_path: Path, pauses: int) -> None:
    """``process`` returns its future: what it raises, at once or later, fails the item."""
    async def main() -> None:
        released = asyncio.Event()
        loop = asyncio.get_running_loop()

        @gen.coroutine
        def work(task: SimpleTask, item: Item) -> Any:
            for _ in range(pauses):
                yield gen.moment
            raise LookupError("from the coroutine")

        class Waits(SimpleTask):
            async def process(self, item: Item) -> None:
                # The item fails while it is here: nothing else lets it go on.
                await asyncio.Event().wait()

        with Line(tmp_path, Step("a", work), Waits("waits")) as line:
            item = line.item()
            item.on_finish += lambda item: loop.call_soon_threadsafe(released.set)
            line.start(item)
            await released.wait()
            assert await line.ended(item) == "failed"
            assert "LookupError: from the coroutine" in line.log(item)
            assert "Traceback" in line.log(item)

    run(main())


def test_an_error_between_two_steps_fails_the_item(tmp_path: Path) -> None:
    """A name that cannot be written in the log: no later step is completed."""
    class Unspeakable:
        def __str__(self) -> str:
            raise LookupError("no name for this")

    def names(task: SimpleTask, item: Item) -> None:
        item.properties["item_name"] = Unspeakable()

    item, log = send(tmp_path, Step("a", names), Step("b"), Step("c"))
    assert item.failed and "LookupError: no name for this" in log
    assert "Finished" not in log and "Starting b" not in log


@pytest.mark.parametrize("method", ["complete_item", "fail_item"])
def test_a_step_that_replaces_how_it_ends(tmp_path: Path, method: str) -> None:
    """What it has set on itself while it worked is called, for the step that sets it too."""
    class Own(SimpleTask):
        def process(self, item: Item) -> None:
            def seen(item: Item) -> None:
                item["seen"] = method
                getattr(SimpleTask, method)(self, item)

            setattr(self, method, seen)
            if method == "fail_item":
                raise ValueError("it fails")

    async def main() -> Any:
        with Line(tmp_path, Own("own")) as line:
            item = await line.send()
            return item.get("seen")

    assert run(main()) == method

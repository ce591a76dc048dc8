"""Steps of a project that follow one another stay in its worker."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.project_worker import ProjectWorker
from pipeline_core.engine.steps import plain_steps
from pipeline_core.item import Item
from pipeline_core.task import LimitConcurrent, PrintItem, SimpleTask, Task
from tests.support.engine import Line, ours, run, until
from tests.support.kit import play, wait_for, write_pipeline

Process = Callable[[Item], Any]


class Step(SimpleTask):
    """A project's own step."""

    def __init__(self, name: str, does: Process | None = None) -> None:
        super().__init__(name)
        self.does = does

    def process(self, item: Item) -> None:
        item["done"] = item.get("done", "") + self.name
        if self.does is not None:
            self.does(item)


class CountingWorker(ProjectWorker):
    """Counts the ways from the loop to the project."""

    hops = 0

    def run_for(self, *args: Any, **more: Any) -> asyncio.Future[Any]:
        self.hops += 1
        return super().run_for(*args, **more)


def send(tmp_path: Path, *tasks: Task) -> tuple[Item, str, int]:
    """One item through the tasks: it, its log, and the hops that it took."""
    async def main() -> tuple[Item, str, int]:
        worker = CountingWorker("worker of a test", str(tmp_path))
        with Line(tmp_path, *tasks, worker=worker) as line:
            item = await line.send()
            return item, line.log(item), worker.hops

    return run(main())


def test_one_hop_for_six_steps(tmp_path: Path) -> None:
    """All are told as ever: statuses, lines, handlers of ours, in order."""
    told: list[tuple[str, str]] = []
    steps = [Step(name, does=lambda item: print("printed")) for name in "abcdef"]
    for step in steps:
        step.on_start_item += ours(lambda task, item: told.append((task.name, "starts")))
        step.on_finish_item += ours(lambda task, item: told.append((task.name, "ends")))
    item, log, hops = send(tmp_path, *steps)
    assert item.completed and item["done"] == "abcdef" and hops == 1
    assert told == [(name, what) for name in "abcdef" for what in ("starts", "ends")]
    assert log == "".join(f"Starting {name} for Item \nprinted\nFinished {name} for Item \n"
                          for name in "abcdef")
    assert [item.task_status[step] for step in steps] == ["completed"] * 6
    assert item.scope.position == 5


def test_what_comes_between_them_is_not_passed_over(tmp_path: Path) -> None:
    """A task of ours, a limit, a coroutine: each has its turn."""
    class Later(SimpleTask):
        async def process(self, item: Item) -> None:
            await asyncio.sleep(0)
            item["done"] += "?"

    item, _, hops = send(tmp_path, Step("a"), Step("b"), PrintItem(), Step("c"),
                         LimitConcurrent(1, Step("d")), Later("later"), Step("e"), Step("f"))
    assert item.completed and item["done"] == "abcd?ef" and hops == 4


class Overrides(Step):
    def enqueue(self, item: Item) -> None:
        super().enqueue(item)


class StartsItself(Step):
    def start_item(self, item: Item) -> None:
        super().start_item(item)


class IsLeft(Step):
    def complete_item(self, item: Item) -> None:
        super().complete_item(item)


def with_handler(name: str) -> Step:
    step = Step("x")
    getattr(step, name).handle(lambda task, item: None)
    return step


def replaced(name: str, value: Any) -> Step:
    step = Step("x")
    setattr(step, name, value)
    return step


@pytest.mark.parametrize("task", [
    Overrides("x"), StartsItself("x"), IsLeft("x"), with_handler("on_start_item"),
    with_handler("on_complete_item"), with_handler("on_finish_item"),
    replaced("on_complete_item", lambda task, item: None), replaced("enqueue", print),
    replaced("process", lambda item: None), replaced("complete_item", print)],
    ids=lambda task: "")
def test_what_a_project_watches_is_no_plain_step(tmp_path: Path, task: Task) -> None:
    """Something of it may have to happen before the next one."""
    async def main() -> None:
        with Line(tmp_path, Step("a"), task, Step("c")) as line:
            item = line.item()
            assert plain_steps(item, 0) == line.pipeline.tasks[:1]
            assert plain_steps(item, 1) == []

    run(main())


@pytest.mark.parametrize("event", ["on_output", "on_task_status", "on_property", "on_waiting"])
def test_a_watched_item_takes_no_short_way(tmp_path: Path, event: str) -> None:
    """A handler of the project's; one of ours is told on the loop anyway."""
    async def main() -> None:
        with Line(tmp_path, Step("a"), Step("b")) as line:
            item, other = line.item(), line.item()
            getattr(item, event).handle(lambda *args: None)
            assert plain_steps(item, 0) == []
            getattr(other, event).handle(ours(lambda *args: None))
            assert len(plain_steps(other, 0)) == 2
            other.worker = None
            assert plain_steps(other, 0) == []

    run(main())


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_an_error_in_a_step(tmp_path: Path, error: type[BaseException]) -> None:
    """It fails that step and the item; those before it are completed, the others do not begin."""
    def wrong(item: Item) -> None:
        raise error("it is wrong")

    steps = [Step("a"), Step("b"), Step("c", wrong), Step("d")]
    item, log, _ = send(tmp_path, *steps)
    assert item.failed and item["done"] == "abc" and item.scope.position == 2
    assert [item.task_status.get(step) for step in steps] == [
        "completed", "completed", "failed", None]
    assert f"{error.__name__}: it is wrong" in log and log.count("Failed c") == 1
    assert "Starting d" not in log


def test_a_folder_that_is_gone_fails_the_step(tmp_path: Path) -> None:
    """Each step runs in the folder where it was made."""
    steps = [Step("a"), Step("b")]
    steps[1].cwd = str(tmp_path / "nothing")
    item, log, _ = send(tmp_path, *steps)
    assert item.failed and item["done"] == "a" and "FileNotFoundError" in log


@pytest.mark.parametrize(("says", "outcome", "done"), [
    ("complete_item", "completed", "abc"), ("fail_item", "failed", "ab")])
def test_a_step_that_leaves_by_itself(
    tmp_path: Path, says: str, outcome: str, done: str
) -> None:
    """Its own word counts, and once; what it does is done before the next one begins."""
    step = Step("b")
    step.does = lambda item: getattr(step, says)(item)
    item, log, hops = send(tmp_path, Step("a"), step, Step("c"))
    assert item.item_state == outcome and item["done"] == done
    assert "It counts once" not in log and log.count("ed b for Item") == 1
    assert hops == (2 if outcome == "completed" else 1)


@pytest.mark.parametrize("end", ["fail", "complete", "cancel"])
def test_a_step_that_ends_the_item(tmp_path: Path, end: str) -> None:
    """No further step begins."""
    outcome = {"fail": "failed", "complete": "completed", "cancel": "canceled"}[end]
    item, log, _ = send(
        tmp_path, Step("a"), Step("b", lambda item: getattr(item, end)()), Step("c"))
    assert item.item_state == outcome and item["done"] == "ab"
    assert "Starting c" not in log


def test_an_end_from_outside(tmp_path: Path) -> None:
    """The step that runs is the last one."""
    running, release = threading.Event(), threading.Event()

    def hold(item: Item) -> None:
        running.set()
        assert release.wait(10)

    async def main() -> None:
        with Line(tmp_path, Step("a"), Step("b", hold), Step("c")) as line:
            item = line.start()
            # What the worker does is recorded a moment later.
            await until(lambda: running.is_set() and line.pipeline.tasks[1] in item.task_status)
            item.cancel()
            assert await line.ended(item) == "canceled"
            release.set()
            await line.worker.run_for(None, "x", int)
            assert item["done"] == "ab" and "Starting c" not in line.log(item)
            assert item.task_status[line.pipeline.tasks[1]] == "canceled"

    run(main())


def test_a_handler_of_ours_ends_the_item_between_two_steps(tmp_path: Path) -> None:
    """What the worker has begun meanwhile counts no more."""
    steps = [Step("a"), Step("b"), Step("c")]
    steps[0].on_complete_item += ours(lambda task, item: item.fail())
    item, log, _ = send(tmp_path, *steps)
    assert item.failed and log.count("Finished") == 1


@pytest.mark.parametrize("attach", [
    lambda item: item.pipeline.tasks[1].on_start_item.handle(sets),
    lambda item: item.on_task_status.handle(lambda item, *args: sets(None, item)),
    lambda item: setattr(item.pipeline.tasks[1], "process", lambda item: sets(None, item)),
])
def test_a_step_that_attaches_to_the_next(tmp_path: Path, attach: Process) -> None:
    """The handler has run when the next one's process begins."""
    item, log, _ = send(tmp_path, Step("a", attach), Step(
        "b", lambda item: item.__setitem__("found", item["set"])), Step("c"))
    assert item.completed, log
    assert item["set"] == 1


def sets(task: Task | None, item: Item) -> None:
    """A handler of the project's."""
    item["set"] = 1


def test_it_tells_which_step_it_does(tmp_path: Path) -> None:
    """The console shows the worker's step by its name."""
    running, release = threading.Event(), threading.Event()

    def hold(item: Item) -> None:
        running.set()
        assert release.wait(10)

    async def main() -> None:
        with Line(tmp_path, Step("a"), Step("b", hold)) as line:
            item = line.start()
            await until(running.is_set)
            busy = line.worker.busy
            assert busy is not None and (busy.item, busy.label) == (item, "b")
            await until(lambda: item.scope.position == 1)
            release.set()
            await line.ended(item)

    run(main())


def test_steps_of_several_items_take_turns(tmp_path: Path) -> None:
    """Never two at once, and each item's own in order."""
    inside: list[int] = []

    def alone(item: Item) -> None:
        inside.append(item.item_number)
        assert inside == [item.item_number]
        inside.remove(item.item_number)

    async def main() -> None:
        with Line(tmp_path, *(Step(name, alone) for name in "abc")) as line:
            items = [line.start() for _ in range(5)]
            for item in items:
                assert await line.ended(item) == "completed" and item["done"] == "abc"

    run(main())


def test_code_that_was_let_go_is_not_kept(tmp_path: Path) -> None:
    """What is known of a class does not keep its project in memory."""
    path = write_pipeline(tmp_path, """\
        class Step(SimpleTask):
            def process(self, item):
                item['done'] = 1
        pipeline = Pipeline(Step('a'), Step('b'))
        """)

    def use() -> weakref.ref[Any]:
        played = play(path)
        played.loaded.close()
        assert played.outcomes == ["completed"]
        return weakref.ref(type(played.loaded.pipeline.tasks[0]))

    kind = use()
    # Its thread may need a moment to end.
    wait_for(lambda: gc.collect() >= 0 and kind() is None, 10, "the end of its classes")

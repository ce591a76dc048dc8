"""Keeps a number of items at work until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine import base_runner
from pipeline_core.engine.base_runner import Runner
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.item import Item
from pipeline_core.net.backoff import Backoff
from pipeline_core.pipeline import Pipeline
from pipeline_core.task import SimpleTask
from tests.support.engine import OursTask, ours, run, until

HELD = Waiting("Held by a test.", Fault.NOBODY, None, "resources")


class Works:
    """A runner whose items stay in their only task until a test lets them go."""

    def __init__(self, folder: Path, *, may_be_canceled: bool = False, **more: Any) -> None:
        self.inside: dict[int, Item] = {}
        self._may_leave: dict[int, asyncio.Event] = {}
        self.begun: list[int] = []
        task = OursTask("Work", self._work)
        task.may_be_canceled = may_be_canceled  # type: ignore[attr-defined]
        self.pipeline = Pipeline(task)
        self.pipeline.cwd = str(folder)
        self.pipeline.data_dir = str(folder / "data")
        self.runner = Runner(**more)
        self.runner.set_current_pipeline(self.pipeline)
        self.statuses: list[str] = []
        self.finished = asyncio.Event()
        self.ended: list[Item] = []
        self.runner.on_status += lambda runner, status: self.statuses.append(status)
        self.runner.on_finish += lambda runner: self.finished.set()
        self.runner.on_pipeline_finish_item += (
            lambda runner, pipeline, item: self.ended.append(item))

    async def _work(self, item: Item) -> None:
        number = item.item_number
        self.begun.append(number)
        self.inside[number] = item
        self._may_leave[number] = asyncio.Event()
        item.may_be_canceled = getattr(self.pipeline.tasks[0], "may_be_canceled", False)
        try:
            await self._may_leave[number].wait()
        finally:
            del self.inside[number]

    def let_go(self, *numbers: int) -> None:
        for number in numbers:
            self._may_leave[number].set()

    async def until_inside(self, *numbers: int) -> None:
        await until(lambda: sorted(self.inside) == list(numbers), f"{numbers} inside")

    async def none_begins(self) -> None:
        """Nothing happens for as long as an item would take to begin."""
        before = list(self.begun)
        await asyncio.sleep(0.03)
        assert self.begun == before

    async def until_finished(self) -> None:
        await asyncio.wait_for(self.finished.wait(), 10)
        assert self.runner.status == "stopped" and not self.runner.active_items
        assert not self.pipeline.items_in_pipeline


def play(script: Callable[[], Any]) -> None:
    run(script())


def test_as_many_as_there_are_slots(tmp_path: Path) -> None:
    """A slot is free when its item is over; the number may change at any time."""
    async def main() -> None:
        works = Works(tmp_path, concurrent_items=2, max_items=6)
        works.runner.start()
        works.runner.start()
        await works.until_inside(1, 2)
        await works.none_begins()
        works.let_go(1)
        await works.until_inside(2, 3)
        works.runner.concurrent_items = 3
        await works.until_inside(2, 3, 4)
        works.runner.concurrent_items = 1
        works.let_go(2, 3)
        await works.until_inside(4)
        await works.none_begins()
        works.let_go(4)
        await works.until_inside(5)
        works.let_go(5)
        await works.until_inside(6)
        works.let_go(6)
        await works.until_finished()
        assert works.runner.counts == {"completed": 6, "failed": 0, "canceled": 0}
        assert len(works.ended) == 6 and os.listdir(works.pipeline.data_dir) == []
        assert works.statuses == ["running", "stopped"]

    play(main)


def test_no_items_at_all(tmp_path: Path) -> None:
    """A number of none ends at once."""
    async def main() -> None:
        works = Works(tmp_path, max_items=0)
        works.runner.start()
        await works.until_finished()
        assert works.begun == []

    play(main)


def test_a_slot_rests_after_a_failure(tmp_path: Path) -> None:
    """The others go on; a stop does not wait for it."""
    async def main() -> None:
        works = Works(tmp_path, concurrent_items=2)
        works.runner.FAILED_ITEM_DELAY = 1000
        works.runner.start()
        await works.until_inside(1, 2)
        works.inside[1].fail()
        await until(lambda: works.ended)
        assert len(works.runner.resting) == 1 and works.runner.resting.next_end is not None
        await works.none_begins()
        works.let_go(2)
        await works.until_inside(3)
        works.let_go(3)
        await works.until_inside(4)
        works.runner.stop_gracefully()
        works.let_go(4)
        await works.until_finished()
        assert works.runner.counts == {"completed": 3, "failed": 1, "canceled": 0}

    play(main)


def test_the_rest_ends(tmp_path: Path) -> None:
    """After the seconds that were set."""
    async def main() -> None:
        works = Works(tmp_path, max_items=2)
        works.runner.FAILED_ITEM_DELAY = 0.05
        works.runner.start()
        await works.until_inside(1)
        began = asyncio.get_running_loop().time()
        works.inside[1].fail()
        await until(lambda: works.ended)
        await works.until_inside(2)
        assert asyncio.get_running_loop().time() - began > 0.03
        assert len(works.runner.resting) == 0 and works.runner.resting.next_end is None
        works.let_go(2)
        await works.until_finished()

    play(main)


@pytest.mark.logs_errors("The folder for a new item cannot be created")
@pytest.mark.parametrize("ends", ["mended", "stopped"])
def test_a_folder_that_cannot_be_made(
    tmp_path: Path, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and tried again; no item counts. A stop need not wait for it."""
    monkeypatch.setattr(base_runner, "Backoff",
                        lambda first, factor: Backoff(0.03, factor=factor))

    async def main() -> None:
        (tmp_path / "data").write_text("in the way")
        works = Works(tmp_path, concurrent_items=3, max_items=1)
        works.runner.start()
        why = await until(lambda: works.runner.waiting)
        assert why is not None and (why.code, why.fault) == ("resources", Fault.MACHINE)
        assert why.next_try is not None and "cannot be created" in why.reason
        assert works.runner.item_count == 0
        if ends == "stopped":
            works.runner.stop_gracefully()
        else:
            (tmp_path / "data").unlink()
            await works.until_inside(1)
            assert works.runner.waiting is None and works.runner.item_count == 1
            works.let_go(1)
        await works.until_finished()
        assert works.runner.counts["failed"] == 0

    play(main)


@pytest.mark.parametrize("late", ["stop", "stop now"])
def test_a_stop_while_a_folder_is_made(
    tmp_path: Path, late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow disk: the item does not begin, and its folder goes again."""
    making, may_go_on = threading.Event(), threading.Event()
    make = Item.prepare_data_directory

    def slow(item: Item) -> None:
        making.set()
        assert may_go_on.wait(10)
        make(item)

    monkeypatch.setattr(Item, "prepare_data_directory", slow)

    async def main() -> None:
        works = Works(tmp_path)
        works.runner.start()
        await until(making.is_set)
        if late == "stop":
            works.runner.stop_gracefully()
        else:
            works.runner.stop_now(0.1)
        may_go_on.set()
        await works.until_finished()
        assert works.begun == [] and os.listdir(works.pipeline.data_dir) == []
        assert [item.canceled for item in works.ended] == [True]

    play(main)


def test_a_stop_that_is_taken_back(tmp_path: Path) -> None:
    """The items at work go on meanwhile, and new ones follow; the project is told of both."""
    async def main() -> None:
        works = Works(tmp_path, concurrent_items=2)
        told: list[str] = []
        works.pipeline.on_stop_requested += ours(lambda: told.append("requested"))
        works.pipeline.on_stop_canceled += ours(lambda: told.append("canceled"))
        works.runner.start()
        works.runner.keep_running()
        await works.until_inside(1, 2)
        works.runner.stop_gracefully()
        works.runner.stop_gracefully()
        assert works.runner.stopping and not works.runner.may_resume
        works.let_go(1)
        await until(lambda: works.ended)
        await works.none_begins()
        works.runner.keep_running()
        assert works.runner.may_resume
        await works.until_inside(2, 3)
        works.runner.stop_gracefully()
        works.let_go(2, 3)
        await works.until_finished()
        assert told == ["requested", "canceled", "requested"]
        assert works.statuses == ["running", "stopping", "running", "stopping", "stopped"]

    play(main)


def test_a_stop_before_the_start(tmp_path: Path) -> None:
    """It ends as soon as it has begun."""
    async def main() -> None:
        works = Works(tmp_path)
        works.runner.stop_gracefully()
        works.runner.start()
        await works.until_finished()
        assert works.begun == []

    play(main)


def test_items_that_only_waited_do_not_count(tmp_path: Path) -> None:
    """Neither as cancelled nor among the most that there may be; others take their place."""
    async def main() -> None:
        works = Works(tmp_path, concurrent_items=2, max_items=2, may_be_canceled=True)
        works.runner.start()
        await works.until_inside(1, 2)
        assert len(works.runner.not_working()) == 2
        works.inside[1].idle = None  # it has found something to do
        works.runner.stop_gracefully()
        await until(lambda: len(works.ended) == 2)
        works.runner.keep_running()
        await until(lambda: works.runner.only_waited == 1)
        assert works.runner.counts["canceled"] == 1

    play(main)


def test_nothing_begins_while_it_is_held(tmp_path: Path) -> None:
    """By any of several; each is told, and a stop ends it all the same."""
    async def main() -> None:
        works = Works(tmp_path)
        works.runner.hold(HELD, "the disk")
        works.runner.hold(HELD, "the uploads")
        works.runner.start()
        await works.none_begins()
        works.runner.hold(None, "the disk")
        assert works.runner.held == HELD
        await works.none_begins()
        works.runner.hold(None, "the uploads")
        await works.until_inside(1)
        assert works.runner.held is None
        works.runner.hold(HELD, "the disk")
        works.runner.stop_gracefully()
        works.let_go(1)
        await works.until_finished()

    play(main)


@pytest.mark.logs_errors("A handler of on_")
@pytest.mark.parametrize("event", ["on_create_item", "on_pipeline_start_item",
                                   "on_pipeline_finish_item", "on_status", "on_finish"])
def test_a_handler_that_raises_ends_at_most_its_item(tmp_path: Path, event: str) -> None:
    """The runner goes on; each item is counted once."""
    async def main() -> None:
        works = Works(tmp_path, max_items=2)
        works.runner.FAILED_ITEM_DELAY = 0.0
        raised: list[str] = []

        def wrong(runner: Runner, *args: Any) -> None:
            if not raised:
                raised.append(event)
                raise LookupError("in a handler")

        getattr(works.runner, event).handle(wrong)
        works.runner.start()
        fails = event in ("on_create_item", "on_pipeline_start_item")
        for number in (2,) if fails else (1, 2):
            await works.until_inside(number)
            works.let_go(number)
        await works.until_finished()
        assert raised and works.runner.counts == {
            "completed": 2 - fails, "failed": int(fails), "canceled": 0}
        assert len(works.ended) == 2

    play(main)


@pytest.mark.parametrize("event", ["on_create_item", "on_pipeline_start_item"])
def test_a_handler_that_ends_the_item_before_it_begins(tmp_path: Path, event: str) -> None:
    """It is put away like any other."""
    async def main() -> None:
        works = Works(tmp_path, max_items=1)
        getattr(works.runner, event).handle(lambda runner, *args: args[-1].cancel())
        works.runner.start()
        await works.until_finished()
        assert works.begun == [] and works.runner.counts["canceled"] == 1
        assert os.listdir(works.pipeline.data_dir) == []

    play(main)


def test_a_sealed_item_frees_its_slot(tmp_path: Path) -> None:
    """Another begins; it still counts for a stop."""
    async def main() -> None:
        works = Works(tmp_path)
        sealed: list[Item] = []
        works.runner.on_seal_item += lambda runner, item: sealed.append(item)
        works.runner.start()
        await works.until_inside(1)
        works.pipeline.on_seal_item(works.inside[1])
        await works.until_inside(1, 2)
        assert works.runner.working == 1 and works.runner.uploading == {works.inside[1]}
        works.pipeline.on_seal_item(Item(works.pipeline, "another's", 9,
                                         prepare_data_directory=False))
        assert sealed == [works.inside[1]]
        works.runner.stop_gracefully()
        works.let_go(2)
        await until(lambda: works.ended)
        assert works.runner.is_active() and works.runner.status == "stopping"
        works.let_go(1)
        await works.until_finished()
        assert not works.runner.uploading

    play(main)


def test_an_item_of_an_earlier_process(tmp_path: Path) -> None:
    """It goes on beside the others, and does not count for the most that there may be."""
    async def main() -> None:
        works = Works(tmp_path, max_items=1)
        works.runner.start()
        await works.until_inside(1)
        other = Works(tmp_path / "other")
        old = Item(other.pipeline, "old", 7, prepare_data_directory=False)
        works.runner.resume_item(old, 0)
        await other.until_inside(7)
        assert works.runner.working == 1 and works.runner.item_count == 1
        assert other.pipeline.governor is works.runner.governor
        works.let_go(1)
        await until(lambda: works.ended)
        other.let_go(7)
        await works.until_finished()
        assert works.runner.counts["completed"] == 2

    play(main)


def test_a_folder_that_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and the slot is free all the same."""
    def wrong(item: Item) -> None:
        raise PermissionError("not allowed")

    monkeypatch.setattr(Item, "clear_data_directory", wrong)

    async def main() -> None:
        works = Works(tmp_path, max_items=1)
        works.runner.start()
        await works.until_inside(1)
        works.let_go(1)
        await works.until_finished()

    play(main)
    assert "could not be removed: not allowed" in caplog.text


@pytest.mark.parametrize("what", ["clean-up", "a handler"])
def test_code_that_does_not_return_at_the_end(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner ends nevertheless, after a while."""
    monkeypatch.setattr(base_runner, "CLEANUP_TIME", 0.05)
    monkeypatch.setattr(base_runner, "LAST_HANDLERS_TIME", 0.05)
    release = threading.Event()

    class Step(SimpleTask):
        def process(self, item: Item) -> None:
            """Gives the pipeline's worker something to do."""

    async def main() -> None:
        works = Works(tmp_path, max_items=1)
        works.pipeline.add_task(Step("Step"))
        if what == "clean-up":
            works.pipeline.on_cleanup += lambda: release.wait(10)
        works.runner.start()
        await works.until_inside(1)
        if what == "a handler":
            assert works.pipeline.worker is not None
            works.pipeline.tasks.pop()
            works.pipeline.worker.call(release.wait, 10)
        works.let_go(1)
        await works.until_finished()
        release.set()

    play(main)


@pytest.mark.parametrize("event", ["on_complete_item", "on_finish_item"])
def test_the_folder_is_there_until_the_handlers_have_returned(tmp_path: Path, event: str) -> None:
    """A project may look at what an item has left, as long as it likes."""
    looking, may_go_on = threading.Event(), threading.Event()
    found: list[bool] = []

    def look(pipeline: Pipeline, item: Item) -> None:
        looking.set()
        assert may_go_on.wait(10)
        found.append(os.path.isdir(item["data_dir"]))

    async def main() -> None:
        works = Works(tmp_path, max_items=1)
        getattr(works.pipeline, event).handle(look)
        works.runner.start()
        await works.until_inside(1)
        works.let_go(1)
        await until(looking.is_set)
        await asyncio.sleep(0.02)
        assert works.ended == []
        may_go_on.set()
        await works.until_finished()
        assert found == [True] and os.listdir(works.pipeline.data_dir) == []

    play(main)

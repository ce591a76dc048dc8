"""Items of several runners and versions on one board."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.item import Item
from pipeline_core.pipeline import Pipeline
from pipeline_core.runner import Runner
from pipeline_core.task import SimpleTask
from warrior.process.item_log import ItemLogs
from warrior.web.board import FINISHED_KEPT, Board


class Loaded:
    """Loaded pipelines, and a listener that records the calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pipelines: list[tuple[str, str, Pipeline]] = []
        self.told: list[Any] = []
        self.readers = {"a page"}
        self.board = Board(ItemLogs(), lambda: list(self.pipelines))
        self.board.listener = self

    def load(self, project: str, version: str, runner: Runner, *names: str) -> Pipeline:
        pipeline = Pipeline(*map(SimpleTask, names))
        pipeline.data_dir = str(self.folder)
        self.pipelines.append((project, version, pipeline))
        runner.set_current_pipeline(pipeline)
        return pipeline

    def unload(self, pipeline: Pipeline) -> None:
        self.pipelines = [one for one in self.pipelines if one[2] is not pipeline]
        self.board.look_at_pipelines()

    def changed(self, *sections: str) -> None:
        self.told += sections

    def changed_later(self, *sections: str) -> None:
        self.told += [f"later {section}" for section in sections]

    def item_changed(self, item_id: str) -> None:
        self.told.append(item_id)

    def item_gone(self, item_id: str) -> None:
        self.told.append(f"gone {item_id}")

    def output_came(self, item_id: str, text: str) -> None:
        self.told.append(text)


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return Loaded(tmp_path)


def begin(runner: Runner, item_id: str) -> Item:
    assert runner.current_pipeline is not None
    item = Item(runner.current_pipeline, item_id, 1, prepare_data_directory=False)
    runner.on_create_item(runner, item)
    return item


def end(runner: Runner, item: Item, state: str = "completed") -> None:
    item.item_state = state
    runner.on_pipeline_finish_item(runner, item.pipeline, item)


def test_items_know_their_project_and_version(loaded: Loaded) -> None:
    """Also when the runner has switched to new code with other tasks."""
    one, two = Runner(), Runner()
    board = loaded.board
    board.add_runner("one", one)
    board.add_runner("one", one)
    board.add_runner("two", two)
    old = loaded.load("one", "aaa", one, "Old", "Task")
    loaded.load("two", "ccc", two, "Other")
    first = begin(one, "1")
    loaded.load("one", "bbb", one, "New")
    begin(one, "2")
    begin(two, "3")
    assert [(view.project, view.pipeline) for view in board.items.values()] == [
        ("one", "one@aaa"), ("one", "one@bbb"), ("two", "two@ccc")]
    assert board.pipelines["one@aaa"].tasks == (("0", "Old"), ("1", "Task"))
    assert board.pipelines["one@bbb"].tasks == (("0", "New"),)
    first.set_task_status(old.tasks[1], "running")
    assert board.items["1"].statuses == {"1": "running"}
    assert board.started == 3
    assert "pipelines" in loaded.told


def test_old_steps_stay_for_as_long_as_an_item_shows_them(loaded: Loaded) -> None:
    """Their names stay; the pipeline itself is released when its last item has ended."""
    runner = Runner()
    board = loaded.board
    board.add_runner("one", runner)
    old = loaded.load("one", "aaa", runner, "Old")
    gone = weakref.ref(old)
    item = begin(runner, "1")
    loaded.load("one", "bbb", runner, "New")
    loaded.unload(old)
    item.set_task_status(old.tasks[0], "running")
    assert board.items["1"].statuses == {"0": "running"}
    end(runner, item)
    board.look_at_pipelines()
    assert set(board.pipelines) == {"one@aaa", "one@bbb"}
    del item, old
    gc.collect()
    assert gone() is None
    loaded.told.clear()
    for number in range(FINISHED_KEPT):
        end(runner, begin(runner, f"later-{number}"))
    assert set(board.pipelines) == {"one@bbb"}
    assert "pipelines" in loaded.told


def test_pipeline_that_nobody_names_is_shown_all_the_same(loaded: Loaded) -> None:
    """An item in it is at work."""
    runner = Runner()
    loaded.board.add_runner("one", runner)
    loaded.load("one", "aaa", runner, "Task")
    loaded.pipelines.clear()
    begin(runner, "1")
    assert loaded.board.items["1"].pipeline == "one@"
    assert loaded.board.pipelines["one@"].tasks == (("0", "Task"),)


def test_ended_items_are_kept_up_to_a_number(loaded: Loaded) -> None:
    """The newest of them over all projects, without holding the items themselves."""
    runners = {"one": Runner(), "two": Runner()}
    board = loaded.board
    for name, runner in runners.items():
        board.add_runner(name, runner)
        loaded.load(name, "aaa", runner, "Task")
    items = []
    for number in range(FINISHED_KEPT + 50):
        runner = runners["one" if number % 2 else "two"]
        item = begin(runner, f"item-{number}")
        item.log_output("text")
        end(runner, item, "failed" if number % 3 == 0 else "completed")
        items.append(weakref.ref(item))
    assert len(board.items) == FINISHED_KEPT
    assert "item-49" not in board.items
    assert board.logs.get("item-49") is None
    assert board.logs.get("item-50") is not None
    assert "gone item-49" in loaded.told
    assert board.counts == {"completed": 100, "failed": 50, "canceled": 0}
    del item
    for runner in runners.values():
        runner.active_items.clear()
    gc.collect()
    assert not any(item() for item in items)


def test_runners_come_and_go_by_themselves(loaded: Loaded) -> None:
    """The board does not keep one alive."""
    runner = Runner()
    loaded.board.add_runner("one", runner)
    gone = weakref.ref(runner)
    del runner
    gc.collect()
    assert gone() is None


def test_item_that_was_cancelled_before_it_began_counts(loaded: Loaded) -> None:
    """It leaves no trace on the page."""
    runner = Runner()
    loaded.board.add_runner("one", runner)
    pipeline = loaded.load("one", "aaa", runner, "Task")
    end(runner, Item(pipeline, "1", 1, prepare_data_directory=False), "canceled")
    assert loaded.board.counts["canceled"] == 1
    assert not loaded.board.items


def test_items_that_only_waited_do_not_count(loaded: Loaded) -> None:
    """Neither one that was announced nor one that ended before: ``started`` is as it was."""
    runner, board = Runner(), loaded.board
    board.add_runner("one", runner)
    pipeline = loaded.load("one", "aaa", runner, "Task")
    unannounced = Item(pipeline, "1", 1, prepare_data_directory=False)
    unannounced.only_waited = True
    end(runner, unannounced, "canceled")
    assert board.started == 0
    begin(runner, "2")
    announced = begin(runner, "3")
    assert board.started == 2
    announced.only_waited = True
    end(runner, announced, "canceled")
    assert board.started == 1 and list(board.items) == ["2"]
    assert board.counts["canceled"] == 0


def test_closed_board_hears_nothing(loaded: Loaded) -> None:
    """After close() it has no handlers at the runners."""
    runner = Runner()
    loaded.board.add_runner("one", runner)
    loaded.load("one", "aaa", runner, "Task")
    loaded.board.close()
    loaded.board.close()
    begin(runner, "1")
    assert not loaded.board.items

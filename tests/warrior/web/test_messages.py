"""What the page is told, and in which words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline_core.item import Item
from pipeline_core.pipeline import Pipeline
from pipeline_core.runner import Runner
from pipeline_core.task import LimitConcurrent, SimpleTask
from pipeline_core.waiting import Fault, Waiting
from warrior.itemlog import ItemLogs
from warrior.web import messages
from warrior.web.board import FINISHED_KEPT, Board


class Work(SimpleTask):
    pass


@pytest.fixture
def board(tmp_path: Path) -> Board:
    runner = Runner(concurrent_items=3)
    pipeline = Pipeline(Work("First"), LimitConcurrent(1, Work("Second")))
    pipeline.data_dir = str(tmp_path)
    runner.set_current_pipeline(pipeline)
    runner.status = "running"
    return Board(runner, None, "someone", ItemLogs())


def add(board: Board, number: int, name: str = "name") -> Item:
    pipeline = board.runner.current_pipeline
    assert pipeline is not None
    item = Item(pipeline, f"item-{number}", number, prepare_data_directory=False)
    item["item_name"] = name
    board.runner.on_create_item(board.runner, item)
    return item


def text(board: Board) -> str:
    return str(messages.status_json(board, time.monotonic())["text"])


@pytest.mark.parametrize("name,shown", [
    ("a", "a"), ("", ""), ("a\0b", "a +1 more"), ("a\0b\0c\0", "a +2 more"),
    ("https://x/?<b>\n", "https://x/?<b>\n"), ("\0", ""), ("x" * 600, "x" * 500 + "…")])
def test_display_name(name: str, shown: str) -> None:
    """Of many names the first, and how many more; markup is the page's to escape."""
    assert messages.display_name(name) == shown


def test_ids_mean_something(board: Board) -> None:
    """Items by their id, tasks by their position."""
    item = add(board, 1)
    pipeline = item.pipeline
    item.set_task_status(pipeline.tasks[0], "completed")
    item.set_task_status(pipeline.tasks[1].inner_task, "running")
    state = messages.snapshot_json(board, time.monotonic())
    assert state["projects"][0]["tasks"] == [["0", "First"], ["1.0", "Second"]]
    assert state["items"][0]["id"] == "item-1"
    assert state["items"][0]["tasks"] == {"0": "completed", "1.0": "running"}


def test_sentence_says_what_runs_and_why_it_waits(board: Board) -> None:
    """Working, some waiting, all waiting: with reason, whose turn, and seconds from now."""
    assert text(board) == "Starting the next item."
    first, second = add(board, 1), add(board, 2)
    assert text(board) == "Working on 2 items."
    now = time.monotonic()
    first.set_waiting(Waiting("The tracker has no items.", Fault.TRACKER, now + 60, "no-items"))
    assert text(board) == "Working on 1 item. 1 waits: The tracker has no items."
    second.set_waiting(Waiting("The disk is full.", Fault.MACHINE, now + 90, "resources"))
    status = messages.status_json(board, now)
    assert status["text"] == "The disk is full. All 2 items wait."
    assert status["whose"] == "this machine"
    assert status["next_in"] == 90.0
    assert status["tone"] == "waiting"


def test_waiting_for_nobody_has_no_name(board: Board) -> None:
    """A queue is nobody's fault, and no clock decides."""
    item = add(board, 1)
    item.set_waiting(Waiting("Waits for a free slot.", Fault.NOBODY, None, "queue"))
    status = messages.status_json(board, time.monotonic())
    assert (status["whose"], status["next_in"]) == ("", None)


def test_sentence_when_stopping_and_stopped(board: Board) -> None:
    """What is still awaited, and in the end how many items ended how."""
    add(board, 1)
    board.runner.status = "stopping"
    assert text(board) == "Stopping: 1 item is still being finished, no new ones start."
    board.runner.status = "stopped"
    board.runner.counts.update(completed=2, failed=1, canceled=3)
    assert text(board) == "Stopped. 2 items completed, 1 failed, 3 cancelled."


def test_trouble_with_starting_items_is_told(board: Board) -> None:
    """When no item can be started, the reason is the sentence."""
    now = time.monotonic()
    board.runner.waiting = Waiting("No folder.", Fault.MACHINE, now + 2, "resources")
    status = messages.status_json(board, now)
    assert (status["text"], status["whose"], status["tone"]) == (
        "No folder.", "this machine", "trouble")


def test_ended_items_are_kept_up_to_a_number(board: Board) -> None:
    """The newest of them, without holding the items themselves."""
    for number in range(FINISHED_KEPT + 50):
        item = add(board, number)
        item.log_output("text")
        board.runner.on_pipeline_finish_item(board.runner, item.pipeline, item)
    assert len(board.items) == FINISHED_KEPT
    assert "item-49" not in board.items
    assert board.logs.get("item-49") is None
    assert board.logs.get("item-50") is not None


def test_closed_board_hears_nothing(board: Board) -> None:
    """After close() the runner knows nothing of it."""
    board.close()
    board.close()
    add(board, 1)
    assert not board.items

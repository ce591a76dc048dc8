"""The contract's part `runner`: handlers of its events that raise.

One of `on_create_item` or `on_pipeline_start_item` ends the item, with the traceback in its log;
none of any event keeps the runner from going on to its end.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.support.kit import Played, play, run_pipeline, write_pipeline

PRINTING = "pipeline = Pipeline(SetItemKey('item_name', 'x'), PrintItem())\n"


def refuse_first(runner: Any, *rest: Any) -> None:
    """A handler that raises for the first item."""
    if rest[-1].item_number == 1:
        raise LookupError("this handler is wrong")


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed items do not hold up the next ones."""
    monkeypatch.setattr("pipeline_core.runner.Runner.FAILED_ITEM_DELAY", 0)


@pytest.mark.logs_errors("A handler of on_(create|pipeline_start)_item failed for .*LookupError")
@pytest.mark.parametrize("event", ["on_create_item", "on_pipeline_start_item"])
def test_a_handler_that_raises_ends_the_item(tmp_path: Path, event: str) -> None:
    """That item fails before its first task, with the traceback in its log; its folder goes, the
    other handlers are called all the same, and the next item is not concerned."""
    told: list[int] = []
    finished: list[tuple[int, str]] = []

    def prepare(played: Played) -> None:
        handlers = getattr(played.runner, event)
        handlers.handle(refuse_first)
        handlers.handle(lambda *args: told.append(args[-1].item_number))
        played.runner.on_pipeline_finish_item += (
            lambda runner, pipeline, item: finished.append((item.item_number, item.item_state)))

    played = play(write_pipeline(tmp_path, PRINTING), items=2, prepare=prepare)
    assert played.outcomes == ["failed", "completed"]
    assert told == [1, 2]
    assert finished == [(1, "failed"), (2, "completed")]
    assert played.runner.counts == {"completed": 1, "failed": 1, "canceled": 0}
    log = played.items[0].log
    assert "Traceback" in log and log.rstrip().endswith("LookupError: this handler is wrong")
    assert "Starting" not in log
    assert not list((tmp_path / "data").glob("*"))
    assert played.statuses[-1] == "stopped"


def test_a_handler_may_end_the_item_itself(tmp_path: Path) -> None:
    """An item that on_create_item has ended is over: it does not begin, and the runner goes on."""
    def prepare(played: Played) -> None:
        played.runner.on_create_item += (
            lambda runner, item: item.cancel() if item.item_number == 1 else None)

    played = play(write_pipeline(tmp_path, PRINTING), items=2, prepare=prepare)
    assert played.outcomes == ["canceled", "completed"]


@pytest.mark.logs_errors("A handler of on_pipeline_finish_item failed for .*LookupError")
def test_a_handler_of_the_end_that_raises(tmp_path: Path) -> None:
    """The item is counted as it ended, its slot is free, and its log has the traceback."""
    def prepare(played: Played) -> None:
        played.runner.on_pipeline_finish_item += refuse_first

    played = play(write_pipeline(tmp_path, PRINTING), items=2, prepare=prepare)
    assert played.outcomes == ["completed", "completed"]
    assert played.items[0].log.rstrip().endswith("LookupError: this handler is wrong")
    assert "LookupError" not in played.items[1].log


@pytest.mark.logs_errors("A handler of on_(status|finish) failed")
def test_handlers_of_the_state_that_raise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever on_status and on_finish do, the runner starts, stops, and says that it has."""
    def refuse(*args: object) -> None:
        raise LookupError("this handler is wrong")

    def prepare(played: Played) -> None:
        played.runner.on_status += refuse
        played.runner.on_finish += refuse

    async def script(played: Played) -> None:
        await played.until(lambda: len(played.items) > 1)
        played.runner.stop_gracefully()

    with caplog.at_level(logging.ERROR):
        played = play(write_pipeline(tmp_path, PRINTING), script, items=None, prepare=prepare)
    assert played.statuses == ["running", "stopping", "stopped"]
    failures = [record for record in caplog.records if "A handler of" in record.getMessage()]
    assert len(failures) == 4
    assert all("this handler is wrong" in str(record.exc_info) for record in failures)


def test_a_plain_script_shows_it(tmp_path: Path) -> None:
    """run-pipeline's log names the handler and the error, and the traceback is in the output."""
    path = write_pipeline(tmp_path, """\
        import seesaw.runner
        init = seesaw.runner.Runner.__init__
        pipeline = Pipeline(PrintItem())
        def spoil(self, item):
            raise LookupError('this handler is wrong')
        import gc
        for runner in gc.get_objects():
            if isinstance(runner, seesaw.runner.Runner):
                runner.on_create_item += spoil
        """)
    ended = run_pipeline(path)
    assert ended.status == 0
    assert "in spoil" in ended.output
    assert "A handler of on_create_item failed for <Item '' " in ended.output
    assert "Done: 0 completed, 1 failed, 0 cancelled." in ended.output

"""The contract's part `pipeline, project, runner`.

Covered: Pipeline's attributes, methods, events with (pipeline, item); on_cleanup,
on_stop_requested, on_stop_canceled; Project; Runner: max_items, concurrent_items,
stop_gracefully, keep_running, set_current_pipeline, is_active, active_items,
item_count, all events; the rest after a failed item; the STOP file.
"""

from __future__ import annotations

import asyncio
import datetime
import inspect
import os
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.loader import load_pipeline
from pipeline_core.externalprocess import ExternalProcess
from pipeline_core.item import Item
from pipeline_core.pipeline import Pipeline
from pipeline_core.project import Project
from pipeline_core.runner import Runner, SimpleRunner
from pipeline_core.task import ConditionalTask, LimitConcurrent, PrintItem, SetItemKey
from tests.support.kit import Played, load, play, start_pipeline, write_pipeline

GATED = """\
    code = 'import os, time\\nprint("GO", flush=True)\\nwhile not os.path.exists("go"): time.sleep(.01)'
    pipeline = Pipeline(SetItemKey('a', 1), ExternalProcess('Gate', [PYTHON, '-c', code]))
    """


def test_pipeline_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tasks, add_task, cwd, data_dir, project, items_in_pipeline of a new pipeline."""
    monkeypatch.chdir(tmp_path)
    first, second = SetItemKey("a", 1), PrintItem()
    pipeline = Pipeline(first)
    pipeline.add_task(second)
    assert pipeline.tasks == [first, second]
    assert pipeline.cwd == str(tmp_path)
    assert pipeline.data_dir == str(tmp_path / "data")
    assert pipeline.project is None
    assert len(pipeline.items_in_pipeline) == 0
    assert pipeline.ui_task_list() == [(first, first.name), (second, "PrintItem")]


def test_add_task_in_a_file(tmp_path: Path) -> None:
    """Files build their pipeline piece by piece."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline()
        for number in range(3):
            pipeline.add_task(SetItemKey('key%d' % number, number))
        """)
    item = play(path).only.item
    assert [item[f"key{n}"] for n in range(3)] == [0, 1, 2]


def test_pipeline_events(tmp_path: Path) -> None:
    """on_start/complete/fail/finish_item get (pipeline, item), once each, in order."""
    path = write_pipeline(tmp_path, """\
        class Work(SimpleTask):
            def process(self, item):
                if item.item_number == 2:
                    raise Exception('x')
        pipeline = Pipeline(Work('Work'))
        calls = pipeline.calls = []
        def note(word):
            def handler(p, item):
                assert p is pipeline
                calls.append((word, item.item_number))
            return handler
        pipeline.on_start_item += note('start')
        pipeline.on_complete_item += note('complete')
        pipeline.on_fail_item += note('fail')
        pipeline.on_cancel_item += note('cancel')
        pipeline.on_finish_item += note('finish')
        """)
    played = play(path, items=2)
    assert played.loaded.pipeline.calls == [  # type: ignore[attr-defined]
        ("start", 1), ("complete", 1), ("finish", 1), ("start", 2), ("fail", 2), ("finish", 2)]


def test_on_cleanup_is_fired_at_the_end(tmp_path: Path) -> None:
    """on_cleanup() is called once, when the runner is done with the pipeline."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(PrintItem())
        def clean():
            with open('cleaned', 'a') as f:
                f.write('cleaned in %s\\n' % os.getcwd())
        pipeline.on_cleanup += clean
        """)
    play(path, items=2)
    assert (tmp_path / "cleaned").read_text() == f"cleaned in {tmp_path}\n"


def test_stop_events_and_keep_running(tmp_path: Path) -> None:
    """stop_gracefully fires on_stop_requested; keep_running fires on_stop_canceled and undoes it."""
    path = write_pipeline(tmp_path, GATED.rstrip() + """
    pipeline.words = []
    pipeline.on_stop_requested += lambda: pipeline.words.append('stop')
    pipeline.on_stop_canceled += lambda: pipeline.words.append('go on')
    """)

    async def script(played: Played) -> None:
        words = played.loaded.pipeline.words  # type: ignore[attr-defined]
        await played.until_log("GO")
        played.runner.stop_gracefully()
        await played.until(lambda: words == ["stop"])
        assert played.runner.status == "stopping"
        played.runner.keep_running()
        await played.until(lambda: words == ["stop", "go on"])
        assert played.runner.status == "running"
        (tmp_path / "go").write_text("")

    played = play(path, script, items=3)
    assert played.outcomes == ["completed"] * 3
    assert played.statuses == ["running", "stopping", "running", "stopped"]


def test_stop_gracefully_lets_items_finish(tmp_path: Path) -> None:
    """After stop_gracefully the items at work finish, no new one starts, on_finish is fired."""
    path = write_pipeline(tmp_path, GATED)

    async def script(played: Played) -> None:
        await played.until(lambda: played.log.count("GO") == 2)
        played.runner.stop_gracefully()
        (tmp_path / "go").write_text("")

    played = play(path, script, items=None, concurrent=2)
    assert played.outcomes == ["completed"] * 2
    assert not played.runner.is_active()
    assert played.statuses[-1] == "stopped"


def test_runner_numbers_and_events(tmp_path: Path) -> None:
    """item_count, active_items, is_active, and the arguments of the runner's events."""
    path = write_pipeline(tmp_path, GATED)
    calls: list[Any] = []

    def prepare(played: Played) -> None:
        runner = played.runner
        assert runner.item_count == 0 and not runner.active_items
        runner.on_create_item += lambda *a: calls.append(("create", *a))
        runner.on_pipeline_start_item += lambda *a: calls.append(("start", *a))
        runner.on_pipeline_finish_item += lambda *a: calls.append(("finish", *a))
        runner.on_finish += lambda *a: calls.append(("done", *a))

    async def script(played: Played) -> None:
        await played.until_log("GO")
        assert played.runner.is_active()
        assert {seen.item for seen in played.items} == set(played.runner.active_items)
        assert played.runner.current_pipeline is played.loaded.pipeline
        assert set(played.loaded.pipeline.items_in_pipeline) == set(played.runner.active_items)
        (tmp_path / "go").write_text("")

    played = play(path, script, items=1, prepare=prepare)
    item, runner, pipeline = played.only.item, played.runner, played.loaded.pipeline
    assert calls == [("create", runner, item), ("start", runner, pipeline, item),
                     ("finish", runner, pipeline, item), ("done", runner)]
    assert runner.item_count == 1 and not runner.active_items
    assert not pipeline.items_in_pipeline


@pytest.mark.parametrize("concurrent", [1, 3])
def test_concurrent_items_and_max_items(tmp_path: Path, concurrent: int) -> None:
    """So many at once, so many in all; item numbers count from 1, ids differ."""
    path = write_pipeline(tmp_path, GATED)

    async def script(played: Played) -> None:
        await played.until(lambda: played.log.count("GO") == concurrent)
        assert len(played.runner.active_items) == concurrent
        (tmp_path / "go").write_text("")

    played = play(path, script, items=5, concurrent=concurrent)
    assert played.outcomes == ["completed"] * 5
    assert [seen.item.item_number for seen in played.items] == [1, 2, 3, 4, 5]
    assert len({seen.item.item_id for seen in played.items}) == 5


def test_concurrent_items_may_change(tmp_path: Path) -> None:
    """A raised number starts items at once; a lowered one lets items finish."""
    path = write_pipeline(tmp_path, GATED)

    async def script(played: Played) -> None:
        await played.until(lambda: len(played.runner.active_items) == 1)
        played.runner.concurrent_items = 4
        await played.until(lambda: len(played.runner.active_items) == 4, 3)
        played.runner.concurrent_items = 1
        await asyncio.sleep(0)
        assert len(played.runner.active_items) == 4
        (tmp_path / "go").write_text("")

    played = play(path, script, items=6)
    assert played.outcomes == ["completed"] * 6


def test_pipeline_may_be_exchanged(tmp_path: Path) -> None:
    """set_current_pipeline sends new items through another; the old ones finish where they are."""
    first = write_pipeline(tmp_path / "a", GATED)
    second = write_pipeline(tmp_path / "b", "pipeline = Pipeline(SetItemKey('second', True))\n")

    async def script(played: Played) -> None:
        await played.until_log("GO")
        other = await load_pipeline(str(second), "tester")
        played.runner.set_current_pipeline(other.pipeline)
        played.runner.concurrent_items = 2
        await played.until(lambda: len(played.items) >= 3)
        (tmp_path / "a" / "go").write_text("")
        await played.finished.wait()
        other.worker.close()

    played = play(first, script, items=3)
    assert "second" not in played.items[0].item
    assert all(seen.item["second"] for seen in played.items[1:])


def test_failed_item_rests_its_slot(tmp_path: Path) -> None:
    """After a failed item its slot rests about ten seconds; other slots go on meanwhile."""
    path = write_pipeline(tmp_path, """\
        class Fail(SimpleTask):
            def process(self, item):
                if item.item_number == 1:
                    raise Exception('x')
        pipeline = Pipeline(Fail('Fail'))
        """)

    async def script(played: Played) -> None:
        await played.until(lambda: "failed" in played.outcomes)
        await played.until(lambda: len(played.runner.resting) == 1)
        next_at = played.runner.resting.next_end
        assert next_at is not None and next_at <= time.monotonic() + 10
        assert next_at >= played.only.output[-1][0] + 9
        played.runner.concurrent_items = 2
        await played.until(lambda: len(played.items) > 3)
        played.runner.stop_gracefully()

    play(path, script, items=None)


def test_the_rest_may_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runner.FAILED_ITEM_DELAY is the rest in seconds, for all runners or for one."""
    assert Runner.FAILED_ITEM_DELAY == SimpleRunner.FAILED_ITEM_DELAY == 10
    path = write_pipeline(tmp_path, """\
        class Fail(SimpleTask):
            def process(self, item):
                raise Exception('x')
        pipeline = Pipeline(Fail('Fail'))
        """)

    def prepare(played: Played) -> None:
        played.runner.FAILED_ITEM_DELAY = 0.01

    assert play(path, items=5, prepare=prepare).outcomes == ["failed"] * 5
    monkeypatch.setattr(Runner, "FAILED_ITEM_DELAY", 0)
    assert play(path, items=5).outcomes == ["failed"] * 5


def test_printing_a_pipeline() -> None:
    """print(pipeline) lists its tasks, one a line, with those inside others."""
    pipeline = Pipeline(
        SetItemKey("item_name", "x"),
        LimitConcurrent(2, ConditionalTask(lambda item: True, PrintItem())))
    pipeline.add_task(ExternalProcess("Run it", ["true"]))
    assert str(pipeline).splitlines() == [
        "Pipeline:", " -> SetItemKey", " -> LimitConcurrent(Conditional(PrintItem))", " -> Run it"]
    assert str(Pipeline()) == "Pipeline:"


def test_no_rest_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the last item failed the runner is done at once: nothing comes that would rest."""
    path = write_pipeline(tmp_path, """\
        class Fail(SimpleTask):
            def process(self, item):
                raise Exception('x')
        pipeline = Pipeline(Fail('Fail'))
        """)
    monkeypatch.setattr(Runner, "FAILED_ITEM_DELAY", 3600.0)
    played = play(path)
    assert played.outcomes == ["failed"]
    assert played.runner.counts == {"completed": 0, "failed": 1, "canceled": 0}


def test_cancel_items(tmp_path: Path) -> None:
    """cancel_items ends those that may be cancelled, and only those."""
    path = write_pipeline(tmp_path, """\
        class Park(Task):
            def enqueue(self, item):
                self.start_item(item)
                item.may_be_canceled = item.item_number == 1
                item.log_output('PARKED')
                if not item.may_be_canceled:
                    IOLoop.instance().add_timeout(datetime.timedelta(seconds=0.5),
                                                  lambda: self.complete_item(item))
        pipeline = Pipeline(Park('Park'))
        pipeline.canceled = []
        pipeline.on_cancel_item += lambda p, item: pipeline.canceled.append(item.item_number)
        """)

    async def script(played: Played) -> None:
        await played.until(lambda: played.log.count("PARKED") == 2)
        played.loaded.pipeline.cancel_items()

    played = play(path, script, items=2, concurrent=2)
    assert played.outcomes == ["canceled", "completed"]
    assert played.loaded.pipeline.canceled == [1]  # type: ignore[attr-defined]
    assert played.items[0].states == ["canceled"]


def test_stop_takes_effect_on_a_waiting_item(tmp_path: Path) -> None:
    """An item that only waits and may be cancelled ends at once when the runner stops."""
    path = write_pipeline(tmp_path, """\
        class Park(Task):
            def enqueue(self, item):
                self.start_item(item)
                item.may_be_canceled = True
                item.log_output('PARKED')
        pipeline = Pipeline(Park('Park'))
        """)

    async def script(played: Played) -> None:
        await played.until_log("PARKED")
        played.runner.stop_gracefully()

    assert play(path, script, items=None).outcomes == ["canceled"]


def test_stop_now_ends_everything(tmp_path: Path) -> None:
    """stop_now ends items and their children at once."""
    path = write_pipeline(tmp_path, GATED)

    async def script(played: Played) -> None:
        await played.until_log("GO")
        played.runner.stop_now(kill_after=3600)  # TERM is enough

    played = play(path, script, items=None)
    assert played.only.item.finished and played.only.outcome != "completed"


def test_project() -> None:
    """Project(title=, project_html=, utc_deadline=) keeps what it is given."""
    deadline = datetime.datetime(2030, 1, 2, 3, 4, 5)
    project = Project(title="A title", project_html="<h2>A</h2>", utc_deadline=deadline)
    assert (project.title, project.project_html, project.utc_deadline) == (
        "A title", "<h2>A</h2>", deadline)
    assert Project(title="B").utc_deadline is None
    assert Project("C", "<p>").title == "C"


def test_project_deadline_in_a_file(tmp_path: Path) -> None:
    """Files give naive UTC datetimes."""
    loaded = load(write_pipeline(tmp_path, """\
        project = Project(title='T', project_html='', utc_deadline=datetime.datetime(
            2031, 12, 31, 23, 59, 0))
        pipeline = Pipeline(PrintItem())
        """))
    assert loaded.project.utc_deadline == datetime.datetime(2031, 12, 31, 23, 59, 0)


def test_runner_signatures() -> None:
    """The arguments' names, order and defaults are the contract's."""
    for kind, names in ((Runner, []), (SimpleRunner, ["pipeline"])):
        parameters = inspect.signature(kind).parameters
        assert list(parameters)[:len(names) + 4] == [
            *names, "stop_file", "concurrent_items", "max_items", "keep_data"]
        assert [parameters[n].default for n in list(parameters)[len(names):len(names) + 4]] == [
            None, 1, None, False]
    item = inspect.signature(Item).parameters
    assert list(item)[:6] == ["pipeline", "item_id", "item_number", "keep_data",
                              "prepare_data_directory", "properties"]


def test_a_stop_file_from_before_does_not_stop(tmp_path: Path) -> None:
    """A STOP file that was there before the start is no reason to stop."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(PrintItem())\n")
    (tmp_path / "STOP").write_text("")
    os.utime(tmp_path / "STOP", (1e9, 1e9))
    played = play(path, items=3, stop_file=str(tmp_path / "STOP"))
    assert played.outcomes == ["completed"] * 3


@pytest.mark.parametrize("there_before", [False, True])
def test_touching_the_stop_file_stops(tmp_path: Path, there_before: bool) -> None:
    """Making or touching the STOP file stops: items finish, status 0, no new ones."""
    path = write_pipeline(tmp_path, GATED)
    stop = tmp_path / "STOP"
    if there_before:
        stop.write_text("")
        os.utime(stop, (1e9, 1e9))
    with start_pipeline(path, "--stop-file", "STOP") as command:
        command.wait_output("GO")
        stop.touch()
        command.wait_output("(?i)stop", 15)
        (tmp_path / "go").write_text("")
        assert command.wait(20) == 0
        assert command.output.count("Starting Gate") == 1


def test_default_stop_file_is_in_the_working_directory(tmp_path: Path) -> None:
    """`touch STOP` where run-pipeline was started stops it, without any option."""
    path = write_pipeline(tmp_path, GATED)
    with start_pipeline(path) as command:
        command.wait_output("GO")
        (tmp_path / "STOP").touch()
        command.wait_output("(?i)stop", 15)
        (tmp_path / "go").write_text("")
        assert command.wait(20) == 0

"""Orders of events that could hang an item, count it twice, or leave something behind.

Each of them with a real pipeline file; the parts of the engine have tests of their own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine import base_runner, item_scope
from tests.support.kit import Played, play, write_pipeline
from tests.support.scripted_tracker import (
    HANG,
    NOTHING,
    ScriptedTracker,
    item_answer,
    json_answer,
)


@pytest.fixture
def tracker() -> Iterator[ScriptedTracker]:
    with ScriptedTracker() as scripted:
        yield scripted


# -- tasks that a project begins by itself ---------------------------------------------------
def test_a_request_that_a_project_begins_by_itself(
    tmp_path: Path, tracker: ScriptedTracker
) -> None:
    """An enqueue without ours behind it: the request is repeated all the same."""
    tracker.queue("request", NOTHING, NOTHING, item_answer("x"))
    path = write_pipeline(tmp_path, f"""\
        class Get(GetItemFromTracker):
            DEFAULT_RETRY_DELAY = RETRY_DELAY_INCREMENT = 0.02
            def enqueue(self, item):
                self.start_item(item)
                self.send_request(item)
        pipeline = Pipeline(Get({tracker.url!r}, downloader), PrintItem())
        """)
    played = play(path, timeout=10)
    assert played.outcomes == ["completed"]
    assert played.log.count("Finished GetItemFromTracker") == 1


def test_a_stop_cancels_a_request_that_a_project_has_begun(
    tmp_path: Path, tracker: ScriptedTracker
) -> None:
    """And its turn is not left behind: the next one may ask at once."""
    tracker.always("request", HANG)
    path = write_pipeline(tmp_path, f"""\
        class Get(GetItemFromTracker):
            def enqueue(self, item):
                self.start_item(item)
                self.send_request(item)
        pipeline = Pipeline(Get({tracker.url!r}, downloader))
        """)

    async def script(played: Played) -> None:
        await played.until(tracker.requests)
        played.runner.stop_now(0.1)

    played = play(path, script, timeout=10)
    assert played.outcomes == ["canceled"]
    assert played.runner.governor.tracker(tracker.url + "/request").try_turn() is not None


def test_a_program_that_a_project_begins_by_itself(tmp_path: Path) -> None:
    """It is tried again as often as it should be."""
    path = write_pipeline(tmp_path, """\
        class Run(ExternalProcess):
            def enqueue(self, item):
                self.start_item(item)
                self.process(item)
        pipeline = Pipeline(Run('Run', ['sh', '-c', 'echo try; test -e mark || { >mark; exit 1; }'],
                                max_tries=3, retry_delay=0.02), PrintItem())
        """)
    played = play(path, timeout=10)
    assert played.outcomes == ["completed"]
    assert played.log.count("try\n") == 2 and played.only.item["tries"] == 2


def test_an_enqueue_that_completes_and_goes_on(tmp_path: Path) -> None:
    """The first word counts, whatever the child that was started says later."""
    path = write_pipeline(tmp_path, """\
        class Run(ExternalProcess):
            def enqueue(self, item):
                self.start_item(item)
                self.process(item)
                self.complete_item(item)
        pipeline = Pipeline(Run('Run', ['false']), PrintItem())
        """)
    played = play(path, timeout=10)
    assert played.outcomes == ["completed"]
    assert played.log.count("Finished Run") == 1 and "Failed Run" not in played.log


def test_an_inner_task_in_a_container_of_the_project(tmp_path: Path) -> None:
    """A subclass of LimitConcurrent that lets items in by itself: they leave it, one by one."""
    path = write_pipeline(tmp_path, """\
        class Own(LimitConcurrent):
            def enqueue(self, item):
                self.start_item(item)
                self.inner_task.enqueue(item)
        class At_once(SimpleTask):
            def enqueue(self, item):
                self.complete_item(item)
        pipeline = Pipeline(Own(1, At_once('At once')), Own(1, ExternalProcess('True', ['true'])),
                            LimitConcurrent(1, At_once('Skipped')), PrintItem())
        """)
    played = play(path, items=3, concurrent=3, timeout=10)
    assert played.outcomes == ["completed"] * 3
    assert played.log.count("Starting PrintItem") == 3


# -- the first word counts -------------------------------------------------------------------
def test_no_try_behind_the_completion(tmp_path: Path) -> None:
    """An override that completes the item and still calls ours, which wants to try again."""
    path = write_pipeline(tmp_path, """\
        class Run(ExternalProcess):
            def handle_process_error(self, code, item):
                self.complete_item(item)
                super().handle_process_error(code, item)
        class Fails(SimpleTask):
            def process(self, item):
                raise ValueError
        pipeline = Pipeline(Run('Run', ['false'], max_tries=2), Fails('Fails'))
        """)
    log = play(path, timeout=10).log
    assert log.count("Finished Run") == 1
    assert "Failed Run" not in log and "Failed Fails" in log


def test_no_question_behind_the_completion(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """The same of a request: complete, ask again, complete."""
    tracker.queue("request", item_answer("x"))
    path = write_pipeline(tmp_path, f"""\
        class Get(GetItemFromTracker):
            def process_body(self, body, item):
                self.complete_item(item)
                self.schedule_retry(item)
                self.complete_item(item)
        pipeline = Pipeline(Get({tracker.url!r}, downloader), PrintItem())
        """)
    played = play(path, timeout=10)
    assert played.outcomes == ["completed"] and len(tracker.requests()) == 1
    assert played.log.count("Finished GetItemFromTracker") == 1
    assert "It counts once" in played.log


def test_callbacks_behind_the_end(tmp_path: Path) -> None:
    """What a project has scheduled and forgotten neither revives the item nor counts it again."""
    path = write_pipeline(tmp_path, """\
        fired = threading.Event()
        class Late(SimpleTask):
            def process(self, item):
                IOLoop.instance().add_timeout(datetime.timedelta(seconds=0.1), self.late, item)
            def late(self, item):
                self.start_item(item)
                self.complete_item(item)
                self.fail_item(item)
                item.complete()
                item.fail()
                self.enqueue(item)
                fired.set()
        pipeline = Pipeline(Late('Late'))
        pipeline.fired = fired
        """)

    async def script(played: Played) -> None:
        await played.until(played.loaded.pipeline.fired.is_set)  # type: ignore[attr-defined]
        played.runner.stop_gracefully()

    played = play(path, script, items=2, timeout=10)
    assert played.outcomes == ["completed"] * 2
    assert played.runner.counts == {"completed": 2, "failed": 0, "canceled": 0}


# -- handlers that end the item ----------------------------------------------------------------
@pytest.mark.parametrize("end", ["item.fail()", "item.complete()", "sys.exit(1)", "1 / 0"])
@pytest.mark.parametrize("event", [
    "pipeline.on_start_item", "task.on_start_item", "item.on_task_status", "item.on_waiting",
    "item.on_property", "task.on_complete_item", "item.on_finish"])
def test_a_handler_of_the_project_ends_the_item(
    tmp_path: Path, tracker: ScriptedTracker, event: str, end: str
) -> None:
    """Whenever it is called: the item ends, is counted once, and the runner goes on to its end."""
    tracker.queue("request", NOTHING)
    tracker.always("request", item_answer("x"))
    path = write_pipeline(tmp_path, f"""\
        class Get(GetItemFromTracker):
            DEFAULT_RETRY_DELAY = RETRY_DELAY_INCREMENT = 0.02
        task = Get({tracker.url!r}, downloader)
        pipeline = Pipeline(task, PrintItem())
        def handler(*args):
            item = next(arg for arg in args if isinstance(arg, Item))
            {end}
        where, name = {event!r}.split('.')
        def attach(pipeline, item):
            if where == 'item':
                getattr(item, name).handle(handler)
        pipeline.on_start_item += attach
        if where != 'item':
            getattr(globals()[where], name).handle(handler)
        """)
    played = play(path, timeout=10)
    outcome = played.only.outcome
    assert outcome in ("completed", "failed")
    if event != "item.on_finish":
        assert outcome == ("completed" if end == "item.complete()" else "failed")
    assert sum(played.runner.counts.values()) == 1
    assert not played.runner.active_items and not played.loaded.pipeline.items_in_pipeline


HOOKS = {
    "data": "request", "send_request": "request", "handle_response": "request",
    "process_body": "request", "increment_retry_delay": "request",
    "stdin_data": "process", "process": "process", "on_subprocess_stdout": "process",
    "on_subprocess_end": "process", "handle_process_result": "process",
    "handle_process_error": "process", "enqueue": "process", "start_item": "process",
    "complete_item": "process", "fail_item": "process",
}


@pytest.mark.parametrize("hook", sorted(HOOKS))
@pytest.mark.parametrize("error", ["1 / 0", "sys.exit(1)"])
def test_an_error_in_each_hook(
    tmp_path: Path, tracker: ScriptedTracker, hook: str, error: str
) -> None:
    """It fails that item with its traceback; no slot, turn or child is left behind."""
    tracker.queue("request", *([NOTHING] if hook == "increment_retry_delay" else []),
                  item_answer("x"))
    fails = hook in ("handle_process_error", "fail_item")
    path = write_pipeline(tmp_path, f"""\
        class Get(GetItemFromTracker):
            DEFAULT_RETRY_DELAY = 0.02
            {f"def {hook}(self, *args): {error}" if HOOKS[hook] == "request" else ""}
        class Run(ExternalProcess):
            {f"def {hook}(self, *args): {error}" if HOOKS[hook] == "process" else "pass"}
        pipeline = Pipeline(Get({tracker.url!r}, downloader), LimitConcurrent(1, Run(
            'Run', ['sh', '-c', 'cat; echo said; exit {int(fails)}'])))
        """)

    async def script(played: Played) -> None:
        await played.until(lambda: played.items and played.only.item.finished)

    played = play(path, script, timeout=10)
    assert played.outcomes == ["failed"], played.log
    assert ("ZeroDivisionError" if error == "1 / 0" else "SystemExit: 1") in played.log
    assert played.only.item.scope.children == []


# -- what is left behind -----------------------------------------------------------------------
def test_an_upload_that_cannot_begin_gives_its_turn_back(
    tmp_path: Path, tracker: ScriptedTracker
) -> None:
    """The target may be tried by as many others as before."""
    target = "rsync://127.0.0.1:9/x/"
    tracker.always("upload", json_answer({"upload_target": target}))
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(
            SetItemKey('item_name', 'x'),
            UploadWithTracker({tracker.url!r}, downloader, ['two\\nlines']))
        """)
    free = 0

    async def script(played: Played) -> None:
        nonlocal free
        endpoint = played.runner.governor.target(target)
        width = sum(played_turn is not None for played_turn in
                    [played.runner.governor.target("rsync://other.example/").try_turn()
                     for _ in range(8)])
        await played.until(lambda: played.items and played.only.item.finished)
        free = width - sum(endpoint.try_turn() is not None for _ in range(8))

    played = play(path, script, timeout=10)
    assert played.outcomes == ["failed"] and "contains a line break" in played.log
    assert free == 0


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for code that does not return."""
    monkeypatch.setattr(base_runner, "LAST_HANDLERS_TIME", 0.05)


def stuck(tmp_path: Path, body: str) -> Path:
    """A pipeline whose ``pipeline.release`` lets its code go on."""
    return write_pipeline(tmp_path, f"""\
        release = threading.Event()
{body}
        pipeline.release = release
        """)


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("handler", [
    "pipeline.on_finish_item += lambda pipeline, item: None",
    "pipeline.on_start_item += lambda pipeline, item: item.on_output.handle(lambda i, data: None)"])
def test_code_that_does_not_return_and_handlers(tmp_path: Path, handler: str) -> None:
    """To end all at once does not wait for handlers that are behind it."""
    path = stuck(tmp_path, f"""\
        class Stuck(SimpleTask):
            def process(self, item):
                print('in it')
                release.wait(60)
        pipeline = Pipeline(Stuck('Stuck'))
        {handler}
""")

    async def script(played: Played) -> None:
        # Not its log: the handlers of that may be stuck as well.
        await played.until(lambda: played.loaded.worker.busy is not None
                           and played.loaded.worker.busy.label == "Stuck")
        played.runner.stop_now(0.1)
        await asyncio.wait_for(played.finished.wait(), 10)
        release(played)()

    played = play(path, script, timeout=15)
    assert played.outcomes == ["canceled"]
    assert played.runner.counts["canceled"] == 1


def release(played: Played) -> Callable[[], None]:
    event: threading.Event = played.loaded.pipeline.release  # type: ignore[attr-defined]
    return event.set


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("script", ["exec yes", "yes | head -c 6000000"])
def test_a_child_whose_output_nobody_takes(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook for the output that does not return: the item can be ended all the same, while
    the child runs, and when it has ended and its last words lie in the pipe."""
    path = stuck(tmp_path, f"""\
        class Run(ExternalProcess):
            def on_subprocess_stdout(self, pipe, item, data):
                release.wait(60)
        pipeline = Pipeline(Run('Run', ['sh', '-c', {script!r}]))
""")
    monkeypatch.setattr(item_scope, "PROJECT_BACKLOG", 1 << 17)

    async def end(played: Played) -> None:
        await played.until(lambda: played.items and played.only.item.scope.children)
        child, = played.only.item.scope.children
        await played.until(lambda: child.is_paused)
        played.runner.stop_now(0.1)
        await asyncio.wait_for(played.finished.wait(), 10)
        release(played)()

    played = play(path, end, timeout=15)
    assert played.outcomes == ["canceled"]


@pytest.mark.logs_errors("A handler of the pipeline")
@pytest.mark.parametrize("event", ["on_cleanup", "on_stop_requested"])
def test_a_handler_of_the_pipeline_that_raises_on_the_loop(tmp_path: Path, event: str) -> None:
    """A function written in C counts as ours; the runner ends all the same."""
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(PrintItem())
        pipeline.{event} += functools.partial(os.remove, '/nothing/there')
        """)

    async def script(played: Played) -> None:
        await played.until(lambda: played.items and played.items[0].item.finished)
        played.runner.stop_gracefully()

    played = play(path, script, items=None, timeout=10)
    assert played.runner.status == "stopped"


# -- a stop while something is on its way ------------------------------------------------------
def test_a_stop_while_an_answer_waits_for_the_worker(
    tmp_path: Path, tracker: ScriptedTracker
) -> None:
    """What the tracker has given is not dropped: the item is at work from the answer on, however
    long its process_body has to wait for a busy worker."""
    tracker.queue("request", item_answer("first"), item_answer("second"))
    path = stuck(tmp_path, f"""\
        class Get(GetItemFromTracker):
            def process_body(self, body, item):
                super().process_body(body, item)
        class Work(SimpleTask):
            def process(self, item):
                if item['item_name'] == 'first':
                    release.wait(30)
        pipeline = Pipeline(Get({tracker.url!r}, downloader), Work('Work'))
""")

    async def script(played: Played) -> None:
        worker = played.loaded.worker
        await played.until(lambda: worker.busy is not None and worker.busy.label == "Work")
        played.runner.concurrent_items = 2
        await played.until(lambda: len(tracker.requests()) == 2)
        await played.until(lambda: worker._jobs.qsize(), what="process_body in the queue")
        played.runner.stop_gracefully()
        await asyncio.sleep(0)
        second = played.items[1]
        cancelled_at_once = second.item.canceled
        release(played)()
        await asyncio.wait_for(played.finished.wait(), 10)
        assert not cancelled_at_once

    played = play(path, script, items=None, timeout=15)
    assert played.outcomes == ["completed", "completed"], played.log
    assert played.items[1].item["item_name"] == "second"


def test_a_project_that_logs_more_than_the_loop_takes(tmp_path: Path) -> None:
    """24 MB in long lines while the loop is held up: the project's code waits, so that what lies
    between them stays small; then all of it is in the log."""
    path = stuck(tmp_path, """\
        posted = [0]
        done = threading.Event()
        class Talks(SimpleTask):
            def process(self, item):
                release.wait(10)
                for _ in range(24):
                    item.log_output('x' * (1 << 20))
                    posted[0] += 1 << 20
                done.set()
        pipeline = Pipeline(Talks('Talks'))
        pipeline.posted, pipeline.done = posted, done
""")
    lying = 0

    async def script(played: Played) -> None:
        nonlocal lying
        pipeline: Any = played.loaded.pipeline
        await played.until_log("Starting Talks")
        release(played)()
        pipeline.done.wait(0.2)  # the loop is held up by this
        lying = pipeline.posted[0] - played.log.count("x")

    played = play(path, script, timeout=20)
    assert played.outcomes == ["completed"]
    assert played.log.count("x" * (1 << 20)) == 24
    assert lying <= 6 << 20


def test_a_hard_stop_while_an_item_is_ending(tmp_path: Path) -> None:
    """An item that has failed and waits for its children does not wait as long as it would."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Run', [
            'sh', '-c', "trap '' TERM; echo ready; while :; do sleep 1000; done"]))
        """)

    async def script(played: Played) -> None:
        await played.until_log("ready")
        played.only.item.fail()
        await asyncio.sleep(0)
        assert not played.only.item.finished
        played.runner.stop_now(0.05)
        await asyncio.wait_for(played.finished.wait(), 5)

    played = play(path, script, timeout=10)
    assert played.outcomes == ["failed"]
    assert played.runner.counts == {"completed": 0, "failed": 1, "canceled": 0}

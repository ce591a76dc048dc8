"""Faults of a project's own code: each fails that item with its traceback, hangs nothing.

Covered: a callback that raises (add_timeout, add_callback, call_later, threads' own),
handlers that raise (task, pipeline, item events; replaced events), enqueue, hooks,
realize, data, conditions, id_function that raise; sys.exit in a task and in the file;
a child at work when the callback raises; code that sleeps long while others go on;
a load that never returns; an item that completes twice; a coroutine that raises.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.kit import (
    Played,
    long_time,
    no_process_left,
    play,
    run_pipeline,
    start_pipeline,
    write_pipeline,
)

SCHEDULED = [
    "IOLoop.instance().add_callback(self.boom, item)",
    "IOLoop.instance().add_timeout(datetime.timedelta(seconds=0.05), functools.partial(self.boom, item))",
    "IOLoop.instance().call_later(0.05, self.boom, item)",
    "IOLoop.instance().add_timeout(time.time() + 0.05, lambda: self.boom(item))",
    "IOLoop.current().spawn_callback(self.boom, item)",
    "IOLoop.instance().add_callback(lambda: IOLoop.instance().add_callback(self.boom, item))",
]


@pytest.mark.parametrize("scheduling", SCHEDULED)
def test_scheduled_callback_that_raises(tmp_path: Path, scheduling: str) -> None:
    """The item in whose name it was scheduled fails, with the traceback; the next one runs."""
    path = write_pipeline(tmp_path, f"""\
        class Later(Task):
            def enqueue(self, item):
                self.start_item(item)
                if item.item_number == 2:
                    return self.complete_item(item)
                {scheduling}
            def boom(self, item):
                raise ValueError('boom of the callback')
        pipeline = Pipeline(Later('Later'), PrintItem())
        """)
    played = play(path, items=2, concurrent=2)
    assert played.outcomes == ["failed", "completed"]
    log = played.items[0].log
    assert "ValueError: boom of the callback" in log and "Traceback" in log
    assert f'File "{path}"' in log
    assert "boom" not in played.items[1].log


def test_callback_scheduled_by_process_that_has_returned(tmp_path: Path) -> None:
    """Also when the task that scheduled it is long done, as long as the item is at work."""
    mark = long_time()
    path = write_pipeline(tmp_path, """\
        class Plan(SimpleTask):
            def process(self, item):
                IOLoop.instance().add_timeout(datetime.timedelta(seconds=0.2), self.boom)
            def boom(self):
                raise KeyError('late boom')
        pipeline = Pipeline(Plan('Plan'), ExternalProcess('Sleep', ['sleep', 'MARK']))
        """.replace("MARK", mark))
    with no_process_left(mark):
        seen = play(path).only
    assert seen.outcome == "failed" and "KeyError: 'late boom'" in seen.log


def test_the_childs_group_is_ended_first(tmp_path: Path) -> None:
    """When a callback raises while the item's child runs, the child's whole group is ended
    before the item fails."""
    mark = long_time()
    path = write_pipeline(tmp_path, """\
        class Out(ExternalProcess):
            def on_subprocess_stdout(self, pipe, item, data):
                raise RuntimeError('hook boom')
        code = 'sleep MARK & echo hi; sleep MARK'
        pipeline = Pipeline(Out('Out', ['sh', '-c', code]), PrintItem())
        """.replace("MARK", mark))
    with no_process_left(mark, timeout=0.5):
        seen = play(path).only
    assert seen.outcome == "failed" and "RuntimeError: hook boom" in seen.log
    assert "Starting PrintItem" not in seen.log


HOOKS = {
    "stdin_data": "def stdin_data(self, item): raise ValueError('hook boom')",
    "process": "def process(self, item): raise ValueError('hook boom')",
    "on_subprocess_end": "def on_subprocess_end(self, item, code): raise ValueError('hook boom')",
    "handle_process_result":
        "def handle_process_result(self, code, item): raise ValueError('hook boom')",
    "enqueue": "def enqueue(self, item): raise ValueError('hook boom')",
    "enqueue after start":
        "def enqueue(self, item):\n"
        "                self.start_item(item)\n"
        "                raise ValueError('hook boom')",
    "enqueue after super":
        "def enqueue(self, item):\n"
        "                ExternalProcess.enqueue(self, item)\n"
        "                raise ValueError('hook boom')",
    "start_item": "def start_item(self, item): raise ValueError('hook boom')",
    "complete_item": "def complete_item(self, item): raise ValueError('hook boom')",
    "SystemExit": "def on_subprocess_end(self, item, code): sys.exit('hook boom')",
}


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_hook_that_raises(tmp_path: Path, name: str) -> None:
    """Any hook that raises fails the item with its traceback; no item hangs."""
    path = write_pipeline(tmp_path, f"""\
        class Hooked(ExternalProcess):
            {HOOKS[name]}
        pipeline = Pipeline(Hooked('Hooked', ['sh', '-c', 'cat; sleep 0.05']), PrintItem())
        """)
    seen = play(path, timeout=20).only
    assert seen.outcome == "failed"
    assert "hook boom" in seen.log
    assert "Starting PrintItem" not in seen.log


def test_handle_process_error_that_raises(tmp_path: Path) -> None:
    """The same for the hook of failures."""
    path = write_pipeline(tmp_path, """\
        class Hooked(ExternalProcess):
            def handle_process_error(self, code, item):
                raise ValueError('error hook boom')
        pipeline = Pipeline(Hooked('Hooked', ['false'], max_tries=3))
        """)
    seen = play(path).only
    assert seen.outcome == "failed" and "error hook boom" in seen.log


@pytest.mark.parametrize("event", [
    "task.on_start_item", "task.on_complete_item", "task.on_finish_item",
    "pipeline.on_start_item"])
def test_handler_that_raises(tmp_path: Path, event: str) -> None:
    """A handler that raises fails the item; the other handlers still run."""
    path = write_pipeline(tmp_path, f"""\
        calls = []
        def bad(*args):
            raise ValueError('handler boom')
        task = SetItemKey('a', 1)
        pipeline = Pipeline(task, PrintItem(), SetItemKey('late', 1))
        {event} += bad
        {event} += lambda *args: calls.append(1)
        pipeline.calls = calls
        """)
    played = play(path)
    assert played.outcomes == ["failed"]
    assert "ValueError: handler boom" in played.only.log
    assert played.loaded.pipeline.calls == [1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("event", ["pipeline.on_complete_item", "pipeline.on_finish_item",
                                   "pipeline.on_fail_item"])
def test_handler_at_the_end_that_raises(tmp_path: Path, event: str) -> None:
    """A handler that raises when the item has ended cannot change that, and hangs nothing."""
    path = write_pipeline(tmp_path, f"""\
        class Work(SimpleTask):
            def process(self, item):
                if item.item_number == 2:
                    raise Exception('x')
        pipeline = Pipeline(Work('Work'))
        def bad(*args):
            raise ValueError('handler boom')
        {event} += bad
        """)
    played = play(path, items=2, concurrent=2)
    assert all(seen.item.finished for seen in played.items)
    assert played.outcomes[1] == "failed"


def test_replaced_event_that_raises(tmp_path: Path) -> None:
    """A function put in an event's place that raises fails the item."""
    path = write_pipeline(tmp_path, """\
        class Outer(Task):
            def enqueue(self, item):
                self.start_item(item)
                inner = ExternalProcess('Inner', ['true'])
                inner.on_complete_item = lambda task, item: {}['no such key']
                inner.enqueue(item)
        pipeline = Pipeline(Outer('Outer'))
        """)
    seen = play(path).only
    assert seen.outcome == "failed" and "KeyError: 'no such key'" in seen.log


@pytest.mark.parametrize("task", [
    "ExternalProcess('P', Bad())", "ExternalProcess('P', ['echo', Bad()])",
    "ExternalProcess('P', ['echo'], env={'A': Bad()})", "SetItemKey('k', Bad())",
    "LimitConcurrent(Bad(), PrintItem())", "ConditionalTask(Bad().realize, PrintItem())",
    "WgetDownload(['cat'], stdin_data_function=Bad().realize)",
    "PrepareStatsForTracker(defaults={'a': Bad()})",
    "PrepareStatsForTracker(id_function=Bad().realize)",
    "PrepareStatsForTracker(file_groups={'data': [Bad()]})",
    "GetItemFromTracker('http://127.0.0.1:9/', Bad())", "SendDoneToTracker(Bad(), {})",
    "SendDoneToTracker('http://127.0.0.1:9/', Bad())",
    "RsyncUpload(Bad(), [])", "RsyncUpload('x', [Bad()])", "CurlUpload('http://x', Bad())",
    "ExternalProcess('P', 3)", "ExternalProcess('P', [])", "ExternalProcess('P', [None])",
    "SetItemKey('k', ItemValue('absent'))", "ExternalProcess('P', ['echo', ItemValue('absent')])",
])
def test_realize_that_raises_or_returns_rubbish(tmp_path: Path, task: str) -> None:
    """Wherever a value is realized, an exception fails the item with a reason."""
    path = write_pipeline(tmp_path, f"""\
        class Bad(object):
            def realize(self, item=None):
                raise ZeroDivisionError('realize boom')
        class Name(SimpleTask):
            def process(self, item):
                item['item_name'] = 'x'
        pipeline = Pipeline(Name('Name'), {task})
        """)
    seen = play(path, timeout=20).only
    assert seen.outcome == "failed", seen.log
    if "Bad" in task:
        assert "ZeroDivisionError: realize boom" in seen.log
    if "absent" in task:
        assert "absent" in seen.log


@pytest.mark.parametrize("how", ["sys.exit('leaving')", "sys.exit(0)", "raise SystemExit",
                                 "exit(3)", "raise KeyboardInterrupt", "raise GeneratorExit"])
def test_exit_in_a_task_fails_that_item_only(tmp_path: Path, how: str) -> None:
    """sys.exit in a task is a failure of that item; the runner goes on."""
    path = write_pipeline(tmp_path, f"""\
        class Leave(SimpleTask):
            def process(self, item):
                if item.item_number == 1:
                    {how}
        pipeline = Pipeline(Leave('Leave'))
        """)
    played = play(path, items=2, concurrent=2)
    assert played.outcomes == ["failed", "completed"]
    assert "Traceback" in played.items[0].log


def test_exit_in_a_task_by_the_command(tmp_path: Path) -> None:
    """The command goes on, too, and ends with status 0 when the items are through."""
    path = write_pipeline(tmp_path, """\
        class Leave(SimpleTask):
            def process(self, item):
                sys.exit('item %d leaves' % item.item_number)
        pipeline = Pipeline(Leave('Leave'))
        """)
    ended = run_pipeline(path, "--max-items", "2", "--concurrent", "2")
    assert ended.status == 0
    assert "item 1 leaves" in ended.output and "item 2 leaves" in ended.output


def test_exit_in_the_file_by_the_command(tmp_path: Path) -> None:
    """sys.exit while loading: status 1 and a sentence that tells what the file said."""
    path = write_pipeline(tmp_path, "print('Please install X.')\nsys.exit('no X here')\n")
    ended = run_pipeline(path)
    assert ended.status == 1
    assert "Please install X." in ended.output and "no X here" in ended.output


def test_clean_exit_in_the_file_is_no_success(tmp_path: Path) -> None:
    """sys.exit(0) while loading leaves no pipeline: status 1, too."""
    assert run_pipeline(write_pipeline(tmp_path, "sys.exit(0)\n")).status == 1


def test_error_outside_any_item(tmp_path: Path) -> None:
    """A callback scheduled at load that raises belongs to no item: it is said, nothing ends."""
    path = write_pipeline(tmp_path, """\
        def boom():
            raise ValueError('boom at load')
        IOLoop.instance().add_timeout(datetime.timedelta(seconds=0.1), boom)
        pipeline = Pipeline(ExternalProcess('Sleep', ['sleep', '0.5']))
        """)
    ended = run_pipeline(path)
    assert ended.status == 0
    assert "ValueError: boom at load" in ended.output
    assert "Finished Sleep" in ended.output


def test_on_cleanup_that_raises(tmp_path: Path) -> None:
    """A handler of on_cleanup or on_stop_requested that raises does not keep us from ending."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(PrintItem())
        def bad():
            raise ValueError('cleanup boom')
        pipeline.on_cleanup += bad
        pipeline.on_stop_requested += bad
        """)
    ended = run_pipeline(path)
    assert ended.status == 0
    assert "cleanup boom" in ended.output


def test_task_that_never_calls_back_can_be_stopped(tmp_path: Path) -> None:
    """A task that forgets its item: two interrupts still end the command."""
    path = write_pipeline(tmp_path, """\
        class Forget(Task):
            def enqueue(self, item):
                self.start_item(item)
                item.log_output('FORGOTTEN')
        pipeline = Pipeline(Forget('Forget'))
        """)
    with start_pipeline(path) as command:
        command.wait_output("FORGOTTEN")
        command.interrupt()
        command.wait_output("(?i)stop|interrupt")
        command.interrupt()
        assert command.wait(15) == 0


@pytest.mark.parametrize("busy", ["time.sleep(3600)", "subprocess.call(['sleep', 'MARK'])",
                                  "while True: pass"])
def test_code_that_never_returns_is_not_waited_for(tmp_path: Path, busy: str) -> None:
    """Two interrupts end the command while project code sleeps, waits or loops for ever; a
    program that the project's code ran by itself ends too."""
    mark = long_time()
    busy = busy.replace("MARK", mark)
    path = write_pipeline(tmp_path, f"""\
        class Stuck(SimpleTask):
            def process(self, item):
                print('STUCK')
                {busy}
        pipeline = Pipeline(Stuck('Stuck'))
        """)
    with no_process_left(mark), start_pipeline(path) as command:
        command.wait_output("STUCK")
        command.interrupt()
        command.wait_output("(?i)stop|interrupt")
        command.interrupt()
        assert command.wait(20) == 0


def test_load_that_never_returns_can_be_interrupted(tmp_path: Path) -> None:
    """A file that never finishes loading: interrupts end the command."""
    path = write_pipeline(tmp_path, """\
        print('LOADING', flush=True)
        while True:
            time.sleep(1)
        """)
    with start_pipeline(path) as command:
        command.wait_output("LOADING")
        command.interrupt()
        command.interrupt()
        assert command.wait(15) in (0, 1)


def test_what_does_not_return_can_be_read(tmp_path: Path) -> None:
    """While project code does not return, other items' output goes on, the loop goes on, and
    what runs since when can be read."""
    path = write_pipeline(tmp_path, """\
        class Block(SimpleTask):
            def process(self, item):
                if item.item_number == 2:
                    print('BLOCKING')
                    while not os.path.exists(GO):
                        time.sleep(0.01)
        GO = os.path.abspath('go')
        ticks = 'for i in range(450): print("tick", i, flush=True)'
        pipeline = Pipeline(ConditionalTask(lambda item: item.item_number == 1,
                                            ExternalProcess('Tick', [PYTHON, '-c', ticks])),
                            Block('Block'))
        """)

    async def script(played: Played) -> None:
        await played.until_log("BLOCKING")
        await played.until_log("tick 449")
        busy = played.loaded.worker.busy
        assert busy is not None and "Block" in busy.label and busy.since < time.monotonic()
        (tmp_path / "go").touch()

    assert play(path, script, items=2, concurrent=2).outcomes == ["completed"] * 2

"""The contract's part `task`.

Covered: Task's attributes, events and methods; enqueue overridden to skip a step;
SimpleTask: completing, failing, cwd, complete_item/fail_item by process itself, blocking,
never two at once, counters, async def process; LimitConcurrent with numbers and
realizables read anew, in order; ConditionalTask; SetItemKey against the item; PrintItem;
the log's Starting/Finished/Failed lines; fill_ui_task_list; replaced on_complete_item.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_core.item import Item
from tests.support.kit import Played, load, play, run_pipeline, write_pipeline


def test_log_lines_of_each_step(tmp_path: Path) -> None:
    """Starting NAME for Item X, Finished ..., Failed ... stand in the item's log, in order."""
    path = write_pipeline(tmp_path, """\
        class Fails(SimpleTask):
            def process(self, item):
                raise Exception('why not')
        pipeline = Pipeline(SetItemKey('item_name', 'site:1'), PrintItem(), Fails('Break'))
        """)
    seen = play(path).only
    assert seen.outcome == "failed"
    lines = [line for line in seen.log.splitlines() if "for Item" in line]
    assert lines[0].startswith("Starting SetItemKey for Item")
    assert lines[1:] == [
        "Finished SetItemKey for Item site:1",
        "Starting PrintItem for Item site:1", "Finished PrintItem for Item site:1",
        "Starting Break for Item site:1", "Failed Break for Item site:1"]


def test_statuses_and_states(tmp_path: Path) -> None:
    """Each task goes running -> completed or failed, the item ends as its tasks did."""
    path = write_pipeline(tmp_path, """\
        class Step(SimpleTask):
            def process(self, item):
                if self.name == 'three':
                    raise Exception('x')
        pipeline = Pipeline(Step('one'), Step('two'), Step('three'), Step('never'))
        """)
    seen = play(path).only
    assert [(new, old) for _, new, old in seen.statuses] == [
        ("running", None), ("completed", "running"), ("running", None), ("completed", "running"),
        ("running", None), ("failed", "running")]
    assert seen.states == ["failed"]
    assert [getattr(task, "name", None) for task in seen.item.task_status] == [
        "one", "two", "three"]


def test_failure_shows_traceback_and_ends_the_item(tmp_path: Path) -> None:
    """Any exception of process fails the item with its traceback; later tasks do not run."""
    path = write_pipeline(tmp_path, """\
        class Deep(SimpleTask):
            def inner(self):
                return {}['missing-key']
            def process(self, item):
                try:
                    self.inner()
                except KeyError:
                    raise ValueError('second \\u00e9')
        class Never(SimpleTask):
            def process(self, item):
                item['never'] = True
        pipeline = Pipeline(Deep('Deep'), Never('Never'))
        """)
    seen = play(path).only
    assert seen.outcome == "failed"
    assert "Traceback (most recent call last)" in seen.log
    assert "KeyError: 'missing-key'" in seen.log and "ValueError: second \u00e9" in seen.log
    assert "never" not in seen.item
    assert seen.log.count("Traceback (most recent call last)") <= 2


def test_task_attributes(tmp_path: Path) -> None:
    """name, cwd (where it was made), events, str."""
    path = write_pipeline(tmp_path, """\
        os.makedirs('elsewhere', exist_ok=True)
        first = PrintItem()
        here = os.getcwd()
        os.chdir('elsewhere')
        second = SimpleTask('Second')
        os.chdir(here)
        with second.task_cwd():
            inside = os.getcwd()
        assert inside == here + '/elsewhere' and os.getcwd() == here
        assert second.name == 'Second' and second.cwd == here + '/elsewhere'
        assert first.cwd == here
        for event in ('on_start_item', 'on_complete_item', 'on_fail_item', 'on_finish_item'):
            assert len(getattr(first, event)) == 0
        pipeline = Pipeline(first)
        """)
    assert play(path).outcomes == ["completed"]


def test_process_runs_in_the_tasks_folder(tmp_path: Path) -> None:
    """process (and what it opens relatively) works in cwd, whatever ran before."""
    path = write_pipeline(tmp_path, """\
        class Wander(SimpleTask):
            def process(self, item):
                item['first'] = os.getcwd()
                os.chdir('/')
        class Where(SimpleTask):
            def process(self, item):
                item['second'] = os.getcwd()
                item['read'] = os.path.exists('pipeline.py')
        pipeline = Pipeline(Wander('Wander'), Where('Where'),
                            ExternalProcess('pwd', ['pwd']))
        """)
    seen = play(path).only
    assert seen.item["first"] == seen.item["second"] == str(tmp_path)
    assert seen.item["read"] is True
    assert f"\n{tmp_path}\n" in seen.log


def test_enqueue_override_skips_a_step(tmp_path: Path) -> None:
    """`enqueue` may return self.complete_item(item) at once, or call super().enqueue."""
    path = write_pipeline(tmp_path, """\
        class Maybe(ExternalProcess):
            def __init__(self):
                ExternalProcess.__init__(self, 'Maybe', ['echo', 'ran the program'])
            def enqueue(self, item):
                if item['item_number'] == 1:
                    item.log_output('Skipping.')
                    return self.complete_item(item)
                return super(Maybe, self).enqueue(item)
        class Number(SimpleTask):
            def process(self, item):
                item['item_number'] = item.item_number
        pipeline = Pipeline(Number('Number'), Maybe(), PrintItem())
        """)
    played = play(path, items=2)
    assert played.outcomes == ["completed", "completed"]
    assert "Skipping." in played.items[0].log
    assert "ran the program" not in played.items[0].log
    assert "ran the program" in played.items[1].log
    for seen in played.items:
        assert seen.log.count("Finished Maybe for") == 1
        assert seen.log.count("Starting PrintItem") == 1


@pytest.mark.parametrize("base", ["ExternalProcess", "SimpleTask", "Limit", "Condition"])
def test_overrides_run_once_in_the_worker(tmp_path: Path, base: str) -> None:
    """An override that calls its base runs once an item, in the project's thread only; so do
    overrides of start_item, complete_item and fail_item."""
    path = write_pipeline(tmp_path, f"""\
        calls = []
        def note(word):
            calls.append((word, threading.current_thread() is threading.main_thread()))
        class Limit(LimitConcurrent):
            def __init__(self, name, args):
                LimitConcurrent.__init__(self, 1, PrintItem())
        class Condition(ConditionalTask):
            def __init__(self, name, args):
                ConditionalTask.__init__(self, lambda item: True, PrintItem())
        class Simple(SimpleTask):
            def __init__(self, name, args):
                SimpleTask.__init__(self, name)
            def process(self, item):
                pass
        class Over({base.replace("SimpleTask", "Simple")}):
            def enqueue(self, item):
                note('enqueue')
                return super().enqueue(item)
            def start_item(self, item):
                note('start')
                super().start_item(item)
            def complete_item(self, item):
                note('complete')
                super().complete_item(item)
        pipeline = Pipeline(Over('Over', ['true']))
        pipeline.calls = calls
        """)
    played = play(path)
    assert played.outcomes == ["completed"]
    assert sorted(played.loaded.pipeline.calls) == [  # type: ignore[attr-defined]
        ("complete", False), ("enqueue", False), ("start", False)]


def test_enqueue_override_may_start_and_block(tmp_path: Path) -> None:
    """Real files call start_item in enqueue, block, and fail or complete by hand."""
    path = write_pipeline(tmp_path, """\
        class Hand(Task):
            def enqueue(self, item):
                self.start_item(item)
                time.sleep(0.2)
                item['blocked'] = threading.current_thread().name
                if item.item_number == 2:
                    return self.fail_item(item)
                self.complete_item(item)
        pipeline = Pipeline(Hand('Hand'), PrintItem())
        """)
    played = play(path, items=2)
    assert played.outcomes == ["completed", "failed"]
    assert played.items[0].item["blocked"] != "MainThread"
    assert "Starting Hand for" in played.items[0].log
    assert "Failed Hand for" in played.items[1].log


def test_own_task_completes_later(tmp_path: Path) -> None:
    """A Task whose enqueue only schedules something on the IOLoop completes when that runs."""
    path = write_pipeline(tmp_path, """\
        class Later(Task):
            def enqueue(self, item):
                self.start_item(item)
                item.log_output('Sleeping a little.')
                IOLoop.instance().add_timeout(datetime.timedelta(seconds=0.2),
                                              functools.partial(self.wake, item))
            def wake(self, item):
                item['woken_in'] = threading.current_thread().name
                item['cwd'] = os.getcwd()
                self.complete_item(item)
        pipeline = Pipeline(Later('Later'))
        """)
    seen = play(path).only
    assert seen.outcome == "completed"
    assert seen.item["woken_in"] != "MainThread"


@pytest.mark.parametrize("scheduling", [
    "IOLoop.instance().add_callback(self.wake, item)",
    "IOLoop.current().add_callback(functools.partial(self.wake, item))",
    "IOLoop.instance().add_timeout(time.time() + 0.1, lambda: self.wake(item))",
    "IOLoop.instance().call_later(0.1, self.wake, item)",
    "IOLoop.instance().call_at(IOLoop.instance().time() + 0.1, self.wake, item=item)",
    "threading.Timer(0.1, self.wake, [item]).start()",
    "IOLoop.instance().add_timeout(datetime.timedelta(milliseconds=50), self.wake, item)",
    "IOLoop.instance().spawn_callback(self.wake, item)",
])
def test_every_way_to_schedule(tmp_path: Path, scheduling: str) -> None:
    """Whichever way a file schedules its completion, the item goes on."""
    path = write_pipeline(tmp_path, f"""\
        class Later(Task):
            def enqueue(self, item):
                self.start_item(item)
                {scheduling}
            def wake(self, item):
                item.log_output('awake')
                self.complete_item(item)
        pipeline = Pipeline(Later('Later'), PrintItem())
        """)
    seen = play(path).only
    assert seen.outcome == "completed"
    assert "awake" in seen.log


def test_a_timeout_can_be_removed(tmp_path: Path) -> None:
    """remove_timeout takes back what add_timeout gave."""
    path = write_pipeline(tmp_path, """\
        class Later(Task):
            def enqueue(self, item):
                self.start_item(item)
                loop = IOLoop.instance()
                handle = loop.add_timeout(datetime.timedelta(seconds=0.05),
                                          lambda: item.log_output('REMOVED RAN'))
                loop.remove_timeout(handle)
                loop.add_timeout(datetime.timedelta(seconds=0.3), lambda: self.complete_item(item))
        pipeline = Pipeline(Later('Later'))
        """)
    seen = play(path).only
    assert seen.outcome == "completed"
    assert "REMOVED RAN" not in seen.log


@pytest.mark.parametrize(("calls", "outcome"), [
    ("self.complete_item(item)", "completed"),
    ("self.fail_item(item)", "failed"),
    ("self.complete_item(item); self.fail_item(item)", "completed"),
    ("self.fail_item(item); self.complete_item(item)", "failed"),
    ("self.fail_item(item); raise Exception('and more')", "failed"),
    ("self.complete_item(item); raise Exception('too late')", "completed"),
])
def test_process_may_decide_itself(tmp_path: Path, calls: str, outcome: str) -> None:
    """process may call complete_item or fail_item before it returns: the first counts."""
    path = write_pipeline(tmp_path, f"""\
        class Decide(SimpleTask):
            def process(self, item):
                {calls}
        count = []
        decide = Decide('Decide')
        decide.on_finish_item += lambda task, item: count.append(item)
        pipeline = Pipeline(decide, PrintItem())
        pipeline.count = count
        """)
    played = play(path)
    assert played.outcomes == [outcome]
    assert len(played.loaded.pipeline.count) == 1  # type: ignore[attr-defined]
    starts = played.only.log.count("Starting PrintItem")
    assert starts == (1 if outcome == "completed" else 0)


def test_never_two_at_once_in_one_pipeline(tmp_path: Path) -> None:
    """Project code of one pipeline never overlaps, whichever task or hook it is in."""
    path = write_pipeline(tmp_path, """\
        state = {'inside': 0, 'most': 0, 'calls': 0}
        def step():
            state['inside'] += 1
            state['most'] = max(state['most'], state['inside'])
            time.sleep(0.01)
            state['calls'] += 1
            state['inside'] -= 1
        class Work(SimpleTask):
            def process(self, item):
                step()
        class Args(object):
            def realize(self, item):
                step()
                return 'x'
        class Out(ExternalProcess):
            def on_subprocess_stdout(self, pipe, item, data):
                step()
                ExternalProcess.on_subprocess_stdout(self, pipe, item, data)
        def condition(item):
            step()
            return True
        pipeline = Pipeline(Work('A'), ConditionalTask(condition, Work('B')),
                            Out('Echo', ['echo', Args()]), SetItemKey('x', Args()), Work('C'))
        pipeline.state = state
        """)
    played = play(path, items=6, concurrent=6)
    state = played.loaded.pipeline.state  # type: ignore[attr-defined]
    assert played.outcomes == ["completed"] * 6
    assert state["most"] == 1
    assert state["calls"] == 6 * 7


def test_counters_and_class_caches_without_locks(tmp_path: Path) -> None:
    """CheckIP-like tasks keep a counter on the class; every item sees the one before it."""
    path = write_pipeline(tmp_path, """\
        class CheckIP(SimpleTask):
            _counter = 0
            def __init__(self):
                SimpleTask.__init__(self, 'CheckIP')
                self.own = 0
            def process(self, item):
                if self._counter <= 0:
                    item.log_output('Looking up the address.')
                    CheckIP._counter = 3
                else:
                    CheckIP._counter -= 1
                before = self.own
                time.sleep(0.005)
                self.own = before + 1
                item['own'] = self.own
        pipeline = Pipeline(CheckIP())
        """)
    played = play(path, items=8, concurrent=4)
    assert sorted(seen.item["own"] for seen in played.items) == list(range(1, 9))
    assert played.log.count("Looking up the address.") == 2


def test_blocking_code_holds_up_nothing_else(tmp_path: Path) -> None:
    """While project code blocks, other items' children go on, and their output arrives."""
    path = write_pipeline(tmp_path, """\
        class Sleep(SimpleTask):
            def process(self, item):
                if item.item_number == 2:
                    print('BLOCKING')
                    while not os.path.exists(GO):
                        time.sleep(0.01)
        GO = os.path.abspath('go')
        ticks = ('import os, time\\nwhile not os.path.exists("blocks"): time.sleep(.01)\\n'
                 'for i in range(100): print("tick", i, flush=True)')
        pipeline = Pipeline(ConditionalTask(lambda item: item.item_number == 1,
                                            ExternalProcess('Tick', [PYTHON, '-c', ticks])),
                            Sleep('Sleep'))
        """)

    async def script(played: Played) -> None:
        await played.until_log("BLOCKING")
        (tmp_path / "blocks").touch()
        await played.until_log("tick 99")
        (tmp_path / "go").touch()

    assert play(path, script, items=2, concurrent=2).outcomes == ["completed"] * 2


def test_synchronous_libraries_inside_process(tmp_path: Path, tracker: Any) -> None:
    """requests, urllib and Tornado's synchronous HTTPClient work at module level and inside."""
    path = write_pipeline(tmp_path, f"""\
        import requests
        from tornado.httpclient import HTTPClient, HTTPError
        URL = {tracker.url!r}
        client = HTTPClient()
        AT_LOAD = client.fetch(URL + '/done', method='POST', body='load').body
        class Ask(SimpleTask):
            def process(self, item):
                item['sync'] = HTTPClient().fetch(URL + '/done', method='POST', body='x').body
                item['same'] = client.fetch(URL + '/done', method='POST', body='x').body
                try:
                    HTTPClient().fetch(URL + '/nothing')
                except HTTPError as e:
                    item['code'] = e.code
                item['requests'] = requests.post(URL + '/done', json={{}}, timeout=5).text
                item['load'] = AT_LOAD
        pipeline = Pipeline(Ask('Ask'))
        """)
    item = play(path).only.item
    assert item["sync"] == item["same"] == item["load"] == b"OK"
    assert item["code"] == 404
    assert item["requests"] == "OK"


def test_async_process_runs_on_the_loop(tmp_path: Path) -> None:
    """`async def process` is awaited: many at once, exceptions fail the item."""
    path = write_pipeline(tmp_path, """\
        import asyncio
        class Wait(SimpleTask):
            inside = 0
            async def process(self, item):
                print('printed in a coroutine', item.item_number)
                Wait.inside += 1
                while Wait.inside < 3:
                    await asyncio.sleep(0.01)
                item['done'] = True
                if item.item_number == 3:
                    raise ValueError('in a coroutine')
        pipeline = Pipeline(Wait('Wait'))
        """)
    played = play(path, items=3, concurrent=3)
    assert played.outcomes == ["completed", "completed", "failed"]
    assert all(seen.item["done"] for seen in played.items)
    assert "ValueError: in a coroutine" in played.items[2].log
    assert "printed in a coroutine 1\n" in played.items[0].log


def concurrency(played: Played, name: str) -> int:
    """The largest number of items that were inside the named task at once."""
    inside, most = 0, 0
    moves = sorted((t, text) for seen in played.items for t, text in seen.output)
    for _, text in moves:
        inside += text.count("ENTER " + name) - text.count("LEAVE " + name)
        most = max(most, inside)
    return most


@pytest.mark.parametrize("limit", ["2", "NumberConfigValue(name='n', default='2')", "Two()",
                                   "'2'", "ConfigInterpolation('%s', 2)"])
def test_limit_concurrent(tmp_path: Path, limit: str) -> None:
    """At most `limit` (a number or realizable) items inside the task."""
    path = write_pipeline(tmp_path, f"""\
        code = ('import os, time; print("ENTER x", flush=True)\\n'
                'while not os.path.exists("go"): time.sleep(.01)\\nprint("LEAVE x")')
        class Two(object):
            def realize(self, item):
                return 2
        pipeline = Pipeline(LimitConcurrent({limit},
                                            ExternalProcess('Sleep', [PYTHON, '-c', code])))
        """)

    def queued(played: Played) -> int:
        return sum(any(w is not None and w.code == "queue" for w in seen.waits)
                   for seen in played.items)

    async def script(played: Played) -> None:
        await played.until(lambda: played.log.count("ENTER x") == 2 and queued(played) == 4)
        (tmp_path / "go").touch()

    played = play(path, script, items=6, concurrent=6)
    assert played.outcomes == ["completed"] * 6
    assert concurrency(played, "x") == 2


def test_limit_is_read_anew_and_raised_at_once(tmp_path: Path) -> None:
    """A raised limit lets waiting items in at once; the rest wait in order."""
    path = write_pipeline(tmp_path, """\
        limit = NumberConfigValue(name='limit', default=1, min=0)
        code = 'import os, time; print("GO", flush=True)\\nwhile not os.path.exists("go"): time.sleep(.01)'
        pipeline = Pipeline(LimitConcurrent(limit, ExternalProcess('Sleep', [PYTHON, '-c', code])))
        """)

    def going(played: Played) -> list[int]:
        return [seen.item.item_number for seen in played.items if "GO" in seen.log]

    async def script(played: Played) -> None:
        await played.until(lambda: len(going(played)) == 1 and len(played.items) == 4)
        value = played.loaded.config_values[0]
        assert value.set_value("3")
        await played.until(lambda: len(going(played)) == 3, 5, "two more at once")
        (tmp_path / "go").write_text("")

    played = play(path, script, items=4, concurrent=4)
    assert played.outcomes == ["completed"] * 4
    first_go = {seen.item.item_number: min(t for t, text in seen.output if "GO" in text)
                for seen in played.items}
    assert sorted(first_go, key=first_go.__getitem__)[0] == 1
    assert first_go[4] == max(first_go.values())


def test_waiting_for_a_slot_is_told(tmp_path: Path) -> None:
    """An item in LimitConcurrent's queue says so in its `waiting`; it waits in order."""
    path = write_pipeline(tmp_path, """\
        order = []
        class Note(SimpleTask):
            def process(self, item):
                order.append(item.item_number)
                time.sleep(0.05)
        pipeline = Pipeline(LimitConcurrent(1, Note('Note')))
        pipeline.order = order
        """)
    played = play(path, items=5, concurrent=5)
    assert played.loaded.pipeline.order == [1, 2, 3, 4, 5]  # type: ignore[attr-defined]
    codes = {w.code for seen in played.items for w in seen.waits if w is not None}
    assert codes == {"queue"}
    assert all(seen.item.waiting is None for seen in played.items)


def test_limit_frees_its_place_after_a_failure(tmp_path: Path) -> None:
    """A failed item leaves the limited task as one that completed does."""
    path = write_pipeline(tmp_path, """\
        class Fail(SimpleTask):
            def process(self, item):
                if item.item_number < 3:
                    raise Exception('x')
        pipeline = Pipeline(LimitConcurrent(1, Fail('Fail')))
        """)
    assert play(path, items=3, concurrent=3).outcomes == ["failed", "failed", "completed"]


def test_conditional_task(tmp_path: Path) -> None:
    """The inner task runs where the condition holds; elsewhere the item passes."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(
            SetItemKey('n', 0),
            ConditionalTask(lambda item: item.item_number == 2, SetItemKey('n', 1)),
            ConditionalTask(lambda item: [], SetItemKey('never', 1)),
            ConditionalTask(lambda item: 'yes', SetItemKey('always', 1)))
        """)
    played = play(path, items=2)
    assert [seen.item["n"] for seen in played.items] == [0, 1]
    assert all("never" not in seen.item and "always" in seen.item for seen in played.items)


def test_conditional_task_that_raises_fails_the_item(tmp_path: Path) -> None:
    """A condition that raises fails the item with its traceback."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ConditionalTask(lambda item: item['absent'], PrintItem()))
        """)
    seen = play(path).only
    assert seen.outcome == "failed" and "KeyError: 'absent'" in seen.log


def test_set_item_key_realizes_against_the_item(tmp_path: Path) -> None:
    """Deliberate: the value is realized against the item."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(SetItemKey('item_name', 'a'),
                            SetItemKey('copy', ItemValue('item_name')),
                            SetItemKey('text', ItemInterpolation('<%(item_name)s>')),
                            SetItemKey('many', {'x': [ItemValue('copy')]}))
        """)
    item = play(path).only.item
    assert (item["copy"], item["text"], item["many"]) == ("a", "<a>", {"x": ["a"]})


def test_print_item_shows_the_item(tmp_path: Path) -> None:
    """PrintItem writes what the item holds into its log."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(SetItemKey('item_name', 'printed:1'), SetItemKey('word', 'w\\u00f6rd'),
                            PrintItem())
        """)
    seen = play(path).only
    body = seen.log.split("Starting PrintItem for Item printed:1")[1]
    assert "printed:1" in body and "word" in body and "w\u00f6rd" in body


def test_ui_task_list(tmp_path: Path) -> None:
    """fill_ui_task_list and ui_task_list give (task, name), inner tasks included, in order."""
    path = write_pipeline(tmp_path, """\
        class Own(Task):
            def fill_ui_task_list(self, task_list):
                task_list.append((self, 'own name'))
        pipeline = Pipeline(PrintItem(), LimitConcurrent(2, ConditionalTask(bool, Own('Own'))),
                            ExternalProcess('Last', ['true']))
        """)
    loaded = load(path)
    steps = loaded.pipeline.ui_task_list()
    names = [name for _, name in steps]
    assert names[0] == "PrintItem" and names[-1] == "Last" and "own name" in names
    assert steps[0][0] is loaded.pipeline.tasks[0]


def test_replaced_on_complete_item(tmp_path: Path) -> None:
    """A file may put a plain function in the place of a task's event."""
    path = write_pipeline(tmp_path, """\
        class Outer(Task):
            def __init__(self, inner):
                Task.__init__(self, 'Outer')
                self.inner = inner
            def enqueue(self, item):
                self.start_item(item)
                inner = ExternalProcess('Inner', ['sh', '-c', 'exit ' + self.inner])
                inner.on_complete_item = lambda task, item: self.done(task, item)
                inner.on_fail_item = lambda task, item: self.fail_item(item)
                inner.enqueue(item)
            def done(self, task, item):
                item['inner'] = task.name
                self.complete_item(item)
        pipeline = Pipeline(Outer('0'), PrintItem(), Outer('1'))
        """)
    seen = play(path).only
    assert seen.outcome == "failed"
    assert seen.item["inner"] == "Inner"
    assert seen.log.count("Starting PrintItem") == 1


def test_handlers_added_to_an_inner_task_made_at_run_time(tmp_path: Path) -> None:
    """The same with `+=`: the outer task continues when the inner one has ended."""
    path = write_pipeline(tmp_path, """\
        class Outer(SimpleTask):
            def enqueue(self, item):
                self.start_item(item)
                inner = SetItemKey('inner', 'value')
                inner.on_complete_item += self._inner_done
                inner.on_fail_item += self._inner_failed
                inner.enqueue(item)
            def _inner_done(self, task, item):
                self.complete_item(item)
            def _inner_failed(self, task, item):
                self.fail_item(item)
        pipeline = Pipeline(Outer('Outer'), PrintItem())
        """)
    seen = play(path).only
    assert seen.outcome == "completed" and seen.item["inner"] == "value"
    assert seen.log.count("Finished Outer") == 1


def test_complete_item_twice_is_counted_once(tmp_path: Path) -> None:
    """A task that completes an item twice: it goes on once, with a warning in its log."""
    path = write_pipeline(tmp_path, """\
        finishes = []
        class Twice(Task):
            def enqueue(self, item):
                self.start_item(item)
                self.complete_item(item)
                self.complete_item(item)
        pipeline = Pipeline(Twice('Twice'), PrintItem())
        pipeline.on_finish_item += lambda pipeline, item: finishes.append(item)
        pipeline.finishes = finishes
        """)
    played = play(path)
    assert played.outcomes == ["completed"]
    assert played.only.log.count("Starting PrintItem") == 1
    assert len(played.loaded.pipeline.finishes) == 1  # type: ignore[attr-defined]
    assert "Twice" in played.only.log and "already" in played.only.log.lower()


def test_task_output_reaches_stdout_of_the_command(tmp_path: Path) -> None:
    """The command's standard output carries the log of each item."""
    path = write_pipeline(tmp_path, """\
        class Talk(SimpleTask):
            def process(self, item):
                print('printed by', item.item_number)
                item.log_output('logged by %d' % item.item_number)
        pipeline = Pipeline(SetItemKey('item_name', 'x'), Talk('Talk'))
        """)
    ended = run_pipeline(path, "--max-items", "2")
    assert ended.status == 0
    for number in (1, 2):
        assert f"printed by {number}\n" in ended.output
        assert f"logged by {number}\n" in ended.output
    assert "Starting Talk for Item x" in ended.output


def test_item_methods_work_from_threads_of_the_file(tmp_path: Path) -> None:
    """What a file's own thread says to an item is carried over in order."""
    path = write_pipeline(tmp_path, """\
        class Threaded(Task):
            def enqueue(self, item):
                self.start_item(item)
                def run():
                    for i in range(50):
                        item.log_output('line %d' % i)
                    self.complete_item(item)
                threading.Thread(target=run).start()
        pipeline = Pipeline(Threaded('Threaded'))
        """)
    seen = play(path).only
    assert seen.outcome == "completed"
    lines = [line for line in seen.log.splitlines() if line.startswith("line ")]
    assert lines == [f"line {i}" for i in range(50)]
    assert isinstance(seen.item, Item)

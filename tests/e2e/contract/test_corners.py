"""Corners of the contract that real files reach now and then.

Covered: asynchronous clients and coroutines of Tornado in enqueue; PeriodicCallback and
futures; a data_dir that the file sets; item.complete and item.fail by hand; wrappers with
inner tasks at any depth; handlers that talk; one task object in two places.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kit import Played, play, run_pipeline, write_pipeline
from tests.support.scripted_tracker import ScriptedTracker

ASYNC = {
    "add_future": """\
                future = AsyncHTTPClient().fetch(URL, method='POST', body='x')
                IOLoop.current().add_future(future, lambda f: self.got(f.result(), item))""",
    "callback of a future": """\
                future = AsyncHTTPClient().fetch(URL, method='POST', body='x')
                future.add_done_callback(lambda f: self.got(f.result(), item))""",
    "native coroutine": """\
                IOLoop.current().add_callback(self.later, item)
            async def later(self, item):
                self.got(await AsyncHTTPClient().fetch(URL, method='POST', body='x'), item)""",
    "generator coroutine": """\
                return self.later(item)
            @gen.coroutine
            def later(self, item):
                response = yield AsyncHTTPClient().fetch(URL, method='POST', body='x')
                self.got(response, item)""",
    "ensure_future": """\
                asyncio.ensure_future(self.later(item))
            async def later(self, item):
                await asyncio.sleep(0.01)
                self.got(await AsyncHTTPClient().fetch(URL, method='POST', body='x'), item)""",
    "executor": """\
                future = IOLoop.current().run_in_executor(
                    None, lambda: HTTPClient().fetch(URL, method='POST', body='x'))
                IOLoop.current().add_future(future, lambda f: self.got(f.result(), item))""",
}
CLIENT = """\
        import asyncio
        from tornado import gen
        from tornado.httpclient import AsyncHTTPClient, HTTPClient
        URL = %r
        class Ask(Task):
            def enqueue(self, item):
                self.start_item(item)
%s
            def got(self, response, item):
                item['body'] = response.body
                self.complete_item(item)
        pipeline = Pipeline(Ask('Ask'), PrintItem())
        """


@pytest.mark.parametrize("way", sorted(ASYNC))
def test_asynchronous_clients(tmp_path: Path, tracker: ScriptedTracker, way: str) -> None:
    """Whatever way of Tornado or asyncio a file uses to wait, the item goes on."""
    path = write_pipeline(tmp_path, CLIENT % (tracker.url + "/done", ASYNC[way]))
    seen = play(path, timeout=10).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["body"] == b"OK"


@pytest.mark.parametrize("way", sorted(ASYNC))
def test_asynchronous_clients_that_fail(tmp_path: Path, way: str) -> None:
    """When that raises, the item fails with the traceback; it does not hang."""
    path = write_pipeline(tmp_path, CLIENT % ("http://127.0.0.1:9/", ASYNC[way]))
    seen = play(path, timeout=10).only
    assert seen.outcome == "failed"
    assert "ConnectionRefusedError" in seen.log


def test_coroutine_process_that_raises_late(tmp_path: Path) -> None:
    """An exception after an await in process fails the item with its traceback."""
    path = write_pipeline(tmp_path, """\
        import asyncio
        class Late(SimpleTask):
            async def process(self, item):
                await asyncio.sleep(0.05)
                raise LookupError('late boom')
        pipeline = Pipeline(Late('Late'))
        """)
    seen = play(path).only
    assert seen.outcome == "failed" and "LookupError: late boom" in seen.log


def test_periodic_callback(tmp_path: Path) -> None:
    """A PeriodicCallback that a file starts while loading ticks in the project's thread."""
    path = write_pipeline(tmp_path, """\
        from tornado.ioloop import PeriodicCallback
        ticks = []
        ticker = PeriodicCallback(lambda: ticks.append(threading.current_thread().name), 20)
        ticker.start()
        class Wait(Task):
            def enqueue(self, item):
                self.start_item(item)
                self.look(item)
            def look(self, item):
                if len(ticks) < 3:
                    IOLoop.instance().add_timeout(datetime.timedelta(seconds=0.02),
                                                  functools.partial(self.look, item))
                else:
                    ticker.stop()
                    item['threads'] = set(ticks)
                    self.complete_item(item)
        pipeline = Pipeline(Wait('Wait'))
        """)
    seen = play(path, timeout=10).only
    assert seen.outcome == "completed"
    assert "MainThread" not in seen.item["threads"]


def test_data_dir_set_by_the_file(tmp_path: Path) -> None:
    """A file may put the items' folders elsewhere (a tmpfs)."""
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(SetItemKey('where', ItemInterpolation('%(data_dir)s')))
        pipeline.data_dir = {str(tmp_path / "elsewhere")!r}
        """)
    item = play(path).only.item
    assert item["where"] == str(tmp_path / "elsewhere" / item.item_id)


@pytest.mark.parametrize(("call", "outcome"), [
    ("item.fail()", "failed"), ("item.complete()", "completed"), ("item.cancel()", "canceled")])
def test_item_ended_by_hand(tmp_path: Path, call: str, outcome: str) -> None:
    """item.fail(), complete() and cancel() in a task end the item there and then."""
    path = write_pipeline(tmp_path, f"""\
        class End(SimpleTask):
            def process(self, item):
                {call}
        pipeline = Pipeline(End('End'), PrintItem())
        """)
    seen = play(path, timeout=10).only
    assert seen.outcome == outcome
    assert "Starting PrintItem" not in seen.log


def test_wrappers_at_any_depth(tmp_path: Path) -> None:
    """Tasks of the project's own around ours around the project's own."""
    path = write_pipeline(tmp_path, """\
        class Wrap(Task):
            def __init__(self, inner):
                Task.__init__(self, 'Wrap ' + inner.name)
                self.inner_task = inner
                inner.on_complete_item += self._inner_done
                inner.on_fail_item += self._inner_failed
            def enqueue(self, item):
                self.start_item(item)
                item['depth'] = item.get('depth', 0) + 1
                self.inner_task.enqueue(item)
            def _inner_done(self, task, item):
                self.complete_item(item)
            def _inner_failed(self, task, item):
                self.fail_item(item)
        class Own(SimpleTask):
            def process(self, item):
                if item.item_number == 3:
                    raise Exception('third')
        pipeline = Pipeline(
            Wrap(LimitConcurrent(1, Wrap(ConditionalTask(lambda item: True, Wrap(Own('Own')))))),
            Wrap(LimitConcurrent(2, LimitConcurrent(1, Wrap(ExternalProcess('True', ['true']))))),
            PrintItem())
        """)
    played = play(path, items=4, concurrent=4, timeout=20)
    assert sorted(played.outcomes) == ["completed"] * 3 + ["failed"]
    for seen in played.items:
        if seen.outcome == "completed":
            assert seen.item["depth"] == 5
            assert seen.log.count("Starting PrintItem") == 1


def test_handler_that_writes_to_the_log(tmp_path: Path) -> None:
    """A handler of on_output that logs by itself (once) gets no item stuck."""
    path = write_pipeline(tmp_path, """\
        class Attach(SimpleTask):
            def process(self, item):
                item.on_output += self.heard
            def heard(self, item, data):
                if 'needle' in data and 'echo' not in data:
                    item.log_output('echo of ' + data.strip())
        pipeline = Pipeline(Attach('Attach'), ExternalProcess('Say', ['echo', 'needle']),
                            PrintItem())
        """)
    seen = play(path, timeout=10).only
    assert seen.outcome == "completed"
    assert seen.log.count("echo of needle") == 1


def test_one_task_object_in_two_places(tmp_path: Path) -> None:
    """The same task listed twice runs twice, and the pipeline ends."""
    path = write_pipeline(tmp_path, """\
        class Count(SimpleTask):
            def process(self, item):
                item['count'] = item.get('count', 0) + 1
                assert item['count'] < 5
        again = Count('Count')
        pipeline = Pipeline(again, PrintItem(), again)
        """)
    seen = play(path, timeout=10).only
    assert seen.outcome == "completed" and seen.item["count"] == 2


def test_many_log_lines_of_a_task(tmp_path: Path) -> None:
    """A hundred thousand printed lines arrive, in order."""
    path = write_pipeline(tmp_path, """\
        class Talk(SimpleTask):
            def process(self, item):
                for i in range(100000):
                    print('l', i)
        pipeline = Pipeline(Talk('Talk'))
        """)
    seen = play(path, timeout=60).only
    lines = [line for line in seen.log.splitlines() if line.startswith("l ")]
    assert lines == [f"l {i}" for i in range(100000)]


def test_stop_between_tasks(tmp_path: Path) -> None:
    """stop_now in the very moment an item is created, or between tasks, ends the runner."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(PrintItem(), PrintItem())\n")

    async def script(played: Played) -> None:
        await played.until(lambda: played.runner.active_items)
        played.runner.stop_now(1)

    for _ in range(10):
        played = play(path, script, items=None, concurrent=3, timeout=10)
        assert not played.runner.active_items


def test_print_with_a_file_argument_and_logging(tmp_path: Path) -> None:
    """print(file=sys.stdout), sys.stdout.buffer, the logging module: none fails the item."""
    path = write_pipeline(tmp_path, """\
        import logging
        from pprint import pprint
        logging.basicConfig(level=logging.INFO)
        class Talk(SimpleTask):
            def process(self, item):
                print('to file', file=sys.stdout)
                pprint({'pretty': 1})
                sys.stdout.write(u'unicode \\u4f60\\n')
                sys.stdout.writelines(['one\\n', 'two\\n'])
                logging.info('logged')
                assert sys.stdout.encoding
                sys.stdout.isatty()
                getattr(sys.stdout, 'buffer', sys.stdout)
        pipeline = Pipeline(Talk('Talk'))
        """)
    ended = run_pipeline(path, env={"LC_ALL": "C"})
    assert ended.status == 0
    for text in ("to file\n", "{'pretty': 1}\n", "unicode \u4f60\n", "one\ntwo\n", "logged",
                 "Finished Talk"):
        assert text in ended.output

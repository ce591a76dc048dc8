"""The event loop as project code sees it from its worker."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime
import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from pipeline_core.engine.project_code import current_item
from pipeline_core.engine.worker_loop import WorkerIOLoop, WorkerLoop
from pipeline_core.item import Item
from tests.support.engine import Line, run, until


def play(tmp_path: Path, job: Callable[[Line, Item], Any], expect: Callable[[], Any]) -> Item:
    """Run ``job`` in the worker for an item, then wait until ``expect()``."""
    async def main() -> Item:
        with Line(tmp_path) as line:
            item = line.item()
            await line.worker.run_for(item, "x", job, line, item)
            await until(expect)
            logs.append(line.log(item))
            return item

    logs: list[str] = []
    item = run(main())
    item.log_of_the_test = logs[0]  # type: ignore[attr-defined]
    return item


def test_it_stands_in_for_the_loop(tmp_path: Path) -> None:
    """In the worker only, and also after a loop of the project's own."""
    async def main() -> None:
        with Line(tmp_path) as line:
            def job() -> tuple[Any, Any]:
                return IOLoop.current(), asyncio.get_event_loop()

            async def own() -> int:
                return 5

            loops = await line.worker.run_for(None, "x", job)
            assert isinstance(loops[0], WorkerIOLoop) and isinstance(loops[1], WorkerLoop)
            assert await line.worker.run_for(None, "x", lambda: asyncio.run(own())) == 5
            assert await line.worker.run_for(None, "x", job) == loops
            assert IOLoop.current() is not loops[0]
            assert loops[1].time() == pytest.approx(asyncio.get_running_loop().time(), abs=1)

    run(main())


SCHEDULES: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "add_callback": lambda f: IOLoop.current().add_callback(f, 1),
    "add_timeout": lambda f: IOLoop.current().add_timeout(datetime.timedelta(seconds=0.01), f, 1),
    "call_later": lambda f: IOLoop.current().call_later(0.01, f, 1),
    "call_soon": lambda f: asyncio.get_event_loop().call_soon(f, 1),
    "call_at": lambda f: asyncio.get_event_loop().call_at(asyncio.get_event_loop().time(), f, 1),
    "from a thread": lambda f: threading.Thread(
        target=asyncio.get_event_loop().call_soon_threadsafe, args=(f, 1)).start(),
}


@pytest.mark.parametrize("way", sorted(SCHEDULES))
def test_a_callback_comes_back_to_the_worker(tmp_path: Path, way: str) -> None:
    """For the item for which it was scheduled."""
    seen: list[tuple[Any, ...]] = []

    def job(line: Line, item: Item) -> None:
        def callback(value: int) -> None:
            seen.append((value, threading.get_ident() == worker, current_item.get()))

        worker = threading.get_ident()
        SCHEDULES[way](callback)

    item = play(tmp_path, job, lambda: seen)
    assert seen == [(1, True, None if way == "from a thread" else item)]


def test_callbacks_keep_their_order(tmp_path: Path) -> None:
    """Those for now in the order in which they were scheduled, the later ones by their time."""
    seen: list[int] = []

    def job(line: Line, item: Item) -> None:
        loop = IOLoop.current()
        loop.call_later(0.03, seen.append, 5)
        loop.call_later(0.01, seen.append, 4)
        for number in range(4):
            loop.add_callback(seen.append, number)

    play(tmp_path, job, lambda: len(seen) == 6)
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_callback_can_be_taken_back(tmp_path: Path) -> None:
    """Before its time, and while it waits for the worker."""
    seen: list[str] = []

    def job(line: Line, item: Item) -> None:
        loop = asyncio.get_event_loop()
        handle = IOLoop.current().call_later(0.01, seen.append, "removed")
        IOLoop.current().remove_timeout(handle)
        soon = loop.call_soon(seen.append, "cancelled")
        soon.cancel()
        assert soon.cancelled()
        loop.call_later(0.03, seen.append, "kept")

    play(tmp_path, job, lambda: seen)
    assert seen == ["kept"]


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
@pytest.mark.parametrize("kind", ["callback", "coroutine", "task", "reader", "future"])
def test_an_error_fails_the_item(tmp_path: Path, error: type[BaseException], kind: str) -> None:
    """Whatever was scheduled; not even sys.exit() gets as far as the loop."""
    def wrong(*args: Any) -> None:
        raise error("it is wrong")

    async def wrong_later(*args: Any) -> None:
        await asyncio.sleep(0)
        wrong()

    def job(line: Line, item: Item) -> None:
        items.append(item)
        loop = asyncio.get_event_loop()
        if kind == "callback":
            loop.call_soon(wrong)
        elif kind == "coroutine":
            IOLoop.current().add_callback(wrong_later)
        elif kind == "task":
            asyncio.ensure_future(wrong_later(), loop=loop)
        elif kind == "reader":
            read_end, write_end = os.pipe()
            os.close(write_end)
            loop.add_reader(read_end, wrong)
        else:
            future: concurrent.futures.Future[int] = concurrent.futures.Future()
            IOLoop.current().add_future(future, wrong)  # type: ignore[arg-type]
            future.set_result(1)

    items: list[Item] = []
    item = play(tmp_path, job, lambda: items[0].failed)
    assert f"{error.__name__}: it is wrong" in item.log_of_the_test  # type: ignore[attr-defined]


@pytest.mark.logs_errors("a scheduled callback failed")
def test_an_error_of_nobodys_callback_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As of one that a file has scheduled while it was loaded."""
    async def main() -> None:
        with Line(tmp_path) as line:
            await line.worker.run_for(
                None, "x", lambda: asyncio.get_event_loop().call_soon(int, "x"))
            await until(lambda: "a scheduled callback failed" in caplog.text)

    run(main())


def test_a_coroutine_runs_on_the_shared_loop(tmp_path: Path) -> None:
    """For its item, while the worker is free for others."""
    seen: list[tuple[Any, ...]] = []
    here = threading.get_ident()

    async def coroutine() -> None:
        await asyncio.sleep(0.001)
        seen.append((threading.get_ident() == here, current_item.get()))

    def job(line: Line, item: Item) -> None:
        IOLoop.current().add_callback(coroutine)

    item = play(tmp_path, job, lambda: seen)
    assert seen == [(True, item)]


def test_a_file_is_watched(tmp_path: Path) -> None:
    """Its handler runs in the worker, once at a time, until it is removed."""
    read_end, write_end = os.pipe()
    seen: list[bytes] = []

    async def main() -> None:
        with Line(tmp_path) as line:
            def readable() -> None:
                seen.append(os.read(read_end, 1))

            def watch() -> None:
                asyncio.get_event_loop().add_reader(read_end, readable)

            def forget() -> tuple[bool, bool]:
                loop = asyncio.get_event_loop()
                return loop.remove_reader(read_end), loop.remove_reader(read_end)

            await line.worker.run_for(None, "x", watch)
            os.write(write_end, b"abc")
            await until(lambda: len(seen) == 3)
            assert await line.worker.run_for(None, "x", forget) == (True, False)
            await asyncio.sleep(0)
            os.write(write_end, b"d")
            await asyncio.sleep(0.01)
            assert seen == [b"a", b"b", b"c"]

    run(main())
    os.close(read_end)
    os.close(write_end)


def test_a_pool_of_threads(tmp_path: Path) -> None:
    """What it returns comes back to the worker."""
    seen: list[Any] = []

    def job(line: Line, item: Item) -> None:
        def got(future: Any) -> None:
            seen.append((future.result(), threading.get_ident() == worker, current_item.get()))

        worker = threading.get_ident()
        loop = IOLoop.current()
        loop.add_future(loop.run_in_executor(None, int, "5"), got)

    item = play(tmp_path, job, lambda: seen)
    assert seen == [(5, True, item)]


@pytest.mark.parametrize("call", [
    "stop", "close", "run_forever", functools.partial(WorkerLoop.run_until_complete, future=None)])
def test_the_shared_loop_is_not_the_projects_to_stop(tmp_path: Path, call: Any) -> None:
    """It is told why."""
    def job() -> None:
        loop = asyncio.get_event_loop()
        getattr(loop, call)() if isinstance(call, str) else call(loop)

    async def main() -> None:
        with Line(tmp_path) as line:
            with pytest.raises(RuntimeError, match="loop"):
                await line.worker.run_for(None, "x", job)
            loop = await line.worker.run_for(None, "x", asyncio.get_event_loop)
            assert loop.is_running() and not loop.is_closed() and not loop.get_debug()
        assert loop.is_closed()

    run(main())



"""The two ways between project code and ours."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.config import realize
from pipeline_core.engine.calls import call, contained, hook, on_loop, realized
from pipeline_core.engine.worker_thread import NotAnException
from pipeline_core.item import Item
from pipeline_core.task import Task
from tests.support.engine import Line, OursTask, ours, run, until


def thread_of(*args: Any) -> int:
    """Project code, by where it is defined."""
    return threading.get_ident()


class Called:
    """Has methods of the contract."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, Any]] = []

    @on_loop
    def told(self, item: Item, value: Any = None) -> str:
        """Notes on which thread it runs."""
        self.calls.append((threading.get_ident(), value))
        if value == "wrong":
            raise LookupError("told something wrong")
        if value == "ended":
            raise asyncio.CancelledError
        return "an answer"


# -- from the loop to project code -------------------------------------------------------------
def test_code_runs_where_it_belongs(tmp_path: Path) -> None:
    """Ours here and now, the project's in its worker, and ours there where it is asked for."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item, task, here = line.item(), Task("task"), threading.get_ident()
            assert await call(item, task, ours(thread_of)) == here
            assert await call(item, task, threading.get_ident) == here
            theirs = await call(item, task, thread_of)
            assert theirs != here
            assert await call(item, task, threading.get_ident, in_worker=True) == theirs

    run(main())


def test_without_a_worker_all_runs_here(tmp_path: Path) -> None:
    """A plain script works with an item by hand."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item = line.item()
            item.worker = None
            assert await call(item, Task("task"), thread_of) == threading.get_ident()

    run(main())


def test_a_call_of_an_item_that_has_ended_does_not_return(tmp_path: Path) -> None:
    """Whether it ended before or in the call; whoever called has to let go."""
    async def main() -> None:
        with Line(tmp_path) as line:
            for end in (ours(lambda item: item.fail()), lambda item: item.fail()):
                item = line.item()
                with pytest.raises(asyncio.CancelledError):
                    await call(item, Task("task"), end, item)
                    # Where the worker has posted it, it comes right behind the result.
                    await asyncio.sleep(0)
                    item.scope.check()

    run(main())


def test_a_future_that_a_project_returns(tmp_path: Path) -> None:
    """A coroutine of Tornado's: what it raises later fails the item."""
    async def main() -> None:
        async def work(item: Item) -> None:
            future = asyncio.get_running_loop().create_future()
            assert await call(item, task, lambda: future) is future
            future.set_exception(LookupError("later"))
            await asyncio.Event().wait()

        task = OursTask("Work", work)
        with Line(tmp_path, task) as line:
            item = await line.send()
            assert item.failed and "LookupError: later" in line.log(item)

    run(main())


def test_an_override_takes_the_place_of_ours(tmp_path: Path) -> None:
    """Of a method: on the class, on the instance; else what it would have started is awaited."""
    async def main() -> None:
        class Ours(Task):
            method = ours(lambda self, item: done.append("the method"))

        class Theirs(Ours):
            def method(self, item: Item) -> None:
                done.append("an override")

        async def instead(item: Item) -> None:
            done.append("ours")

        done: list[str] = []
        with Line(tmp_path) as line:
            item, plain = line.item(), Ours("task")
            await hook(item, plain, "method", instead, item)
            other = Theirs("task")
            await hook(item, other, "method", instead, item)
            plain.method = lambda item: done.append("on the instance")  # type: ignore[method-assign,misc,assignment]
            await hook(item, plain, "method", instead, item)
        assert done == ["ours", "an override", "on the instance"]

    run(main())


def test_an_override_may_come_later(tmp_path: Path) -> None:
    """A project replaces the method on a class, or on that of the toolkit's, after it was used."""
    async def main() -> None:
        class Ours(Task):
            method = ours(lambda self, item: done.append("the method"))

        class Theirs(Ours):
            pass

        async def instead(item: Item) -> None:
            done.append("ours")

        done: list[str] = []
        with Line(tmp_path) as line:
            item, task = line.item(), Theirs("task")
            await hook(item, task, "method", instead, item)
            Ours.method = lambda self, item: done.append("on ours")
            await hook(item, task, "method", instead, item)
            Theirs.method = lambda self, item: done.append("on theirs")
            await hook(item, task, "method", instead, item)
        assert done == ["ours", "on ours", "on theirs"]

    run(main())


def test_values_are_realized_where_their_class_is_from(tmp_path: Path) -> None:
    """In the worker as soon as one of the project's takes part, however deep."""
    class Theirs:
        def realize(self, item: Item) -> int:
            return threading.get_ident()

    async def main() -> None:
        with Line(tmp_path) as line:
            item, task = line.item(), Task("task")
            assert await realized(item, task, ["a", {"b": 1}]) == ["a", {"b": 1}]
            deep = await realized(item, task, {"a": ["x", Theirs()]})
            assert deep["a"][1] != threading.get_ident()
            assert realize(Theirs(), item) == threading.get_ident()

    run(main())


def test_an_exit_does_not_reach_the_loop() -> None:
    """It is an error like others, with the original in it."""
    async def main() -> None:
        async def exits() -> None:
            sys.exit(3)

        with pytest.raises(NotAnException) as caught:
            await contained(exits())
        assert isinstance(caught.value.error, SystemExit)

        async def returns() -> int:
            return 4

        assert await contained(returns()) == 4

    run(main())


# -- from project code to the loop -------------------------------------------------------------
def test_a_method_on_the_loop_is_just_called(tmp_path: Path) -> None:
    """It returns what it returns, and raises what it raises."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item, called = line.item(), Called()
            assert called.told(item) == "an answer"
            with pytest.raises(LookupError):
                called.told(item, value="wrong")
            assert item.scope.asked_for == 0

    run(main())


def test_a_method_in_a_worker_is_posted(tmp_path: Path) -> None:
    """In order, by position or by name; it returns nothing, at once."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item, called = line.item(), Called()

            def job() -> list[Any]:
                return [called.told(item, 1), called.told(item=item, value=2)]

            assert await line.worker.run_for(item, "x", job) == [None, None]
            here = threading.get_ident()
            assert called.calls == [(here, 1), (here, 2)]
            assert item.scope.asked_for == 2

    run(main())


def test_a_thread_of_the_projects_own_is_no_other(tmp_path: Path) -> None:
    """Whatever is not the loop's thread posts."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item, called = line.item(), Called()
            thread = threading.Thread(target=called.told, args=(item, "from a thread"))
            thread.start()
            await until(lambda: called.calls)
            assert called.calls == [(threading.get_ident(), "from a thread")]
            thread.join()

    run(main())


def test_an_error_of_a_posted_method_fails_its_item(tmp_path: Path) -> None:
    """And no other; a method that finds its item ended is silent."""
    async def main() -> None:
        with Line(tmp_path) as line:
            one, two, called = line.item(), line.item(), Called()
            await line.worker.run_for(one, "x", called.told, two, "ended")
            await line.worker.run_for(one, "x", called.told, one, "wrong")
            assert one.failed and "LookupError: told something wrong" in line.log(one)
            assert not two.finished

    run(main())

"""A thread with a queue of jobs, and the way back to the loop."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from typing import Any

import pytest

from pipeline_core.engine.worker_thread import (
    MOST_POSTED,
    POSTS_A_TURN,
    NotAnException,
    WorkerThread,
    original,
    settle,
    this_loop,
)
from tests.support.engine import run, until


def test_jobs_one_after_the_other() -> None:
    """Whoever waits gets what the job returns or raises; the thread begins with the first one."""
    async def main() -> None:
        thread = WorkerThread("a thread")
        assert not thread.alive
        thread.close()
        order: list[int] = []
        waiting = [thread.run(order.append, number) for number in range(5)]
        assert thread.alive and thread.on_loop()
        assert await thread.run(thread.on_loop) is False
        assert all(future.done() for future in waiting) and order == [0, 1, 2, 3, 4]
        with pytest.raises(ValueError, match="invalid literal"):
            await thread.run(int, "x")
        assert await thread.run(threading.current_thread) is not threading.main_thread()
        thread.close()
        await until(lambda: not thread.alive)

    run(main())


def test_a_job_that_exits_does_not_end_the_thread() -> None:
    """SystemExit reaches neither the loop nor the end of the thread; it can be told all the same."""
    async def main() -> None:
        thread = WorkerThread("a thread")
        with pytest.raises(NotAnException) as caught:
            await thread.run(sys.exit, 3)
        assert isinstance(original(caught.value), SystemExit)
        assert await thread.run(int, "5") == 5
        thread.close()

    run(main())


@pytest.mark.logs_errors("A job of a thread failed")
def test_an_error_that_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """And the next job is done."""
    async def main() -> None:
        thread = WorkerThread("a thread")
        thread.call(int, "x")
        await thread.run(int)
        thread.close()

    run(main())
    assert "A job of a thread failed" in caplog.text


def test_settling() -> None:
    """A result, an error, and what a future cannot hold; one that is done stays as it is."""
    async def main() -> None:
        loop = asyncio.get_running_loop()
        one, two, three, four = (loop.create_future() for _ in range(4))
        settle(one, 1, None)
        settle(one, 2, None)
        assert await one == 1
        settle(two, None, KeyError("x"))
        with pytest.raises(KeyError):
            await two
        settle(three, None, StopIteration("x"))
        with pytest.raises(NotAnException) as caught:
            await three
        assert isinstance(original(caught.value), StopIteration)
        four.cancel()
        settle(four, None, KeyError("nobody is left"))
        assert original(error := KeyError("itself")) is error

    run(main())


def test_posts_arrive_in_order_with_the_result_last() -> None:
    """More of them than run in one turn, also; what a job posts comes before what it returns."""
    many = 3 * POSTS_A_TURN + 7

    async def main() -> None:
        thread, told = WorkerThread("a thread"), []

        def job() -> str:
            for number in range(many):
                thread.post(told.append, number)
            return "done"

        thread.call(job, then=lambda result, error: told.append(result))
        await until(lambda: "done" in told)
        assert told == [*range(many), "done"]
        thread.close()

    run(main())


def test_others_get_their_turn_between_posts() -> None:
    """However much a thread posts at once."""
    async def main() -> None:
        thread, order = WorkerThread("a thread"), []
        for number in range(3 * POSTS_A_TURN):
            thread.post(order.append, number)
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, order.append, "other")
        await until(lambda: len(order) == 3 * POSTS_A_TURN + 1)
        assert order.index("other") <= 2 * POSTS_A_TURN

    run(main())


def test_posts_of_several_threads() -> None:
    """None is lost, and each thread's own keep their order."""
    async def main() -> None:
        thread, told = WorkerThread("a thread"), []

        def post_all(name: int) -> None:
            for number in range(500):
                thread.post(told.append, (name, number))

        others = [threading.Thread(target=post_all, args=(name,)) for name in range(4)]
        for other in others:
            other.start()
        await until(lambda: len(told) == 2000)
        for name in range(4):
            assert [number for who, number in told if who == name] == list(range(500))

    run(main())


@pytest.mark.logs_errors("A call from a thread failed")
def test_a_post_that_raises_keeps_no_other_from_arriving(caplog: pytest.LogCaptureFixture) -> None:
    """The log is told; and the room that its text took is free again."""
    async def main() -> None:
        thread, told = WorkerThread("a thread"), []
        for _ in range(3):
            thread.post(int, "x", size=MOST_POSTED)
        thread.post(told.append, 1)
        await until(lambda: told)
        await asyncio.wait_for(
            thread.run(functools.partial(thread.post, told.append, 2, size=1)), 5)
        await until(lambda: 2 in told)
        thread.close()

    run(main())
    assert caplog.text.count("A call from a thread failed") == 3


def test_what_is_posted_and_not_delivered_is_bounded() -> None:
    """A thread that posts 64 MB while the loop is held up waits; then all of it arrives."""
    piece, pieces = "x" * (1 << 20), 64

    async def main() -> None:
        thread = WorkerThread("a thread")
        posted, delivered, all_posted = [0], [0], threading.Event()

        def job() -> None:
            for _ in range(pieces):
                thread.post(take, piece, size=len(piece))
                posted[0] += len(piece)
            all_posted.set()

        def take(text: str) -> None:
            most[0] = max(most[0], posted[0] - delivered[0])
            delivered[0] += len(text)

        most = [0]
        done = thread.run(job)
        assert not all_posted.wait(0.1)  # the loop is held up by this
        assert posted[0] <= MOST_POSTED + len(piece)
        await done
        assert delivered[0] == posted[0] == pieces * len(piece)
        assert most[0] <= MOST_POSTED + 2 * len(piece)
        thread.close()

    run(main())


def test_the_loop_itself_never_waits_for_room() -> None:
    """It would wait for ever."""
    async def main() -> None:
        thread, told = WorkerThread("a thread"), []
        for _ in range(4):
            thread.post(told.append, "x", size=MOST_POSTED)
        await until(lambda: len(told) == 4)

    run(main())


def test_a_closed_loop_takes_nothing_and_blocks_nobody() -> None:
    """A thread that goes on after the end of the loop neither fails nor waits."""
    ended, may_go_on = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def job(thread: WorkerThread) -> None:
        may_go_on.wait(10)
        try:
            for _ in range(3):
                thread.post(print, "nobody", size=MOST_POSTED)
        except BaseException as error:
            failed.append(error)
        ended.set()

    async def main() -> None:
        thread = WorkerThread("a thread")
        thread.call(functools.partial(job, thread))
        thread.close()

    run(main())
    may_go_on.set()
    assert ended.wait(5) and failed == []


@pytest.mark.parametrize("is_closed", [False, True])
def test_it_can_be_closed_after_the_end_of_its_loop(is_closed: bool) -> None:
    """The thread ends, though the loop takes its turns no more, and may be closed."""
    async def main() -> WorkerThread:
        thread = WorkerThread("a thread")
        await thread.run(int)
        return thread

    loop = asyncio.new_event_loop()
    thread = loop.run_until_complete(main())
    if is_closed:
        loop.close()
    thread.close()
    assert thread._thread is not None
    thread._thread.join(10)
    assert not thread.alive
    loop.close()


@pytest.mark.parametrize("first", ["before", "after"])
def test_jobs_that_are_given_when_the_loop_is_closed_are_run(first: str) -> None:
    """In order, with those that it had been given before."""
    loop = asyncio.new_event_loop()
    thread, ended = WorkerThread("a thread", loop), threading.Event()
    done: list[str] = []
    if first == "before":
        thread.call(done.append, first)
    loop.close()
    if first == "after":
        thread.call(done.append, first)
    thread.call(done.append, "last")
    thread.call(ended.set)
    assert ended.wait(10) and done == [first, "last"]
    thread.close()
    assert thread._thread is not None
    thread._thread.join(10)
    assert not thread.alive


def test_who_waits_for_room_when_the_loop_is_closed_goes_on() -> None:
    """It looks at the loop from time to time."""
    full, ended = threading.Event(), threading.Event()
    loop = asyncio.new_event_loop()
    thread = WorkerThread("a thread", loop)

    def job() -> None:
        for number in range(3):
            if number == 2:
                full.set()
            thread.post(print, "nobody", size=MOST_POSTED)
        ended.set()

    thread.call(job)
    thread.close()
    assert full.wait(5) and not ended.wait(0.01)
    loop.close()
    assert ended.wait(5)


def test_what_is_posted_has_no_context_of_who_posts() -> None:
    """A result is nobody's work in particular."""
    import contextvars

    variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default=None)

    async def main() -> None:
        thread, seen = WorkerThread("a thread"), []

        def job() -> None:
            variable.set("of the job")
            thread.post(lambda: seen.append(variable.get()))

        await thread.run(job)
        assert seen == [None]
        thread.close()

    run(main())


def test_the_loop_before_it_runs() -> None:
    """A plain script makes its parts first; then Tornado's loop is the one that will run."""
    async def main() -> None:
        assert this_loop() is asyncio.get_running_loop()

    found: list[asyncio.AbstractEventLoop] = []

    def script() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        found.extend((loop, this_loop()))
        loop.close()

    run(main())
    thread = threading.Thread(target=script)
    thread.start()
    thread.join()
    assert found[0] is found[1]


def count_wakes(thread: WorkerThread, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Note each time that another thread wakes the loop."""
    wakes: list[object] = []
    wake = thread.loop.call_soon_threadsafe

    def counted(*args: Any, **more: Any) -> Any:
        wakes.append(args)
        return wake(*args, **more)

    monkeypatch.setattr(thread.loop, "call_soon_threadsafe", counted)
    return wakes


def test_jobs_that_wait_together_wake_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much each of them posts."""
    async def main() -> None:
        thread, told = WorkerThread("a thread"), []

        def job(number: int) -> None:
            for _ in range(10):
                thread.post(told.append, number)

        # Until all jobs wait, and none of them longer than a quick job may take.
        monkeypatch.setattr("pipeline_core.engine.worker_thread.QUICK_JOB", 60.0)
        may_go_on = threading.Event()
        first = thread.run(may_go_on.wait)
        wakes = count_wakes(thread, monkeypatch)
        jobs = [thread.run(job, number) for number in range(5)]
        may_go_on.set()
        await asyncio.gather(first, *jobs)
        assert told == [number for number in range(5) for _ in range(10)]
        assert len(wakes) == 1
        thread.close()

    run(main())


def test_what_a_long_job_posts_comes_while_it_runs() -> None:
    """Also what it posts after a while, when nothing else happens."""
    async def main() -> None:
        thread, told = WorkerThread("a thread"), []
        come = [threading.Event(), threading.Event()]

        def told_of(number: int) -> None:
            told.append(number)
            come[number].set()

        def job() -> bool:
            thread.post(told_of, 0)
            first = come[0].wait(20)
            thread.post(told_of, 1)
            return first and come[1].wait(20)

        assert await thread.run(job)
        assert told == [0, 1]
        thread.close()

    run(main(), timeout=60)


def test_what_the_last_job_posts_comes_when_the_thread_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even when nothing else would wake the loop."""
    async def main() -> None:
        monkeypatch.setattr("pipeline_core.engine.worker_thread.QUICK_JOB", 60.0)
        thread, told = WorkerThread("a thread"), asyncio.Event()
        thread.call(lambda: thread.post(told.set))
        thread.close()
        await asyncio.wait_for(told.wait(), 20)

    run(main())


def test_other_threads_post_while_no_job_runs() -> None:
    """A thread of the project's own, long after the last job, and right behind one."""
    async def main() -> None:
        thread, told = WorkerThread("a thread"), asyncio.Event()
        await thread.run(int, "1")
        threading.Thread(target=thread.post, args=(told.set,)).start()
        await asyncio.wait_for(told.wait(), 20)
        told.clear()
        await until(lambda: thread._wakes)
        threading.Thread(target=thread.post, args=(told.set,)).start()
        await asyncio.wait_for(told.wait(), 20)
        thread.close()

    run(main())

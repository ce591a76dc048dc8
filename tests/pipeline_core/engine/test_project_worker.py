"""The thread of one project: its folder, its prints, its errors, what it does now."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_core.engine.project_code import current_item
from pipeline_core.engine.project_worker import ProjectWorker, this_worker
from pipeline_core.engine.worker_thread import NotAnException, original
from tests.support.engine import Line, run, until


@contextlib.contextmanager
def worker_in(folder: Path, own_directory: bool = True) -> Iterator[ProjectWorker]:
    worker = ProjectWorker("worker of a test", str(folder), own_directory=own_directory)
    try:
        yield worker
    finally:
        worker.close()


@pytest.mark.parametrize("own_directory", [True, False])
def test_it_has_a_folder_of_its_own(tmp_path: Path, own_directory: bool) -> None:
    """Its project's, or that of the job; the loop's own stays what it was."""
    (tmp_path / "inner").mkdir()
    before = os.getcwd()

    async def main() -> None:
        with worker_in(tmp_path, own_directory) as worker:
            inner = str(tmp_path / "inner")
            assert await worker.run_for(None, "x", os.getcwd) == str(tmp_path)
            assert await worker.run_for(None, "x", os.getcwd, cwd=inner) == inner
            assert await worker.run_for(None, "x", os.getcwd) == str(tmp_path)
            if own_directory and sys.platform.startswith("linux"):
                assert os.getcwd() == before

    run(main())
    os.chdir(before)


def test_without_folders_of_their_own_one_works_at_a_time(tmp_path: Path) -> None:
    """Else the second would change the folder of the first."""
    before = os.getcwd()
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    working = threading.Event()
    release = threading.Event()

    def job() -> str:
        working.set()
        release.wait(10)
        return os.getcwd()

    async def main() -> None:
        with worker_in(tmp_path / "one", False) as one, worker_in(tmp_path / "two", False) as two:
            first = one.run_for(None, "x", job)
            await until(working.is_set)
            second = two.run_for(None, "x", os.getcwd)
            await asyncio.sleep(0.02)
            assert not second.done()
            release.set()
            assert await first == str(tmp_path / "one")
            assert await second == str(tmp_path / "two")

    run(main())
    os.chdir(before)


def test_a_folder_that_is_gone_is_an_error_of_the_job(tmp_path: Path) -> None:
    """The thread goes on."""
    async def main() -> None:
        with worker_in(tmp_path) as worker:
            with pytest.raises(FileNotFoundError):
                await worker.run_for(None, "x", int, cwd=str(tmp_path / "nothing"))
            assert await worker.run_for(None, "x", int) == 0

    run(main())


def test_what_it_raises(tmp_path: Path) -> None:
    """Errors as they are; what would end the process in a disguise."""
    async def main() -> None:
        with worker_in(tmp_path) as worker:
            with pytest.raises(ValueError):
                await worker.run_for(None, "x", int, "x")
            with pytest.raises(NotAnException) as caught:
                await worker.run_for(None, "x", sys.exit, 4)
            error = original(caught.value)
            assert isinstance(error, SystemExit) and error.code == 4
            assert await worker.run_for(None, "x", this_worker) is worker
        assert this_worker() is None

    run(main())


def test_what_it_prints_goes_to_the_item(tmp_path: Path) -> None:
    """Half a line, too; without an item to whom the job names."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item, said = line.item(), []
            await line.worker.run_for(item, "x", print, "a line")
            await line.worker.run_for(item, "x", lambda: print("half", end=""))
            assert line.log(item) == "a line\nhalf"
            await line.worker.run_for(None, "x", print, "for nobody", sink=said.append)
            assert said == ["for nobody\n"]

    run(main())


def test_the_code_knows_its_item(tmp_path: Path) -> None:
    """While the job runs, not afterwards."""
    async def main() -> None:
        with Line(tmp_path) as line:
            item = line.item()
            assert await line.worker.run_for(item, "x", current_item.get) is item
            assert await line.worker.run_for(None, "x", current_item.get) is None

    run(main())


def test_a_job_that_nobody_waits_for_any_more_does_not_begin(tmp_path: Path) -> None:
    """One that has begun goes on; what it returns is nobody's."""
    begun: list[str] = []
    release = threading.Event()

    def job(name: str) -> None:
        begun.append(name)
        release.wait(10)

    async def main() -> None:
        with worker_in(tmp_path) as worker:
            first = worker.run_for(None, "x", job, "first")
            second = worker.run_for(None, "x", job, "second")
            await until(lambda: begun)
            first.cancel()
            second.cancel()
            release.set()
            await worker.run_for(None, "x", job, "third")
        assert begun == ["first", "third"]

    run(main())


def test_it_tells_what_it_does(tmp_path: Path) -> None:
    """For which item, under which name; nothing when it is idle."""
    release = threading.Event()

    async def main() -> None:
        with Line(tmp_path) as line:
            worker, item = line.worker, line.item()

            def job() -> None:
                release.wait(10)
                worker.set_busy(item, "second part")
                seen.append(worker.busy and worker.busy.label)

            seen: list[object] = []
            assert worker.busy is None
            done = worker.run_for(item, "first part", job)
            busy = await until(lambda: worker.busy)
            assert busy is not None and (busy.item, busy.label) == (item, "first part")
            release.set()
            await done
            assert seen == ["second part"] and worker.busy is None

    run(main())


def test_an_error_that_nobody_waits_for_fails_the_item(tmp_path: Path) -> None:
    """Its traceback is in the log; SystemExit as well."""
    async def main() -> None:
        with Line(tmp_path) as line:
            one, two = line.item(), line.item()
            line.worker.call_for(one, "a callback", int, "x")
            line.worker.call_for(two, "a callback", sys.exit, 5)
            await until(lambda: one.failed and two.failed)
            assert "invalid literal" in line.log(one)
            assert "SystemExit: 5" in line.log(two)

    run(main())


@pytest.mark.logs_errors("a callback failed")
def test_an_error_without_an_item_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Under the name of the job."""
    async def main() -> None:
        with worker_in(tmp_path) as worker:
            worker.call_for(None, "a callback", int, "x")
            await worker.run_for(None, "x", int)

    run(main())
    assert "a callback failed" in caplog.text


def test_first_come_first_served(tmp_path: Path) -> None:
    """Calls, handlers and jobs that are awaited, in one queue."""
    order: list[int] = []

    async def main() -> None:
        with Line(tmp_path) as line:
            item = line.item()
            line.worker.call(order.append, 0)
            line.worker.call_for(item, "x", order.append, 1)
            waited = line.worker.run_for(item, "x", order.append, 2)
            item.scope.project_call(line.worker, order.append, (3,))
            await waited
            await item.scope.handlers_returned()
        assert order == [0, 1, 2, 3]

    run(main())


def test_closing_lets_it_do_what_it_has(tmp_path: Path) -> None:
    """Then the thread ends; nobody joins it."""
    async def main() -> None:
        worker = ProjectWorker("worker of a test", str(tmp_path))
        done = worker.run_for(None, "x", int, "7")
        worker.close()
        assert worker.closed and await done == 7
        await until(lambda: not worker.alive)

    run(main())

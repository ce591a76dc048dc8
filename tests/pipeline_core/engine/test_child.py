"""One child process with its group: output, input, its end, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline_core.engine import child as child_module
from pipeline_core.engine.child import Child, Children
from tests.support.engine import run, until
from tests.support.processes import lives


class Watched:
    """A child, and all that it has told."""

    def __init__(self, children: Children, script: str, **more: Any) -> None:
        self.children = children
        self.output = b""
        self.told: list[Any] = []
        self.child = Child(
            children, ["/bin/sh", "-c", script], env={"PATH": "/bin:/usr/bin"}, cwd="/",
            on_output=self._add, on_end=self.told.append,
            on_gone=lambda: self.told.append("gone"), **{"stdin_data": b"", **more})
        self.child.start()
        self.child.attach()

    def _add(self, data: bytes) -> None:
        self.output += data

    async def until_said(self, text: bytes = b"ready\n") -> None:
        await until(lambda: text in self.output, f"{text!r} in {self.output!r}")


Start = Callable[..., Watched]


@asynccontextmanager
async def starting() -> AsyncIterator[Start]:
    """Starts children, and leaves none."""
    children = Children(asyncio.get_running_loop())
    started: list[Watched] = []

    def start(script: str, **more: Any) -> Watched:
        started.append(Watched(children, script, **more))
        return started[-1]

    try:
        yield start
    finally:
        children.kill_all()
        children.close()
        for watched in started:
            assert watched.child.process is not None
            watched.child.process.wait(30)


def listed(watched: Watched) -> bool:
    """Whether its group would get a signal that is for all of them."""
    groups: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child_module, "signal_group", lambda group, number: groups.append(group))
        watched.children.kill_all()
    return watched.child.pid in groups


@pytest.fixture(autouse=True)
def looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of a group, as long as it lives."""
    monkeypatch.setattr(child_module, "LONGEST_GROUP_INTERVAL", 0.05, raising=False)


def test_what_it_prints_and_how_it_ends() -> None:
    """Both streams in one; the end behind the last of it, and then that nothing is left."""
    async def main() -> None:
        async with starting() as start:
            child = start("echo out; echo err >&2; exit 3")
            await child.child.gone()
            assert child.output == b"out\nerr\n"
            assert child.told == [3, "gone"] and child.child.returncode == 3
            await child.child.gone()

    run(main())


def test_what_it_reads() -> None:
    """All of it; or what is written while it runs; what it leaves is counted."""
    async def main() -> None:
        async with starting() as start:
            data = os.urandom(1 << 20)
            one = start("cat", stdin_data=data)
            two = start("read line; echo got $line; cat", stdin_data=None)
            three = start("exit 0", stdin_data=b"12345")
            await asyncio.gather(one.child.gone(), three.child.gone())
            assert one.output == data and one.child.unread_input == 0
            assert three.child.unread_input == 5
            two.child.write(b"a line\n")
            await two.until_said(b"got a line\n")
            two.child.write(b"more")
            two.child.close_stdin()
            await two.child.gone()
            assert two.output == b"got a line\nmore"

    run(main())


def test_a_group_of_its_own() -> None:
    """A signal for ours does not reach it; with a session of its own it has no terminal."""
    async def main() -> None:
        async with starting() as start:
            one, two = start("sleep 1000"), start("sleep 1000", new_session=True)
            for child in (one.child, two.child):
                assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
            assert os.getsid(two.child.pid) == two.child.pid
            if sys.version_info >= (3, 11):
                assert os.getsid(one.child.pid) == os.getsid(0)

    run(main())


def test_a_program_that_is_not_there_leaves_nothing_open() -> None:
    """The error says so; it has no number, and ending it is nothing."""
    async def main() -> None:
        loop = asyncio.get_running_loop()
        children = Children(loop)
        children.prepare()
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        child = Child(children, ["/nothing/there"], env={}, cwd="/", stdin_data=b"x",
                      on_output=print, on_end=print)
        with pytest.raises(FileNotFoundError):
            child.start()
        child.stop(0)
        if before:
            assert len(os.listdir("/proc/self/fd")) == before
        children.close()

    run(main())


# -- ending it -----------------------------------------------------------------------------
def test_it_is_asked_to_end() -> None:
    """It may still say something, and its exit status is its own."""
    async def main() -> None:
        async with starting() as start:
            child = start("trap 'echo bye; exit 7' TERM; echo ready; read line", stdin_data=None)
            await child.until_said()
            child.child.stop(10)
            await child.child.gone()
            assert child.output == b"ready\nbye\n" and child.told == [7, "gone"]

    run(main())


@pytest.mark.parametrize("patience", [0.0, 0.05])
def test_one_that_ignores_it_is_killed(patience: float) -> None:
    """After so many seconds, with all that it has started."""
    async def main() -> None:
        async with starting() as start:
            child = start("trap '' TERM; sleep 1000 & echo $!; echo ready; wait; sleep 1000")
            await child.until_said()
            background = int(child.output.split()[0])
            child.child.stop(patience)
            await child.child.gone()
            assert child.told == [-signal.SIGKILL, "gone"]
            assert not lives(background)

    run(main())


def test_a_second_stop_may_be_shorter() -> None:
    """And one that has stopped itself has to run to see it."""
    async def main() -> None:
        async with starting() as start:
            stubborn = start("trap '' TERM; echo ready; while :; do sleep 0.01; done")
            stopped = start("echo ready; kill -STOP $$; sleep 1000")
            await stubborn.until_said()
            await stopped.until_said()
            process = psutil.Process(stopped.child.pid)
            await until(lambda: process.status() == psutil.STATUS_STOPPED)
            stubborn.child.stop(1000)
            stopped.child.stop(1000)
            await stopped.child.gone()
            assert stopped.told == [-signal.SIGTERM, "gone"]
            stubborn.child.stop(0.03)
            await stubborn.child.gone()
            assert stubborn.told == [-signal.SIGKILL, "gone"]

    run(main())


# -- what it leaves behind -------------------------------------------------------------------
def test_a_group_that_outlives_its_first_process() -> None:
    """It is over when the last one has ended; from then on its number is nobody's to signal."""
    async def main() -> None:
        async with starting() as start:
            # What is left in the background ends with its standard input.
            child = start("exec 3<&0; cat <&3 >/dev/null 2>&1 & exit 0", stdin_data=None)
            writer = os.dup(child.child.process.stdin.fileno())  # type: ignore[union-attr]
            await until(lambda: 0 in child.told)
            await asyncio.sleep(0)
            assert "gone" not in child.told and listed(child)
            os.close(writer)
            await until(lambda: "gone" in child.told, "the end of the group")
            assert child.told == [0, "gone"] and not listed(child)

    run(main())


def test_what_is_left_in_the_background_is_ended() -> None:
    """A stop is for the group, also when its first process has ended."""
    async def main() -> None:
        async with starting() as start:
            child = start("sleep 1000 >/dev/null 2>&1 & echo $!")
            await until(lambda: 0 in child.told)
            background = int(child.output)
            assert lives(background)
            child.child.stop(10)
            await child.child.gone()
            assert not lives(background) and child.told == [0, "gone"]

    run(main())


def test_a_pipe_that_is_held_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """By something in the background: the output is taken for complete after a while."""
    monkeypatch.setattr(child_module, "DRAIN_TIME", 0.05)

    async def main() -> None:
        async with starting() as start:
            child = start("sleep 1000 & echo last; exit 4")
            await until(lambda: 4 in child.told)
            assert child.output == b"last\n" and "gone" not in child.told
            child.child.stop(10)
            await child.child.gone()
            assert child.told == [4, "gone"]

    run(main())


# -- who cannot take more of its output --------------------------------------------------------
def test_it_is_not_read_while_it_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By any of several; nothing is lost, though it ends meanwhile."""
    monkeypatch.setattr(child_module, "DRAIN_TIME", 0.01)

    async def main() -> None:
        async with starting() as start:
            child = start("echo ready; read line; echo more", stdin_data=None)
            await child.until_said()
            child.child.pause("one")
            child.child.pause("two")
            child.child.write(b"\n")
            await until(lambda: child.child.returncode == 0)
            child.child.resume("one")
            child.child.resume("nobody")
            await asyncio.sleep(0.03)
            assert child.output == b"ready\n" and child.told == [] and child.child.is_paused
            child.child.resume("two")
            await child.child.gone()
            assert child.output == b"ready\nmore\n" and child.told == [0, "gone"]

    run(main())


def test_a_stop_reads_what_is_left() -> None:
    """Also of one of whose group nothing is left: nobody waits for who could take no more."""
    async def main() -> None:
        async with starting() as start:
            child = start("echo ready; read line; echo more", stdin_data=None)
            await child.until_said()
            child.child.pause("one")
            child.child.write(b"\n")
            await until(lambda: child.child.returncode == 0 and not listed(child))
            child.child.stop(10)
            await asyncio.wait_for(child.child.gone(), 5)
            assert child.output == b"ready\nmore\n"

    run(main())


# -- all of them -------------------------------------------------------------------------------
def test_all_are_killed_at_once() -> None:
    """For the end of the process; also by the reaper, however that ends."""
    async def main() -> None:
        async with starting() as start:
            one, two = start("sleep 1000"), start("sleep 1000 & exit 0")
            await until(lambda: two.child.returncode == 0)
            one.children.kill_all()
            await asyncio.gather(one.child.gone(), two.child.gone())
            three = start("trap '' TERM; echo ready; sleep 1000 & wait")
            await three.until_said()
        await three.child.gone()
        assert three.told == [-signal.SIGKILL, "gone"]

    run(main())


def test_a_reaper_that_was_killed_is_replaced() -> None:
    """The new one knows all that are there."""
    async def main() -> None:
        loop = asyncio.get_running_loop()
        children = Children(loop)
        me = psutil.Process()
        others = {process.pid for process in me.children()}
        child = Watched(children, "echo ready; exec sleep 1000")
        await child.until_said()
        reaper, = (process for process in me.children()
                   if process.pid not in (child.child.pid, *others))
        reaper.kill()
        await until(lambda: not lives(reaper.pid))
        other = Watched(children, "exit 0")
        await other.child.gone()
        children.close()  # its reaper ends what is left
        await child.child.gone()
        assert child.told == [-signal.SIGKILL, "gone"]

    run(main())


def test_the_working_directory_and_environment(tmp_path: Path) -> None:
    """Exactly those that it is given."""
    async def main() -> None:
        loop = asyncio.get_running_loop()
        children = Children(loop)
        said: list[bytes] = []
        child = Child(children, ["/bin/sh", "-c", "pwd; /usr/bin/env"], env={"A": "b"},
                      cwd=str(tmp_path), on_output=said.append, on_end=lambda code: None,
                      stdin_data=b"")
        child.start()
        child.attach()
        await child.gone()
        children.close()
        lines = b"".join(said).decode().split()
        assert lines[0] == str(tmp_path) and "A=b" in lines
        assert not any(line.startswith(("HOME=", "PATH=")) for line in lines)

    run(main())

"""The clock that goes faster, and the journal of whom a command asks."""

from __future__ import annotations

import json
import socket
import subprocess
import textwrap
from pathlib import Path
from typing import Any

from tests.support.world.clock import Clock

#: Real seconds would make each of these tests take hours.
FACTOR = 10000.0


def run(folder: Path, code: str, *arguments: str, factor: float = FACTOR) -> Any:
    """What the program prints as its last line, read as JSON; it lives by a clock of its own."""
    program = folder / "program.py"
    program.write_text(textwrap.dedent(code))
    done = subprocess.run(
        Clock(factor).words(folder / "journal", program, *arguments),
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_all_clocks_agree(tmp_path: Path) -> None:
    """After an hour's sleep an hour has passed on every clock that a program can ask."""
    passed = run(tmp_path, """
        import datetime, json, time
        from time import monotonic
        def read():
            now = datetime.datetime.now(datetime.timezone.utc)
            return [monotonic(), time.perf_counter(), time.time(), time.monotonic_ns() / 1e9,
                    time.time_ns() / 1e9, now.timestamp()]
        before = read()
        time.sleep(3600)
        print(json.dumps([after - one for one, after in zip(before, read())]))
    """)
    assert all(one >= 3600 for one in passed)
    assert max(passed) - min(passed) < FACTOR, "they are read within a second of the machine's"


def test_the_test_reads_the_clock_of_the_command(tmp_path: Path) -> None:
    """Both ends of one clock tell the same moment."""
    clock = Clock(FACTOR)
    program = tmp_path / "program.py"
    program.write_text("import time; print(time.monotonic(), time.time())")
    before = clock.now()
    done = subprocess.run(clock.words(tmp_path / "journal", program), capture_output=True,
                          text=True, check=True)
    monotonic, wall = map(float, done.stdout.split())
    assert before <= monotonic - clock.epoch <= clock.now()
    assert before <= wall - clock.wall <= clock.now()


def test_the_loop_wakes_in_order_and_not_too_early(tmp_path: Path) -> None:
    """``call_later`` keeps its order, and nothing comes before its time."""
    order = run(tmp_path, """
        import asyncio, json
        async def main():
            loop, order = asyncio.get_running_loop(), []
            began = loop.time()
            for delay in (6000, 2000, 4000):
                loop.call_later(delay, lambda delay=delay: order.append(
                    [delay, loop.time() - began]))
            await asyncio.sleep(8000)
            try:
                await asyncio.wait_for(asyncio.Event().wait(), 2000)
            except asyncio.TimeoutError:
                order.append([10000, loop.time() - began])
            print(json.dumps(order))
        asyncio.run(main())
    """)
    assert [delay for delay, _ in order] == [2000, 4000, 6000, 10000]
    assert all(passed >= delay for delay, passed in order)


def test_threads_wait_as_long_as_they_say(tmp_path: Path) -> None:
    """Events, queues, joins and children give up after their time, an hour here, not before."""
    passed = run(tmp_path, """
        import json, queue, subprocess, threading, time
        def take(wait):
            began = time.monotonic()
            try:
                wait()
            except (queue.Empty, subprocess.TimeoutExpired):
                pass
            return time.monotonic() - began
        still = threading.Thread(target=threading.Event().wait, daemon=True)
        still.start()
        child = subprocess.Popen(['sleep', '600'], stdout=subprocess.PIPE)
        print(json.dumps([
            take(lambda: threading.Event().wait(3600)), take(lambda: queue.Queue().get(timeout=3600)),
            take(lambda: still.join(3600)), take(lambda: child.wait(3600)),
            take(lambda: child.communicate(timeout=3600))]))
        child.kill()
        child.wait()
    """)
    assert all(one >= 3600 for one in passed)


def test_dates_are_dates_still(tmp_path: Path) -> None:
    """What libraries make is an instance of the class that everybody names, and can be
    subtracted from what the clock says."""
    assert run(tmp_path, """
        import datetime, email.utils, json
        made = email.utils.parsedate_to_datetime('Mon, 01 Jan 2024 00:00:00 GMT')
        passed = datetime.datetime.now(datetime.timezone.utc) - made
        print(json.dumps([isinstance(made, datetime.datetime), passed.total_seconds() > 0]))
    """) == [True, True]


def test_the_journal_knows_whom_it_asked(tmp_path: Path) -> None:
    """A connection that is refused is in it, and what it started, in order."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        run(tmp_path, """
            import socket, subprocess, sys
            with socket.socket() as sock:
                print(sock.connect_ex(("127.0.0.1", int(sys.argv[1]))) and 1)
            subprocess.run(["true", "x"])
        """, str(port))
    events = [json.loads(line)[1:] for line in (tmp_path / "journal").read_text().splitlines()]
    assert events == [["socket.connect", ["127.0.0.1", port]],
                      ["subprocess.Popen", ["true", "x"]]]


def test_a_program_that_executes_itself_anew_stays_in_this_world(tmp_path: Path) -> None:
    """The words that Python was started with lead back to the same clock."""
    assert run(tmp_path, """
        import os, sys, time
        if 'again' not in os.environ:
            print(time.monotonic(), flush=True)
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]],
                      {**os.environ, 'again': '1'})
        time.sleep(3600)
        print(len(sys.argv))
    """) == 1

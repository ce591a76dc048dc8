"""Runs one of our commands on a clock that goes faster, and writes down whom it asks.

    python fast.py FACTOR EPOCH WALL JOURNAL run-warrior --config …

All that the process knows of time goes ``FACTOR`` times faster: ``time``, ``datetime.now()``,
the waits of asyncio's loop, ``time.sleep()`` and the time-outs of threads. The command itself
runs unmodified. Programs that it starts (git, rsync, curl), sockets and what is written in C
(the time-out of a bare lock, of SQLite) stay in real time. ``EPOCH`` (of ``time.monotonic()``)
and ``WALL`` (of ``time.time()``) are the moment at which both clocks agree; the monotonic clock
of the machine is one for all its processes, so a test that knows the three numbers reads the
command's clock. A command that executes itself anew does so with the same words, and thus on
the same clock.

Each connection that the process opens, also one that is refused, and each program that it
starts is a line of JSON in ``JOURNAL``: ``[real monotonic time, what, details]``. These come
from Python's own audit events, so nothing of ours is in between.
"""

from __future__ import annotations

import datetime
import functools
import json
import os
import runpy
import selectors
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

#: The clocks of the machine, before anybody changed them.
real_monotonic, real_sleep = time.monotonic, time.sleep
_real_datetime = datetime.datetime


class _AnyDatetime(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _real_datetime)


def install(factor: float, epoch: float, wall: float) -> None:
    """Make this process's clocks run ``factor`` times faster; once, and for good."""
    def monotonic() -> float:
        return epoch + (real_monotonic() - epoch) * factor

    def wall_clock() -> float:
        return wall + (real_monotonic() - epoch) * factor

    replaced: dict[Any, Any] = {
        time.monotonic: monotonic, time.perf_counter: monotonic, time.time: wall_clock,
        time.sleep: lambda seconds: real_sleep(seconds / factor),
    }
    for original, change in ((time.monotonic_ns, monotonic), (time.perf_counter_ns, monotonic),
                             (time.time_ns, wall_clock)):
        replaced[original] = functools.partial(_nanoseconds, change)
    _replace_everywhere(replaced)
    _scale_waits(factor)
    _scale_dates(wall_clock)


def _nanoseconds(clock: Callable[[], float]) -> int:
    return int(clock() * 1e9)


def _replace_everywhere(replaced: dict[Any, Any]) -> None:
    """Also where a module took the function by name (``from time import monotonic``)."""
    by_id = {id(original): new for original, new in replaced.items()}
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if module is sys.modules[__name__] or not isinstance(names, dict):
            continue
        for name, value in list(names.items()):
            if id(value) in by_id:
                names[name] = by_id[id(value)]


def _scale_waits(factor: float) -> None:
    kinds = [kind for kind in vars(selectors).values()
             if isinstance(kind, type) and issubclass(kind, selectors.BaseSelector)]
    for kind in kinds:
        if "select" in vars(kind):
            _scale_argument(kind, "select", factor)
    _scale_argument(threading.Condition, "wait", factor)
    _scale_argument(threading.Thread, "join", factor)


def _scale_argument(kind: type, name: str, factor: float) -> None:
    original = getattr(kind, name)

    @functools.wraps(original)
    def wait(self: Any, timeout: float | None = None) -> Any:
        scaled = timeout / factor if timeout is not None and timeout > 0 else timeout
        return original(self, scaled)

    setattr(kind, name, wait)


def _scale_dates(wall_clock: Callable[[], float]) -> None:
    class FastDatetime(_real_datetime, metaclass=_AnyDatetime):
        """The class that others know as ``datetime.datetime``."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return _real_datetime.fromtimestamp(wall_clock(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.now(datetime.timezone.utc).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    setattr(datetime, "datetime", FastDatetime)  # noqa: B010  (mypy knows it as a class)


def keep_journal(path: str) -> None:
    """Write down from now on what this process connects to and what it starts."""
    journal = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def look(event: str, details: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(details[1], tuple):
            told: Any = [str(details[1][0]), int(details[1][1])]
        elif event == "subprocess.Popen":
            told = [os.fsdecode(word) for word in details[1]]
        else:
            return
        line = json.dumps([real_monotonic(), event, told])
        os.write(journal, line.encode() + b"\n")

    sys.addaudithook(look)


def main() -> None:
    """Become the command that the arguments name."""
    factor, epoch, wall = map(float, sys.argv[1:4])
    journal, program = sys.argv[4:6]
    sys.argv = sys.argv[5:]
    # This folder was put there for us; the command's own is put there by itself.
    sys.path.pop(0)
    install(factor, epoch, wall)
    keep_journal(journal)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()

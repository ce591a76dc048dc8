"""A console with an item that has said much, and waiting for what is to come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from pipeline_core.externalprocess import ExternalProcess
from tests.warrior.web.conftest import MakeConsole, RunningConsole


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def with_a_long_log(make_running: MakeConsole) -> tuple[RunningConsole, str]:
    """A console with an item whose log has the greatest length; the item's id."""
    console = make_running([ExternalProcess("Talk", [
        "sh", "-c", "yes 'a line of some length, again and again' | head -c 3000000; sleep 100"],
        env={"PATH": os.environ["PATH"]})])
    console.start()
    board = console.console._parts.program.board

    def lengths() -> list[int]:
        return [len(log.text()) for log in map(board.logs.get, board.items) if log is not None]

    until(lambda: max(console.on_loop(lengths), default=0) > 200_000)
    return console, next(iter(board.items))

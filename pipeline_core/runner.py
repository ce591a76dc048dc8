"""The runners of the contract: :class:`Runner`, and :class:`SimpleRunner` for plain scripts."""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import re
import subprocess
import sys
import time

from pipeline_core.engine.base_runner import Runner
from pipeline_core.engine.terminal import shown_output
from pipeline_core.engine.worker_thread import this_loop
from pipeline_core.item import Item
from pipeline_core.pipeline import Pipeline

__all__ = [
    "Runner", "SimpleRunner",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]


class SimpleRunner(Runner):
    """A runner for one pipeline; :meth:`start` blocks until it has finished.

    Plain scripts use it: ``SimpleRunner(pipeline).start()``. The output of the items goes to
    standard output.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        stop_file: str | None = None,
        concurrent_items: int = 1,
        max_items: int | None = None,
        keep_data: bool = False,
    ) -> None:
        super().__init__(stop_file, concurrent_items, max_items, keep_data)
        self.set_current_pipeline(pipeline)
        self.on_create_item += self._print_output_of

    def _print_output_of(self, runner: Runner, item: Item) -> None:
        item.on_output += _print

    def start(self) -> None:
        from tornado.ioloop import IOLoop

        this_loop()
        loop = IOLoop.current()
        self.on_finish += lambda runner: loop.stop()
        loop.add_callback(super().start)
        loop.start()


def _print(item: Item, data: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    # A closed standard output never fails an item.
    with contextlib.suppress(OSError, ValueError):
        text = shown_output(data, str(item.get("item_name", "")))
        print(text.encode(encoding, "replace").decode(encoding), end="", flush=True)

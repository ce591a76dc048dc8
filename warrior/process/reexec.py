"""Re-executes run-pipeline with the same arguments, environment and working directory."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from warrior.process import exits

if TYPE_CHECKING:
    from pipeline_core.runner import Runner

#: Tells the re-executed process that it follows an update.
_AFTER_UPDATE = "RUN_PIPELINE_AFTER_UPDATE"


class Reexec:
    """Make it at the start, before anything changes the process.

    ``environment`` is that of the start, also with what has been removed from ``os.environ`` since
    (the page's password).
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {
            name: value for name, value in environment.items() if name != _AFTER_UPDATE}
        self.after_update = _AFTER_UPDATE in environment
        os.environ.pop(_AFTER_UPDATE, None)
        self.wanted = False
        self._folder = os.getcwd()
        self._arguments = sys.orig_argv[1:]

    def want(self, runner: Runner, max_items: int | None) -> None:
        """Re-execute at the end, with ``max_items`` less the items that this process has done."""
        self.wanted = True
        if max_items is not None:
            done = runner.counts["completed"] + runner.counts["failed"]
            self._arguments = with_max_items(self._arguments, max(1, max_items - done))

    def execute(self) -> int:
        """Replace the process. Returns only if that fails, with an exit status."""
        try:
            # A project may have changed the working directory of the process, if threads cannot
            # have their own.
            os.chdir(self._folder)
            os.execve(sys.executable, [sys.executable, *self._arguments],
                      {**self.environment, _AFTER_UPDATE: "1"})
        except OSError as error:
            logging.error("Restarting failed: %s. Start it again by hand.",
                          error.strerror or error)
        return exits.NOT_LOADED


def with_max_items(arguments: list[str], number: int) -> list[str]:
    """The arguments with another number after ``--max-items``."""
    result = list(arguments)
    for position, word in enumerate(result):
        if word == "--":
            break
        if word == "--max-items" and position + 1 < len(result):
            result[position + 1] = str(number)
        elif word.startswith("--max-items="):
            result[position] = f"--max-items={number}"
    return result

"""run-pipeline restarts itself with the same arguments, environment and working directory."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from warrior.process import exits

if TYPE_CHECKING:
    from pipeline_core.runner import Runner

#: Says to the process that is executed anew that it is so after an update.
_AFTER_UPDATE = "RUN_PIPELINE_AFTER_UPDATE"


class Reexec:
    """Made at the start, before anything changes the process.

    ``environment`` is what the process was started with, with what was taken out of
    ``os.environ`` since (the page's password).
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
        """Do so at the end. Of ``max_items`` those are left that this process has not done."""
        self.wanted = True
        if max_items is not None:
            done = runner.counts["completed"] + runner.counts["failed"]
            self._arguments = with_max_items(self._arguments, max(1, max_items - done))

    def execute(self) -> int:
        """Replaces the process, so it returns only (with an exit status) when that fails."""
        try:
            # Where threads cannot have a working directory of their own, a project may have
            # changed that of the process.
            os.chdir(self._folder)
            os.execve(sys.executable, [sys.executable, *self._arguments],
                      {**self.environment, _AFTER_UPDATE: "1"})
        except OSError as error:
            logging.error("Restarting has failed: %s. Start it again by hand.",
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

"""Whether processes live. One that has ended and that nobody has waited for yet does not.

Such zombies stay for ever where the first process of a container does not reap what is
orphaned, so no test waits for a process to vanish.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import psutil


def lives(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return runs(psutil.Process(pid))
    return False


def runs(process: psutil.Process) -> bool:
    """The same of a process that was looked at before, whoever has its number now."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() not in (
            psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    return False


def living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those of them that run."""
    return [process for process in processes if runs(process)]

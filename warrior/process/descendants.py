"""Ends processes that project code has started and left running."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

#: A program may start others in its last moment, so look again this many times.
ROUNDS = 3


def end_descendants(grace: float = 1.0) -> list[str]:
    """End all descendants of this process; their names, '?' if unknown.

    Sends TERM, and KILL after ``grace`` seconds. Blocks that long: call it at the end of a run.
    """
    import psutil  # slow, and not needed before the end

    names: dict[int, str] = {}
    for _ in range(ROUNDS):
        left = _living()
        if not left:
            break
        for process in left:
            names.setdefault(process.pid, "?")
            with contextlib.suppress(psutil.Error):
                names[process.pid] = process.name()
                process.terminate()
        _, stubborn = psutil.wait_procs(left, timeout=grace)
        if stubborn:
            _kill(stubborn)
    return list(names.values())


def _living() -> list[psutil.Process]:
    import psutil

    living = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
    return living


def _kill(stubborn: list[psutil.Process]) -> None:
    """Kill them with all their children. They are stopped first, so that they start no more."""
    import psutil

    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.suspend()
    doomed = _living()
    for process in doomed:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(doomed, timeout=1.0)

"""Process groups: signals for all of one, and whether one still lives."""

from __future__ import annotations

import contextlib
import os


def signal_group(group: int, number: int) -> None:
    """Send a signal to every process of the group; nothing happens when there is none."""
    # Gone already, or (on macOS) only a zombie is left of it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_lives(group: int) -> bool:
    """Whether a process is left in the group that still runs; its leader has been reaped.

    Zombies do not count. They keep the group in existence until their parent asks for their
    exit status, and that may be a PID 1 that never asks: the entry point of a container. Where
    we are that PID 1 ourselves, they are asked for it here.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        with open("/proc/self/stat", "rb") as file:
            own = int(file.read().split()[0])
        processes = [name for name in os.listdir("/proc") if name.isdecimal()]
    except (OSError, ValueError):
        return True  # a system without /proc: the group is there, more is not known
    if own != os.getpid():
        return True  # the numbers in /proc are those of another namespace
    # All of them are looked at: each zombie has to go.
    return not processes or any([_runs_in(group, process) for process in processes])


def _runs_in(group: int, process: str) -> bool:
    """Whether the process belongs to the group and is no zombie."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name before these, in parentheses, may hold anything.
            state, parent, its_group = file.read().rpartition(b")")[2].split()[:3]
    except (OSError, ValueError):
        return False  # it has gone meanwhile
    if int(its_group) != group:
        return False
    if state == b"Z" and int(parent) == os.getpid():
        # Only the leader was started by us, so this one was given to us by the kernel.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(int(process), os.WNOHANG)
    return state not in (b"Z", b"X", b"x")

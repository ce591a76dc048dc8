"""Process groups: signal every process of a group, and tell whether a group still runs."""

from __future__ import annotations

import contextlib
import os


def signal_group(group: int, number: int) -> None:
    """Send a signal to every process of the group. Do nothing when the group is gone."""
    # The group is gone, or (on macOS) consists of zombies only.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_lives(group: int) -> bool:
    """Return whether any process of the group still runs. The leader has been reaped already.

    Zombies do not count. They keep the group in existence until their parent reads their exit
    status, and in a container that parent may be an entry point (PID 1) that never does. When
    this process is PID 1, it reaps them here.
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
        return True  # a system without /proc: the group exists, and nothing more is known
    if own != os.getpid():
        return True  # the process ids in /proc are those of another namespace
    # A list, not a generator: every process is checked, so that each zombie is reaped.
    return not processes or any([_runs_in(group, process) for process in processes])


def _runs_in(group: int, process: str) -> bool:
    """Return whether the process belongs to the group and is not a zombie."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The process name before these fields, in parentheses, may hold any character.
            state, parent, its_group = file.read().rpartition(b")")[2].split()[:3]
    except (OSError, ValueError):
        return False  # the process has ended meanwhile
    if int(its_group) != group:
        return False
    if state == b"Z" and int(parent) == os.getpid():
        # The toolkit starts only group leaders, so the kernel made this process our child.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(int(process), os.WNOHANG)
    return state not in (b"Z", b"X", b"x")

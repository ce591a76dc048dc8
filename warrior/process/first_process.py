"""The duties of PID 1, for a command that is the entry point of a container.

PID 1 inherits every process whose parent has ended, and has to collect its exit status; otherwise
a day of crawling leaves thousands of zombies. A program with children of its own cannot do that: it
would also take the statuses that its own code waits for. So PID 1 does nothing else, and the
program runs as its child.
"""

from __future__ import annotations

import contextlib
import os
import signal

#: Signals that are not passed on: faults of the process itself, and those that a terminal sends to
#: background processes.
_OWN = frozenset({
    signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS,
    signal.SIGTRAP, signal.SIGTTIN, signal.SIGTTOU})


def leave_first_process() -> None:
    """If this process is PID 1, continue in a child.

    PID 1 itself passes on all signals, collects exit statuses, and ends when the child does, with
    its exit status (128 plus the number of a signal). Call this before any thread starts.
    """
    if os.getpid() != 1:
        return
    passed_on = signal.valid_signals() - _OWN
    before = signal.pthread_sigmask(signal.SIG_BLOCK, passed_on | {signal.SIGTTOU})
    child = os.fork()
    if child != 0:
        os._exit(_look_after(child, passed_on))
    # A Ctrl-C must arrive once: from the terminal, which sends it only to the foreground, and not
    # also from PID 1.
    os.setpgid(0, 0)
    with contextlib.suppress(OSError):  # there is no terminal
        os.tcsetpgrp(0, os.getpgrp())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _look_after(child: int, passed_on: set[signal.Signals]) -> int:
    while True:
        number = signal.sigwait(passed_on)
        if number == signal.SIGCHLD:
            status = _collect(child)
            if status is not None:
                return status
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)


def _collect(child: int) -> int | None:
    """Collect the statuses of all ended processes; the child's, if it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, raw = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(raw)
                status = code if code >= 0 else 128 - code
    return status

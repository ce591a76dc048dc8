"""What PID 1 has to do, where a command is the entry point of a container.

The kernel gives every process whose parent has ended to PID 1, which has to ask for its exit
status; else it stays a zombie, and a day of crawling leaves thousands. A program that starts
others cannot do that beside its own work: asking for any child's status would take those that
its own code waits for. So PID 1 does nothing else, and the program is its child.
"""

from __future__ import annotations

import contextlib
import os
import signal

#: Faults of the process itself; and what a terminal sends to who is not in its foreground.
_OWN = frozenset({
    signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS,
    signal.SIGTRAP, signal.SIGTTIN, signal.SIGTTOU})


def leave_first_process() -> None:
    """As PID 1: go on in a child. Else nothing happens.

    PID 1 itself stays behind: it hands on all signals, collects what the kernel gives it, and
    ends when the child does, with its exit status (128 and more for a signal). Call this before
    there are threads.
    """
    if os.getpid() != 1:
        return
    handed_on = signal.valid_signals() - _OWN
    before = signal.pthread_sigmask(signal.SIG_BLOCK, handed_on | {signal.SIGTTOU})
    child = os.fork()
    if child != 0:
        os._exit(_look_after(child, handed_on))
    # A Ctrl-C of the terminal reaches the foreground alone: not twice, here and by way of PID 1.
    os.setpgid(0, 0)
    with contextlib.suppress(OSError):  # there is no terminal
        os.tcsetpgrp(0, os.getpgrp())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _look_after(child: int, handed_on: set[signal.Signals]) -> int:
    while True:
        number = signal.sigwait(handed_on)
        if number == signal.SIGCHLD:
            status = _collect(child)
            if status is not None:
                return status
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)


def _collect(child: int) -> int | None:
    """Ask for the status of all that have ended; the child's, if it is among them."""
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

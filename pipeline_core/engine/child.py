"""One child process: start it, read its output, feed its input, and end its process group."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline_core.engine.child_input import ChildInput
from pipeline_core.engine.process_groups import group_lives, signal_group

#: The most bytes read at once. The pipe is made as large where the system allows it.
READ_SIZE = 1 << 18
_F_SETPIPE_SZ = 1031

#: Seconds after the child's exit at which its output counts as complete: a background process
#: may hold the pipe open for ever.
DRAIN_TIME = 2.0

#: Seconds between two checks of a group whose first process has ended: the first interval, and
#: the longest that it grows to.
GROUP_INTERVAL, LONGEST_GROUP_INTERVAL = 0.05, 2.0

#: Errors that are temporary (no memory, no free process): the step is tried again later.
RESOURCE_ERRORS = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})

# Reads "+ GROUP" and "- GROUP". The pipe closes when this process ends, however that happens;
# then the reaper kills the groups that are left.
_REAPER = """
trap '' HUP INT TERM
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups=${groups%" $group "*}' '${groups#*" $group "} ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null
"""


class Children:
    """The children of this process, and a reaper that kills them if this process dies."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._groups: set[int] = set()
        self._reaper: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Start the reaper, before the first child is started. Raises OSError."""
        if self._reaper is None:
            self._reaper = subprocess.Popen(
                ["/bin/sh", "-c", _REAPER], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, bufsize=0, cwd="/", env={}, start_new_session=True)

    def add(self, group: int) -> None:
        self._groups.add(group)
        self._tell(b"+ %d\n" % group)

    def remove(self, group: int) -> None:
        if group in self._groups:
            self._groups.discard(group)
            if self._reaper is not None:
                self._tell(b"- %d\n" % group)

    def kill_all(self) -> None:
        """Kill every group at once. For the end of the process."""
        for group in list(self._groups):
            signal_group(group, signal.SIGKILL)

    def close(self) -> None:
        """Close the pipe to the reaper, which kills the groups that are left and ends."""
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None

    def _tell(self, line: bytes) -> None:
        if self._reaper is None:
            self.prepare()
        assert self._reaper is not None and self._reaper.stdin is not None
        try:
            self._reaper.stdin.write(line)
        except BrokenPipeError:
            # The reaper was killed: start a new one, and tell it about all groups.
            self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None
            for group in self._groups:
                self._tell(b"+ %d\n" % group)


class Child:
    """A process in its own process group; standard output and error are one stream.

    ``on_output(data: bytes)`` gets the output as it arrives. ``on_end(returncode)`` follows the
    last output, ``on_gone()`` the end of the whole group. All three are called on the loop.
    :meth:`start` may run on any thread, all other methods only on the loop.
    """

    def __init__(
        self,
        children: Children,
        args: Sequence[str | bytes],
        *,
        env: Mapping[str, str] | None,
        cwd: str | None,
        on_output: Callable[[bytes], Any],
        on_end: Callable[[int], Any],
        on_gone: Callable[[], Any] | None = None,
        stdin_data: bytes | None = None,
        new_session: bool = False,
    ) -> None:
        """``stdin_data=None`` leaves standard input open for :meth:`write`.

        A ``new_session`` has no terminal, so no program in it can ask for a password.
        """
        self._children = children
        self._loop = children.loop
        self._args = args
        self._env = env
        self._cwd = cwd
        self._on_output = on_output
        self._on_end = on_end
        self._on_gone = on_gone
        self._input = ChildInput(stdin_data)
        self._new_session = new_session
        self._paused_by: set[object] = set()
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self.returncode: int | None = None
        self._out = -1
        self._pidfd = -1
        self._ended = False
        self._gone = False
        self._kill_timer: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Future[None]] = []

    # -- the start -------------------------------------------------------------
    def start(self) -> None:
        """Start the program. Raises OSError or ValueError (a NUL in an argument)."""
        self._children.prepare()
        self._out, write_end = os.pipe()
        try:
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._out, _F_SETPIPE_SZ, READ_SIZE)
            own_group: dict[str, Any] = (
                {"process_group": 0} if sys.version_info >= (3, 11) and not self._new_session
                else {"start_new_session": True})
            self.process = subprocess.Popen(
                self._args, env=self._env, cwd=self._cwd, bufsize=0, stdin=self._input.open(),
                stdout=write_end, stderr=write_end, **own_group)
        except BaseException:
            os.close(self._out)
            self._input.settle()
            raise
        finally:
            os.close(write_end)
        self.pid = self.process.pid

    def attach(self) -> None:
        """Start to read, feed and watch the process. On the loop."""
        assert self.process is not None
        self._children.add(self.pid)
        os.set_blocking(self._out, False)
        self._loop.add_reader(self._out, self._readable)
        self._input.attach(self._loop, self.process)
        try:
            self._pidfd = os.pidfd_open(self.pid)
            self._loop.add_reader(self._pidfd, self._exited)
        except (AttributeError, OSError):
            self._loop.run_in_executor(None, self.process.wait).add_done_callback(
                lambda _: self._exited())

    # -- its output ----------------------------------------------------------
    def _readable(self) -> None:
        try:
            data = os.read(self._out, READ_SIZE)
        except BlockingIOError:
            return
        if data:
            self._on_output(data)
        else:
            self._close_output()

    def _close_output(self) -> None:
        if self._out >= 0:
            self._loop.remove_reader(self._out)
            os.close(self._out)
            self._out = -1
        self._maybe_end()

    def pause(self, why: object) -> None:
        """Stop reading, because ``why`` cannot take more; call ``resume`` with the same object."""
        if self._out >= 0 and not self._paused_by:
            self._loop.remove_reader(self._out)
        self._paused_by.add(why)

    @property
    def is_paused(self) -> bool:
        """Whether reading its output is paused."""
        return bool(self._paused_by)

    def resume(self, why: object) -> None:
        if why in self._paused_by:
            self._paused_by.discard(why)
            if self._out >= 0 and not self._paused_by:
                self._loop.add_reader(self._out, self._readable)

    # -- its input -----------------------------------------------------------
    def write(self, data: bytes) -> None:
        """Give the process more input. Never blocks."""
        self._input.write(data)

    def close_stdin(self) -> None:
        self._input.close()

    @property
    def unread_input(self) -> int:
        """Bytes of ``stdin_data`` that the process has not read; known when it has ended."""
        return self._input.unread

    # -- its end -------------------------------------------------------------
    def _exited(self) -> None:
        assert self.process is not None
        self.returncode = self.process.wait()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self._input.child_exited()
        self._look_at_group(GROUP_INTERVAL)
        if self._out >= 0:
            self._loop.call_later(DRAIN_TIME, self._drained)
        self._maybe_end()

    def _drained(self) -> None:
        if self._paused_by and self._out >= 0 and not self._ended:
            self._loop.call_later(DRAIN_TIME, self._drained)
        else:
            self._close_output()

    def _maybe_end(self) -> None:
        if self._out < 0 and self.returncode is not None and not self._ended:
            self._ended = True
            self._input.settle()
            self._on_end(self.returncode)
            self._maybe_gone()

    def _look_at_group(self, step: float) -> None:
        """Check repeatedly whether background processes of the group are left: once the group
        is gone, its number may be given to another group."""
        if self._gone or self._kill_timer is not None:
            return
        if not group_lives(self.pid):
            self._group_gone()
        else:
            self._loop.call_later(
                step, self._look_at_group, min(2 * step, LONGEST_GROUP_INTERVAL))

    def _group_gone(self) -> None:
        if not self._gone:
            self._gone = True
            self._children.remove(self.pid)
            if self._kill_timer is not None:
                self._kill_timer.cancel()
            self._maybe_gone()

    def _maybe_gone(self) -> None:
        if not (self._gone and self._ended):
            return
        if self._on_gone is not None:
            self._on_gone()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def gone(self) -> None:
        """Wait until the last output has arrived and no process of the group is left."""
        if not (self._gone and self._ended):
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    # -- ending it -------------------------------------------------------------
    def stop(self, kill_after: float) -> None:
        """End the group: TERM now, KILL after ``kill_after`` seconds."""
        # Reading continues even if the group is gone, so that the rest of the output arrives.
        for one in list(self._paused_by):
            self.resume(one)
        if self._gone or not self.pid:
            return
        if kill_after > 0:
            signal_group(self.pid, signal.SIGTERM)
            # A stopped process must be continued to receive the signal.
            signal_group(self.pid, signal.SIGCONT)
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._kill_timer = self._loop.call_later(0.02, self._watch_group, kill_after, 0.02)

    def _watch_group(self, left: float, step: float) -> None:
        if self._gone:
            return
        if left <= 0:
            signal_group(self.pid, signal.SIGKILL)
        if self.returncode is not None and not group_lives(self.pid):
            self._group_gone()
            return
        step = min(step * 2, 0.25)
        self._kill_timer = self._loop.call_later(
            min(step, max(left, 0.02)), self._watch_group, left - step, step)

"""Process groups of real processes, with zombies in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from pipeline_core.engine.process_groups import group_lives, signal_group
from tests.support.kit import wait_for

#: A parent that gets the orphans, as PID 1 does, and never asks how they have ended. The one
#: process that its child leaves in its group ends with the standard input.
NEGLIGENT = """
import ctypes, signal, subprocess
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1) == 0
leader = subprocess.Popen(['sh', '-c', 'exec 3<&0; cat <&3 >/dev/null & echo $$ $!'],
                          start_new_session=True)
leader.wait()
signal.pause()
"""


@pytest.fixture
def group() -> Iterator[tuple[int, psutil.Process, subprocess.Popen[str]]]:
    """A group, the one process in it, and the parent that neglects it."""
    parent = subprocess.Popen([sys.executable, "-c", NEGLIGENT], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    assert parent.stdin is not None and parent.stdout is not None
    with parent:
        try:
            leader, member = map(int, parent.stdout.readline().split())
            wait_for(lambda: not psutil.pid_exists(leader), what="the leader's end")
            yield leader, psutil.Process(member), parent
        finally:
            parent.kill()


def test_a_group_of_zombies_does_not_live(
    group: tuple[int, psutil.Process, subprocess.Popen[str]]
) -> None:
    """It lives while a process of it runs, stopped or not; not when only a zombie is left,
    although the system still knows the group."""
    number, member, parent = group
    assert group_lives(number)
    assert parent.stdin is not None
    parent.stdin.close()
    wait_for(lambda: member.status() == psutil.STATUS_ZOMBIE, what="a zombie")
    os.killpg(number, 0)
    assert not group_lives(number)


def test_a_stopped_process_lives(
    group: tuple[int, psutil.Process, subprocess.Popen[str]]
) -> None:
    """Who has been stopped is no zombie; and a signal reaches the whole group."""
    number, member, _ = group
    signal_group(number, 19)
    wait_for(lambda: member.status() == psutil.STATUS_STOPPED, what="a stopped process")
    assert group_lives(number)
    signal_group(number, 9)
    wait_for(lambda: member.status() == psutil.STATUS_ZOMBIE, what="a zombie")
    assert not group_lives(number)


def test_a_group_that_is_not_there() -> None:
    """It does not live, and a signal to it is nothing."""
    ended = subprocess.Popen(["true"], start_new_session=True)
    ended.wait()
    assert not group_lives(ended.pid)
    signal_group(ended.pid, 9)

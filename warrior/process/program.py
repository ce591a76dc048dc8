"""Runs programs of the warrior with a time limit: git, and the installers of projects."""

from __future__ import annotations

import asyncio
import codecs
import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

from pipeline_core.engine.child import Child, Children
from warrior.process.item_log import ItemLog
from warrior.process.threads import uninterrupted

#: Seconds between TERM and KILL for a program's process group.
PROGRAM_KILL_DELAY = 5.0
#: Bytes of memory for the end of a program's output.
KEPT = 256 * 1024

#: Names of environment variables that programs of projects must not see.
_SECRET = re.compile(
    r"(HTTP_USERNAME|HTTP_PASSWORD|WARRIOR_.*|.*_(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)"
    r"|NOTIFY_SOCKET|WATCHDOG_(PID|USEC)|LISTEN_(FDS|FDNAMES|PID)|CREDENTIALS_DIRECTORY)",
    re.IGNORECASE)
#: Git's variables about how this machine reaches others. All other variables of git are removed:
#: they name a repository, a program that asks, or what is allowed.
_GIT_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_EXEC_PATH",
             "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
             "GIT_PROXY_COMMAND", "GIT_PROXY_SSL_CAINFO")
#: With these, ssh would open a window to ask for a password.
_ASKING = ("SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY")
#: Neither git nor ssh may ask for a password, a name or a host's key.
_NO_QUESTIONS = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never"}
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=30"


@dataclasses.dataclass(frozen=True)
class ProgramResult:
    """How a program ended: ``returncode`` (negative: a signal), and the end of its output."""

    returncode: int
    output: str
    timed_out: bool


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without secrets and git's own variables, in which no program asks."""
    clean = {
        name: value for name, value in environment.items()
        if not _SECRET.fullmatch(name) and name not in _ASKING
        and (not name.startswith("GIT_") or name in _GIT_KEPT)}
    clean.update(_NO_QUESTIONS)
    if "GIT_SSH" not in clean:
        clean.setdefault("GIT_SSH_COMMAND", _SSH)
    return clean


async def run_program(
    children: Children,
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    timeout: float,
    on_output: Callable[[str], object] | None = None,
) -> ProgramResult:
    """Run a program in a new session, without input; wait until its process group is gone.

    Ends the group after ``timeout`` seconds, and if the call is cancelled. ``on_output`` gets the
    text of standard output and standard error as it comes. Raises OSError if the program cannot be
    started.
    """
    log = ItemLog(KEPT)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    gone = asyncio.Event()

    def take(data: bytes, final: bool = False) -> None:
        text = decoder.decode(data, final)
        if text:
            log.append(text)
            if on_output is not None:
                on_output(text)

    def end(returncode: int) -> None:
        take(b"", final=True)
        ended.set_result(returncode)

    child = Child(
        children, args, env=env, cwd=cwd, on_output=take, on_end=end, on_gone=gone.set,
        stdin_data=b"", new_session=True)
    child.start()
    child.attach()
    try:
        await asyncio.wait([ended], timeout=timeout)
        timed_out = not ended.done()
    finally:
        # End the program if it still runs, and whatever it has left running.
        child.stop(PROGRAM_KILL_DELAY)
        await uninterrupted(gone.wait())
    return ProgramResult(ended.result(), log.text(), timed_out)

"""Programs that the warrior itself runs, with a time limit: git, and the installers of projects."""

from __future__ import annotations

import asyncio
import codecs
import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

from pipeline_core.engine.child import Child, Children
from warrior.process.item_log import ItemLog
from warrior.process.threads import uninterrupted

#: Seconds between the polite end of a program's group and the hard one.
KILL_AFTER = 5.0
#: Bytes of memory for what is kept of a program's output: the last of it.
KEPT = 256 * 1024

#: Names in the environment that may hold what no program of a project should see.
_SECRET = re.compile(
    r"(HTTP_USERNAME|HTTP_PASSWORD|WARRIOR_.*|.*_(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)"
    r"|NOTIFY_SOCKET|WATCHDOG_(PID|USEC)|LISTEN_(FDS|FDNAMES|PID)|CREDENTIALS_DIRECTORY)",
    re.IGNORECASE)
#: What git reads to find a repository, to ask, or to be told what is allowed. The rest
#: (GIT_SSH_COMMAND, GIT_SSL_CAINFO …) says how this machine reaches others.
_GIT_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_EXEC_PATH",
             "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
             "GIT_PROXY_COMMAND", "GIT_PROXY_SSL_CAINFO")
#: With these ssh would open a window to ask for a password.
_ASKING = ("SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY")
#: Nothing is asked: not by git, not by ssh, not for a password, a name or a host's key.
_NO_QUESTIONS = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never"}
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=30"


@dataclasses.dataclass(frozen=True)
class ProgramResult:
    """How a program ended: ``returncode`` (negative: the signal), the last of its output."""

    returncode: int
    output: str
    timed_out: bool


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without secrets and without git's own variables; nothing asks in it."""
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
    """Run a program in a session of its own, without input; wait until its group is gone.

    After ``timeout`` seconds, and when the waiting is cancelled, the whole group is
    ended. ``on_output`` gets the text of both outputs as it comes. Raises OSError when
    the program cannot be started.
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
        # The program, if it still runs, and what it has left running behind itself.
        child.stop(KILL_AFTER)
        await uninterrupted(gone.wait())
    return ProgramResult(ended.result(), log.text(), timed_out)

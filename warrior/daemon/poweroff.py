"""Switches the machine off or restarts it: what ``--real-shutdown`` allows.

A container cannot do so itself: its host looks for a file in /tmp and does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import os
import shutil
import signal
from collections.abc import Mapping

from warrior.daemon.notify import runs_as_service

#: Seconds that a program gets to pass the order on.
TIMEOUT = 30.0
#: Where the hosts of containers look.
MARKER_FOLDER = "/tmp"
#: Not on the path of everybody, but where these programs are.
_ADMIN_FOLDERS = ("/usr/sbin", "/sbin")
#: Characters of what a program printed that are shown.
_OUTPUT_SHOWN = 500


class PowerOffError(Exception):
    """The machine stays as it is; ``str()`` says why and what to do."""


class Order(enum.Enum):
    """What is to become of the machine."""

    POWER_OFF = "poweroff"
    REBOOT = "reboot"

    @property
    def words(self) -> str:
        return "switched off" if self is Order.POWER_OFF else "restarted"


def refusal(environment: Mapping[str, str]) -> str:
    """Why this process may not switch the machine off, in a sentence; '' when it may."""
    if not runs_as_service(environment):
        return ""
    return ("A warrior that systemd runs cannot switch the machine off, because its service may "
            "not gain privileges. Remove real_shutdown from its configuration, and use: sudo "
            "systemctl poweroff")


async def give_order(
    order: Order, environment: Mapping[str, str], *, marker_folder: str = MARKER_FOLDER,
    search_path: str | None = None, timeout: float = TIMEOUT,
) -> str:
    """Leave a note for the host of a container, then try the machine's own programs.

    Returns what was done, as a sentence. Raises PowerOffError when nothing of it worked, and
    under systemd (``environment`` is the one that this process was started with).
    ``search_path`` are the folders of the programs, as in PATH.
    """
    refused = refusal(environment)
    if refused:
        raise PowerOffError(refused)
    marker = os.path.join(marker_folder, f"warrior_{order.value}_required")
    troubles = []
    try:
        _touch(marker)
    except OSError as error:
        marker = ""
        troubles.append(f"{error.filename}: {error.strerror}")
    if search_path is None:
        search_path = os.pathsep.join((environment.get("PATH", os.defpath), *_ADMIN_FOLDERS))
    for command in _commands(order, search_path):
        tried = await _run(command, environment, timeout)
        if not tried.trouble:
            return f"The machine is being {order.words} ({tried.words})."
        troubles.append(f"{tried.words}: {tried.trouble}")
    said = "; ".join(troubles) or "there is no program for it"
    if marker:
        return (f"The machine will be {order.words} by its host, which looks for {marker}. "
                f"It could not be done from here: {said}.")
    raise PowerOffError(f"The machine could not be {order.words}: {said}. Do it yourself, or allow "
                        f"this user to run {order.value} with sudo without a password.")


def _touch(path: str) -> None:
    """Make an empty file, or leave the one that is there; never follows a link out of /tmp."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))


def _commands(order: Order, search_path: str) -> list[list[str]]:
    """What there is on this machine to do it, the best first, with whole paths."""
    found = {name: shutil.which(name, path=search_path)
             for name in ("sudo", order.value, "shutdown")}
    wanted = ([order.value], ["shutdown", "-h" if order is Order.POWER_OFF else "-r", "now"])
    sudo = found["sudo"]
    commands = []
    if sudo is not None and os.geteuid() != 0:
        commands += [[sudo, "-n", *command] for command in wanted]
    for name, *arguments in wanted:
        path = found[name]
        if path is not None:
            commands.append([path, *arguments])
    return commands


@dataclasses.dataclass(frozen=True)
class _Tried:
    """One command, in words, and why it did not work ('' when it did)."""

    words: str
    trouble: str


async def _run(command: list[str], environment: Mapping[str, str], timeout: float) -> _Tried:
    words = " ".join([os.path.basename(command[0]), *command[1:]])
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=dict(environment), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True)
    except OSError as error:
        return _Tried(words, error.strerror or str(error))
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout)
    except asyncio.TimeoutError:
        with contextlib.suppress(OSError, asyncio.TimeoutError):  # it may run as root
            os.killpg(process.pid, signal.SIGKILL)
            await asyncio.wait_for(process.wait(), 1.0)
        return _Tried(words, f"it had not ended after {timeout:g} seconds")
    if process.returncode == 0:
        return _Tried(words, "")
    text = " ".join(output.decode("utf-8", "replace").split())[-_OUTPUT_SHOWN:].rstrip(".")
    return _Tried(words, text or f"it ended with status {process.returncode}")

"""Switches the machine off or restarts it, for ``--real-shutdown``.

A container cannot do that itself: its host watches for a file in /tmp.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import shutil
import signal
from collections.abc import Mapping

from warrior.daemon.notify import runs_as_service

#: Seconds that a program may take.
TIMEOUT = 30.0
#: Where the hosts of containers look for the file.
MARKER_FOLDER = "/tmp"
#: Folders of these programs that are not on every user's path.
_ADMIN_FOLDERS = ("/usr/sbin", "/sbin")
#: The most characters of a program's output that are shown.
_OUTPUT_SHOWN = 500


class PowerOffError(Exception):
    """The machine could not be switched off; ``str()`` says why and what to do."""


class Order(enum.Enum):
    """What to do with the machine."""

    POWER_OFF = "poweroff"
    REBOOT = "reboot"

    @property
    def words(self) -> str:
        return "switched off" if self is Order.POWER_OFF else "restarted"


def refusal(environment: Mapping[str, str]) -> str:
    """Return a sentence that says why this process may not switch the machine off; '' if it may."""
    if not runs_as_service(environment):
        return ""
    return ("A warrior that systemd runs cannot switch the machine off, because its service may "
            "not gain privileges. Remove real_shutdown from its configuration, and use: sudo "
            "systemctl poweroff")


async def give_order(
    order: Order, environment: Mapping[str, str], *, marker_folder: str = MARKER_FOLDER,
    search_path: str | None = None, timeout: float = TIMEOUT,
) -> str:
    """Create the file for the host of a container, then try the machine's own programs.

    Return a sentence that says what was done. Raises PowerOffError if nothing worked, and under
    systemd. ``environment`` is the one that this process was started with; ``search_path`` has the
    folders of the programs, as in PATH; ``timeout`` is in seconds.
    """
    refused = refusal(environment)
    if refused:
        raise PowerOffError(refused)
    marker = os.path.join(marker_folder, f"warrior_{order.value}_required")
    errors = []
    try:
        # An existing file may stay; O_EXCL never follows a link out of /tmp.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    except OSError as error:
        marker = ""
        errors.append(f"{error.filename}: {error.strerror}")
    if search_path is None:
        search_path = os.pathsep.join((environment.get("PATH", os.defpath), *_ADMIN_FOLDERS))
    for command in _commands(order, search_path):
        words = " ".join([os.path.basename(command[0]), *command[1:]])
        failure = await _run(command, environment, timeout)
        if not failure:
            return f"The machine is being {order.words} ({words})."
        errors.append(f"{words}: {failure}")
    reasons = "; ".join(errors) or "there is no program for it"
    if marker:
        return (f"The machine will be {order.words} by its host, which watches for {marker}. "
                f"It could not be done from here: {reasons}.")
    raise PowerOffError(f"The machine could not be {order.words}: {reasons}. Do it yourself, or "
                        f"allow this user to run {order.value} with sudo without a password.")


def _commands(order: Order, search_path: str) -> list[list[str]]:
    """Return the commands that this machine has for it, the best first, with full paths."""
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


async def _run(command: list[str], environment: Mapping[str, str], timeout: float) -> str:
    """Run a command; return why it failed, '' if it did not."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=dict(environment), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True)
    except OSError as error:
        return error.strerror or str(error)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout)
    except asyncio.TimeoutError:
        with contextlib.suppress(OSError, asyncio.TimeoutError):  # it may run as root
            os.killpg(process.pid, signal.SIGKILL)
            await asyncio.wait_for(process.wait(), 1.0)
        return f"it had not ended after {timeout:g} seconds"
    if process.returncode == 0:
        return ""
    text = " ".join(output.decode("utf-8", "replace").split())[-_OUTPUT_SHOWN:].rstrip(".")
    return text or f"it ended with status {process.returncode}"

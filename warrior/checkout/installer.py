"""Runs ``warrior-install.sh``, a project's own installer, before the project's code is loaded."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shlex
import signal
from collections.abc import Callable, Mapping

from pipeline_core.engine.child import RESOURCE_ERRORS, Children
from pipeline_core.engine.files import write_whole
from warrior.checkout.versions import AGAIN, CheckoutError
from warrior.process.program import ProgramResult, clean_environment, run_program
from warrior.process.threads import in_thread

INSTALLER = "warrior-install.sh"

#: Characters of the output that an error carries.
_TAIL = 16_384
#: How often a busy file is tried again: somebody may have just written it.
_BUSY_TRIES = 20

_RUN_ANYWAY = 'If the project works without it, choose "run anyway" on its card.'


async def install(
    children: Children,
    folder: str,
    *,
    python: str,
    wrappers: str,
    environment: Mapping[str, str],
    timeout: float,
    on_output: Callable[[str], object],
) -> None:
    """Run the installer in the folder of a version, if it has one.

    Its first line names its interpreter. ``python`` is what ``python3`` means to it, if needed by
    small scripts in the folder ``wrappers``. Raises CheckoutError if it fails or takes longer than
    ``timeout`` seconds, OSError for errors of the disk.
    """
    path = os.path.join(folder, INSTALLER)
    if not await in_thread(_make_executable, path):
        return
    before = await in_thread(python_first, python, wrappers)
    env = clean_environment(environment)
    env["PATH"] = os.pathsep.join([*before, env.get("PATH") or os.defpath])
    # A copied folder is not a repository, and a repository around it is not the project's.
    env["GIT_CEILING_DIRECTORIES"] = os.path.dirname(folder)
    on_output(f"Running {INSTALLER}.\n")
    ended = await _run(children, path, env, timeout, on_output)
    tail = ended.output[-_TAIL:]
    if ended.timed_out:
        raise CheckoutError(
            f"The project's {INSTALLER} was stopped because it had not finished after "
            f"{timeout / 60:.3g} minutes.", code="install", advice=_RUN_ANYWAY, output=tail)
    if ended.returncode != 0:
        raise CheckoutError(
            f"The project's {INSTALLER} failed: it {_how(ended.returncode)}.", code="install",
            advice=f"{_advice(tail)} {_RUN_ANYWAY}", output=tail)


async def _run(
    children: Children,
    path: str,
    env: Mapping[str, str],
    timeout: float,
    on_output: Callable[[str], object],
) -> ProgramResult:
    args = [path]
    for tries_left in reversed(range(_BUSY_TRIES)):
        try:
            return await run_program(children, args, env=env, cwd=os.path.dirname(path),
                                     timeout=timeout, on_output=on_output)
        except OSError as error:
            if error.errno == errno.ENOEXEC and args == [path]:
                # No first line names an interpreter; a shell runs such a file itself.
                args = ["/bin/sh", path]
            elif error.errno == errno.ETXTBSY and tries_left:
                await asyncio.sleep(0.1)
            else:
                raise _cannot_run(path, error) from error
    raise AssertionError("the last try raises or returns")


def _cannot_run(path: str, error: OSError) -> CheckoutError:
    if error.errno in RESOURCE_ERRORS:
        return CheckoutError(
            f"The project's {INSTALLER} cannot be started now: {error.strerror}.",
            code="install", advice=AGAIN)
    if error.errno == errno.ENOENT:
        return CheckoutError(
            f"The project's {INSTALLER} cannot be run: the program that its first line names is "
            f"not installed ({_first_line(path)!r}).", code="install",
            advice=f"Install that program. {_RUN_ANYWAY}")
    return CheckoutError(
        f"The project's {INSTALLER} cannot be run: {error.strerror}.", code="install",
        advice=f"The disk that holds {os.path.dirname(path)} must allow programs to run (it may "
               f"be mounted noexec). {_RUN_ANYWAY}")


def _first_line(path: str) -> str:
    with open(path, "rb") as file:
        return file.readline(200).decode("utf-8", "replace").rstrip("\n")


def _how(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


def _advice(output: str) -> str:
    if re.search(r"\bsudo\b", output):
        return ("It tried to use sudo, which the warrior is not allowed to do. Run those commands "
                "as root yourself, then try again.")
    if re.search(r"No space left on device|Disk quota exceeded", output):
        return "The disk is full: make room, then try again."
    return "Its output says why. Fix that, then try again."


def _make_executable(path: str) -> bool:
    """Make the installer executable; return whether there is one."""
    if not os.path.isfile(path):
        return False
    os.chmod(path, os.stat(path).st_mode & 0o777 | 0o700)
    return True


def python_first(python: str, wrappers: str) -> list[str]:
    """Return the folders to put in front of PATH so that ``python`` and ``python3`` are this one.

    If the program's folder has both names, it suffices; else this writes scripts to ``wrappers``,
    because a link would lose a virtual environment. Blocks; raises OSError.
    """
    own = os.path.dirname(os.path.abspath(python))
    names = ("python", "python3")
    if all(_is_same(os.path.join(own, name), python) for name in names):
        return [own]
    os.makedirs(wrappers, mode=0o700, exist_ok=True)
    script = f'#!/bin/sh\nexec {shlex.quote(os.path.abspath(python))} "$@"\n'
    for name in names:
        path = os.path.join(wrappers, name)
        if not _holds(path, script):
            write_whole(path, script.encode())
            os.chmod(path, 0o700)
    return [wrappers, own]


def _is_same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _holds(path: str, text: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read() == text and os.access(path, os.X_OK)
    except (OSError, ValueError):
        return False

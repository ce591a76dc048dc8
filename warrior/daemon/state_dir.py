"""The folder that holds all state: made, locked, and cleared of what a crash left.

Only one warrior may use it. The lock is the kernel's (flock), so it always ends with the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import logging
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Collection, Sequence
from typing import IO, TYPE_CHECKING

from pipeline_core.engine.files import make_folder, private

if TYPE_CHECKING:
    from pipeline_core.recovery.journal import Journal

logger = logging.getLogger(__name__)

#: Seconds to wait for a warrior that is just ending.
LOCK_TIMEOUT = 10.0

_PREFIX = re.compile(r"[0-9a-f]{8}w[0-9a-f]{8}")


class StateInUse(Exception):
    """Another warrior uses the folder; ``str()`` names it."""


class StateUnusable(Exception):
    """The folder cannot be made or written; ``str()`` says why and what to do."""


class StateDirectory:
    """The folder ``path`` (0700), locked from :meth:`lock` until the process ends."""

    def __init__(self, path: str, data_dir: str) -> None:
        self.path = path
        self.data_dir = data_dir
        self._lock: IO[str] | None = None

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def lock(self, timeout: float = LOCK_TIMEOUT) -> None:
        """Make the folders and take the lock; block up to ``timeout`` seconds. Raises StateInUse
        or StateUnusable."""
        try:
            for folder in (self.path, self.data_dir):
                make_folder(folder)
            _make_private(self.path)
            self._lock = open(self.file("lock"), "a+", encoding="utf-8",  # noqa: SIM115
                              opener=_private)
        except OSError as error:
            raise StateUnusable(
                f"The state folder cannot be used: {error}. Choose another one with --state-dir, "
                "or give this user write access to it.") from error
        ends = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= ends:
                    who = self._who()
                    self.release()
                    raise StateInUse(who) from None
                time.sleep(0.1)
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(f"{os.getpid()} {' '.join(sys.argv)}\n")
        self._lock.flush()

    def release(self) -> None:
        """Release the lock, before this process is replaced by another program."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _who(self) -> str:
        assert self._lock is not None
        self._lock.seek(0)
        pid, _, command = self._lock.read(2000).strip().partition(" ")
        who = f"process {pid} ({command})" if pid.isdigit() else "another process"
        return (f"Another warrior uses the state folder {self.path}: {who}. Stop that one, or give "
                "this one a folder of its own with --state-dir.")

    # -- item folders ------------------------------------------------------------
    def begin_items(self, journal: Journal, keep_data: bool) -> Callable[[], str]:
        """Remove the unfinished items of earlier runs, and return a function that makes prefixes
        for the items of this process. Blocks."""
        sealed = {*journal.records, *map(os.path.basename, journal.unreadable)}
        for path in self.remove_leftovers(keep_data, sealed):
            logger.info("Removed an unfinished item of an earlier run: %s.", path)
        prefix, numbers = self.new_item_prefix(), itertools.count(1)
        return lambda: f"{prefix}-{next(numbers)}"

    def new_item_prefix(self) -> str:
        """Return a prefix for the names of this process's item folders. It is written to disk
        first, so that the next start knows which folders are ours. Blocks (fsync)."""
        prefix = f"{int(time.time()):08x}w{secrets.token_hex(4)}"
        with open(self.file("item-prefixes"), "a", encoding="utf-8", opener=_private) as file:
            file.write(prefix + "\n")
            file.flush()
            os.fsync(file.fileno())
        return prefix

    def remove_leftovers(self, keep: bool, spare: Collection[str] = ()) -> list[str]:
        """Remove the item folders that earlier processes left, and return their paths.

        Projects keep things of their own beside them, so only folders with one of our prefixes
        are removed. The ids in ``spare`` are sealed and stay. With ``keep`` (the option keep_data)
        nothing is removed. Blocks.
        """
        prefixes = self._prefixes()
        if keep or not prefixes:
            return []
        removed, failed = [], False
        for path in self.item_folders(prefixes):
            if os.path.basename(path) in spare:
                failed = True
                continue
            try:
                shutil.rmtree(path)
                removed.append(path)
            except OSError:
                failed = True  # its prefix is still known, so the next start tries again
        if not failed:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.file("item-prefixes"))
        return removed

    def _prefixes(self) -> frozenset[str]:
        try:
            with open(self.file("item-prefixes"), encoding="utf-8", errors="replace") as file:
                return frozenset(line for line in file.read().split() if _PREFIX.fullmatch(line))
        except FileNotFoundError:
            return frozenset()

    def item_folders(self, prefixes: frozenset[str] | None = None) -> Sequence[str]:
        """Return the item folders with one of these prefixes (None: with any prefix of ours).
        Blocks; raises OSError."""
        found = []
        with os.scandir(self.data_dir) as projects:
            folders = [entry.path for entry in projects if entry.is_dir(follow_symlinks=False)]
        for folder in folders:
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                found += [entry.path for entry in entries
                          if entry.is_dir(follow_symlinks=False) and _is_ours(entry.name, prefixes)]
        return found


def _is_ours(name: str, prefixes: frozenset[str] | None) -> bool:
    prefix, *numbers = name.split("-")
    known = _PREFIX.fullmatch(prefix) if prefixes is None else prefix in prefixes
    return bool(known) and len(numbers) == 2 and all(map(str.isdigit, numbers))


def _make_private(path: str) -> None:
    """Make an existing folder private, if it is ours and not a shared one."""
    mode = os.stat(path).st_mode
    if not mode & 0o077:
        return
    # A folder such as / or /tmp is shared, even if somebody chose it as the state folder.
    ours = os.stat(path).st_uid == os.geteuid() and not mode & stat.S_ISVTX
    if ours and os.path.realpath(path) != os.sep:
        with contextlib.suppress(OSError):
            os.chmod(path, stat.S_IMODE(mode) & ~0o077)
            return
    logger.warning("Others on this machine can read the state folder %s. Give the warrior a "
                   "folder of its own with --state-dir.", path)


def _private(path: str, flags: int) -> int:
    # Do not follow a link that somebody else may have made.
    return private(path, flags | os.O_NOFOLLOW)

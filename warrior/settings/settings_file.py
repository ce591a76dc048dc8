"""Reads and writes the settings file so that neither a crash nor bad content loses settings.

``settings.json.last-good`` is a copy of the last good content. A file that cannot be used is kept
as ``settings.json.unreadable-<n>`` before it is replaced. ``SettingsFile`` blocks, so
``SettingsStore`` calls it on a thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import logging
import os
import shutil
import stat
from collections.abc import Callable
from typing import Any, TypeVar

from pipeline_core.engine.files import make_folder, private, write_whole
from pipeline_core.engine.worker_thread import WorkerThread
from warrior.settings.data import MAX_SIZE, Data, NotSettings, dump, parse
from warrior.settings.validation import SettingsError

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: The settings file of the old warrior. If it is empty, nothing has been set yet.
OLD_NAME = "config.json"

#: Errors of a rename after which the file itself may still be writable: it is a mount point (a
#: single file of a container), or its folder belongs to somebody else.
_IN_PLACE = frozenset({errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS})


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What was read. ``found``: the file itself holds it; otherwise ``trouble`` may say why not.

    ``locked``: there is a file, or was one, and neither it nor its copy can be used, so nobody
    knows whether there was a password.
    """

    data: Data = dataclasses.field(repr=False)
    trouble: str = ""
    locked: bool = False
    found: bool = False


class SettingsFile:
    """One settings file. ``replace`` renames a file."""

    def __init__(self, path: str, *, replace: Callable[[str, str], None] = os.replace) -> None:
        self.path = path
        self.last_good = path + ".last-good"
        self._replace = replace
        #: Whether the file at the path must be kept aside before it is overwritten.
        self._unusable = False

    # -- reading ---------------------------------------------------------------------------
    def read(self) -> Loaded:
        """The settings, or the last good ones, or none. Never raises for bad content."""
        try:
            content = _content(self.path)
            if not content.strip() and os.path.basename(self.path) == OLD_NAME \
                    and not os.path.lexists(self.last_good) and not self._kept():
                return Loaded({})
            return Loaded(parse(content), found=True)
        except FileNotFoundError:
            if os.path.islink(self.path):
                self._unusable = True
                reason = "it is a link to a file that does not exist"
            elif os.path.lexists(self.last_good) or self._kept():
                reason = "it is gone"
            else:
                return Loaded({})
        except OSError as error:
            self._unusable = True
            reason = f"it cannot be read: {error.strerror or error}"
        except NotSettings as error:
            self._unusable = True
            reason = str(error)
        return self._fall_back(reason)

    def _fall_back(self, reason: str) -> Loaded:
        sentence = f"The settings file {self.path} cannot be used: {reason}."
        try:
            data = parse(_content(self.last_good))
        except (OSError, NotSettings):
            return Loaded({}, f"{sentence} There is no good copy of it, so everything has to be "
                          "set again.", locked=True)
        sentence += (" The last good settings are used instead. To start afresh, stop the "
                     f"warrior and also remove {self.last_good}.")
        try:
            self.write(data)
        except OSError as error:
            sentence += f" They cannot be written: {error.strerror or error}."
        kept = self._kept()
        if kept:
            sentence += f" The bad file is kept as {kept[-1]}."
        return Loaded(data, sentence)

    def _kept(self) -> list[str]:
        """The files that were kept aside, oldest first."""
        names = (f"{self.path}.unreadable-{number}" for number in itertools.count(1))
        return list(itertools.takewhile(os.path.lexists, names))

    # -- writing ---------------------------------------------------------------------------
    def write(self, data: Data) -> None:
        """Write all settings, through to the disk. Raises OSError; the file is then unchanged."""
        content = dump(data)
        if len(content) > MAX_SIZE:
            raise OSError(errno.EFBIG, "They have grown too long")
        make_folder(os.path.dirname(self.path))
        if self._unusable:
            self._keep_aside()
            self._unusable = False
        # If it is a link, replace the file that it points to.
        target = os.path.realpath(self.path)
        try:
            write_whole(target, content, replace=self._replace)
        except OSError as error:
            if error.errno not in _IN_PLACE or not os.path.isfile(target):
                raise
            self._write_in_place(target, content)
            return
        self._keep(content)

    def keep_good(self, data: Data) -> None:
        """Note that these settings, which the file holds, are good."""
        content = dump(data)
        with contextlib.suppress(OSError):
            if _content(self.last_good) == content:
                return
        self._keep(content)

    def _keep(self, content: bytes) -> None:
        try:
            write_whole(self.last_good, content, replace=self._replace)
        except OSError as error:
            # The settings themselves are safe; only the copy is out of date.
            logger.warning("No copy of the settings could be kept in %s: %s.", self.last_good,
                           error.strerror or error)

    def _write_in_place(self, target: str, content: bytes) -> None:
        # The copy comes first, in case the machine crashes while the file is overwritten.
        self._keep(content)
        with open(target, "r+b", buffering=0) as file:
            old = file.read(MAX_SIZE + 1)
            try:
                _overwrite(file.fileno(), content)
            except OSError:
                with contextlib.suppress(OSError):
                    _overwrite(file.fileno(), old)
                self._keep(old)
                raise
            # A file that belongs to somebody else keeps its mode.
            with contextlib.suppress(PermissionError):
                os.fchmod(file.fileno(), 0o600)

    def _keep_aside(self) -> None:
        """Keep the file at the path under another name. Raises OSError."""
        aside = f"{self.path}.unreadable-{len(self._kept()) + 1}"
        target = os.path.realpath(self.path)
        try:
            if not os.path.isfile(target):
                os.rename(self.path, aside)  # a folder, a dead link, a device
                return
            try:
                # A link only helps until the file is overwritten in place, so copy if possible.
                os.close(private(aside, os.O_CREAT | os.O_EXCL))
                shutil.copyfile(target, aside)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(aside)
                os.link(target, aside)
            os.chmod(aside, 0o600)
        except OSError:
            logger.warning("%s could not be kept as %s.", self.path, aside)
            raise


def _content(path: str) -> bytes:
    """The start of the file, to one byte past the limit. Raises OSError, also if it is no file."""
    # Without O_NONBLOCK, a pipe would block for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "It is not a file")
        return file.read(MAX_SIZE + 1)


def _overwrite(descriptor: int, content: bytes) -> None:
    """Overwrite, then truncate: a full disk still has room for as much as the old content."""
    written = 0
    while written < len(content):
        written += os.pwrite(descriptor, content[written:], written)
    os.ftruncate(descriptor, len(content))
    os.fsync(descriptor)


class SettingsStore:
    """What the file holds. Made and used on the loop; the slow parts run on a thread.

    ``trouble`` is a sentence if the file could not be used or written, else ''.
    """

    def __init__(self, file: SettingsFile) -> None:
        self.data: Data = {}
        self.trouble = ""
        self._file = file
        self._thread = WorkerThread("settings")

    def close(self) -> None:
        """End the thread; nothing can be written afterwards."""
        self._thread.close()

    async def load(self) -> Loaded:
        """Read the file; bad content does not raise."""
        loaded = await self.in_thread(self._file.read)
        self.data, self.trouble = dict(loaded.data), loaded.trouble
        return loaded

    async def confirm(self) -> None:
        """Note that the file holds these data, and that they are good."""
        await self.in_thread(self._file.keep_good, self.data)

    async def write(self, new: Data) -> None:
        """Write these values with all others. Raises SettingsError: then nothing has changed."""
        if trouble := await self._write(new):
            raise SettingsError({"": f"{trouble} Nothing was changed."})
        self.data = self.data | new

    async def write_if_possible(self, new: Data) -> None:
        """Set these values even if they cannot be written now; the next change writes them."""
        trouble = await self._write(new)
        self.data = self.data | new
        if trouble:
            self.trouble = f"{self.trouble} {trouble}".strip()
            logger.warning("%s", trouble)

    async def _write(self, new: Data) -> str:
        try:
            await self.in_thread(self._file.write, self.data | new)
        except OSError as error:
            return (f"The settings cannot be written to {self._file.path}: "
                    f"{error.strerror or error}.")
        return ""

    async def in_thread(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call the function on the thread, which runs one at a time."""
        return await self._thread.run(function, *args)

"""Reads and writes the settings file so that no crash and no bad content loses it.

Beside ``settings.json`` lies ``settings.json.last-good``, a copy of what was last
written or read whole. A file that cannot be used is kept as
``settings.json.unreadable-<n>`` before anything takes its place. Everything blocks:
for a thread.
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

from pipeline_core.engine.files import make_folder, private, write_whole
from warrior.settings.data import MAX_SIZE, Data, NotSettings, dump, parse

logger = logging.getLogger(__name__)

#: The settings file of the old warrior; there, an empty one means that nothing is set yet.
OLD_NAME = "config.json"

#: Where a new file cannot be put in the old one's place, the old one may be writable:
#: it is a mount point of its own (a single file of a container), or its folder is not ours.
_IN_PLACE = frozenset({errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS})


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What was read. ``found``: in the file itself; ``trouble`` is a sentence when it was not.

    ``locked``: there is a file, or was one, and nothing of it can be used; so nobody knows
    whether there was a password.
    """

    data: Data = dataclasses.field(repr=False)
    trouble: str = ""
    locked: bool = False
    #: Whether it is what the file itself holds.
    found: bool = False


class SettingsFile:
    """One settings file. ``replace`` renames; given by tests."""

    def __init__(self, path: str, *, replace: Callable[[str, str], None] = os.replace) -> None:
        self.path = path
        self.last_good = path + ".last-good"
        self._replace = replace
        #: Whether what lies at the path must be kept aside before it is overwritten.
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
                reason = "it is a link to something that is not there"
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
            return Loaded({}, f"{sentence} There is no good copy of it, so everything has "
                          "to be set again.", locked=True)
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
        """The files that were kept aside, in order."""
        names = (f"{self.path}.unreadable-{number}" for number in itertools.count(1))
        return list(itertools.takewhile(os.path.lexists, names))

    # -- writing ---------------------------------------------------------------------------
    def write(self, data: Data) -> None:
        """Put the settings there, whole, and on the disk. Raises OSError: then the old stay."""
        content = dump(data)
        if len(content) > MAX_SIZE:
            raise OSError(errno.EFBIG, "They have grown too long")
        make_folder(os.path.dirname(self.path))
        if self._unusable:
            self._keep_aside()
            self._unusable = False
        # A link stays a link: the file that it points to is replaced.
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
        """Note that these settings, which lie in the file, are good."""
        content = dump(data)
        with contextlib.suppress(OSError):
            if _content(self.last_good) == content:
                return
        self._keep(content)

    def _keep(self, content: bytes) -> None:
        try:
            write_whole(self.last_good, content, replace=self._replace)
        except OSError as error:
            # The settings themselves are safe; only their copy is not of today.
            logger.warning("No copy of the settings could be kept in %s: %s.", self.last_good,
                           error.strerror or error)

    def _write_in_place(self, target: str, content: bytes) -> None:
        # Should the machine go down in the middle, the copy is whole already.
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
            # A file that belongs to somebody else keeps the mode they gave it.
            with contextlib.suppress(PermissionError):
                os.fchmod(file.fileno(), 0o600)

    def _keep_aside(self) -> None:
        """Keep what lies at the path under a name of its own. Raises OSError."""
        aside = f"{self.path}.unreadable-{len(self._kept()) + 1}"
        target = os.path.realpath(self.path)
        try:
            if not os.path.isfile(target):
                os.rename(self.path, aside)  # a folder, a dead link, a device
                return
            try:
                # Not linked if it can be helped: the file may be overwritten in place.
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
    """At most a little more than settings have. Raises OSError, also for what is no file."""
    # A pipe would block for ever without O_NONBLOCK.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "It is not a file")
        return file.read(MAX_SIZE + 1)


def _overwrite(descriptor: int, content: bytes) -> None:
    """Cut only afterwards: what fits over the old content needs no new room."""
    written = 0
    while written < len(content):
        written += os.pwrite(descriptor, content[written:], written)
    os.ftruncate(descriptor, len(content))
    os.fsync(descriptor)

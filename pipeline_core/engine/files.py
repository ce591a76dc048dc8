"""Files and folders for this user alone, and files that no crash leaves half written.

All of it blocks: for a thread, or for the start of a program.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable


def private(path: str, flags: int) -> int:
    """An opener (see :func:`open`): a new file can be read and written by this user alone."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def make_folder(path: str) -> None:
    """Make a folder, and those above it, for this user alone; it may be there. Raises OSError."""
    # os.makedirs gives its mode to the last one only.
    if not os.path.isdir(path):
        above = os.path.dirname(path)
        if above and above != path:
            make_folder(above)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        if not os.path.isdir(path):
            raise NotADirectoryError(20, "It is not a folder", path)


def write_whole(
    path: str, content: bytes, *, replace: Callable[[str, str], object] = os.replace
) -> None:
    """Put a private file with this content at ``path``, on the disk, in the old one's place.

    The content is written to a new file beside it first, so there is always a whole one.
    Raises OSError; then the old one stays.
    """
    new = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)  # what a crash has left
    try:
        with open(new, "xb", opener=private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    # Some file systems cannot; the file itself is on the disk.
    with contextlib.suppress(OSError):
        sync_folder(os.path.dirname(path))


def sync_folder(path: str) -> None:
    """Bring the entries of a folder to the disk ('' is the working directory). Raises OSError."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot do that for a folder, and say so: nothing more can be done.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)

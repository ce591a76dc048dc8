"""Files and folders that only this user can open, and files that a crash never leaves half written.

All of this blocks: call it on a thread, or when a program starts.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable


def private(path: str, flags: int) -> int:
    """An opener (see :func:`open`): only this user can read and write a new file."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def make_folder(path: str) -> None:
    """Create a folder and its parents, which only this user can open. It may exist already.
    Raises OSError."""
    # os.makedirs applies its mode to the last folder only.
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
    """Replace the file at ``path`` with a private file with this content, synced to disk.

    The content is written to a new file beside it first, so a complete file always exists.
    Raises OSError; then the old file stays.
    """
    new = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)  # left behind by a crash
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
    # Some file systems cannot sync a folder; the file itself is synced.
    with contextlib.suppress(OSError):
        sync_folder(os.path.dirname(path))


def sync_folder(path: str) -> None:
    """Sync the entries of a folder to disk ('' is the working directory). Raises OSError."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot sync a folder: nothing more can be done.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)

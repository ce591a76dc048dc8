"""The files of a sealed item: brought to the disk, taken down, and looked at again. All of
this blocks: for a thread."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable

from pipeline_core.engine.files import sync_folder
from pipeline_core.recovery.sealed_item import MANIFEST, Sealed, SealedFile

_CHUNK = 1 << 20


def resolve(path: str) -> str:
    """The path without symbolic links on the way; the last name stays as it is."""
    path = os.path.normpath(path)
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def take_files(paths: Iterable[str]) -> tuple[tuple[SealedFile, ...], list[str]]:
    """Each file, on the disk now, those in folders too; and the folders. Raises OSError."""
    files: dict[str, SealedFile] = {}
    whole: list[str] = []
    for path in map(resolve, paths):
        if os.path.isdir(path):
            whole.append(os.path.realpath(path))
        for file in _walk(path):
            files[file] = take_file(file, sync=True)
    return tuple(files.values()), whole


def sync_folders(folder: str, files: Iterable[SealedFile]) -> None:
    """Bring the entries of the folders around the files to the disk: those up to the item's
    ``folder``, and of the one that holds this. Raises OSError."""
    for one in _folders(folder, files):
        sync_folder(one)


def first_missing(sealed: Sealed) -> str:
    """A file that was there at the seal and is there no more; '' when none is missing."""
    return next((file.path for file in sealed.files
                 if file.size is not None and not os.path.lexists(file.path)), "")


def upload_problem(sealed: Sealed, data_dir: str) -> str:
    """Why the files cannot be uploaded as they were sealed, in a sentence; '' when they can."""
    root = os.path.realpath(data_dir) + os.sep
    if os.path.realpath(sealed.folder) != sealed.folder or not sealed.folder.startswith(root):
        return f"Its folder {sealed.folder} does not lie in {data_dir}."
    for file in sealed.files:
        if not os.path.realpath(file.path).startswith(root):
            return f"Its file {file.path} does not lie in {data_dir}."
        if file.size is None:
            if sealed.plain:
                return f"Its file {file.path} was never there."
            continue
        try:
            now = take_file(file.path)
        except OSError as error:
            return f"Its file {file.path} cannot be read: {error.strerror}."
        if now.size is None:
            return f"Its file {file.path} is missing."
        if (now.size, now.digest) != (file.size, file.digest):
            return f"Its file {file.path} has changed since it was finished."
    return ""


def _walk(path: str) -> Iterable[str]:
    if not os.path.isdir(path):
        return [path]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path)
                  for name in names if name != MANIFEST)


def _folders(folder: str, files: Iterable[SealedFile]) -> list[str]:
    """The folders whose entries have to be on the disk, the inner ones first: those of the
    files up to the item's own, and the one that holds this."""
    wanted = {folder, os.path.dirname(folder)}
    for file in files:
        if file.size is None:
            continue
        place = os.path.dirname(file.path)
        while place not in wanted:
            wanted.add(place)
            if not place.startswith(folder + os.sep):
                break
            place = os.path.dirname(place)
    return sorted(wanted, key=len, reverse=True)


def take_file(path: str, *, sync: bool = False) -> SealedFile:
    """The file as it is now; with ``sync`` it is on the disk afterwards. Raises OSError."""
    nothing = SealedFile(path, None, 0, "")
    with contextlib.ExitStack() as stack:
        try:
            # A pipe that somebody has put there must not keep us.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return nothing
        stack.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return nothing
        digest = hashlib.blake2b(digest_size=32)
        while data := os.read(descriptor, _CHUNK):
            digest.update(data)
        if sync:
            os.fsync(descriptor)
        return SealedFile(path, status.st_size, status.st_mtime_ns, digest.hexdigest())

"""The files of a sealed item: synced to disk, recorded, and checked before a resume. All of this
blocks, so it runs on a thread."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable

from pipeline_core.engine.files import sync_folder
from pipeline_core.recovery.sealed_item import MANIFEST, Sealed, SealedFile

_CHUNK = 1 << 20


def resolve(path: str) -> str:
    """Return the path with symbolic links resolved, except in its last component."""
    path = os.path.normpath(path)
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def take_files(paths: Iterable[str]) -> tuple[tuple[SealedFile, ...], list[str]]:
    """Sync the files to disk. Return all files, including those in folders, and the folders.
    Raises OSError."""
    files: dict[str, SealedFile] = {}
    whole: list[str] = []
    for path in map(resolve, paths):
        inside = [path]
        if os.path.isdir(path):
            whole.append(os.path.realpath(path))
            inside = sorted([os.path.join(folder, name) for folder, _, names in os.walk(path)
                             for name in names if name != MANIFEST])
        for file in inside:
            files[file] = take_file(file, sync=True)
    return tuple(files.values()), whole


def sync_folders(folder: str, files: Iterable[SealedFile]) -> None:
    """Sync the folders of the files, up to the item's ``folder`` and its parent, the inner ones
    first. Raises OSError."""
    wanted = {folder, os.path.dirname(folder)}
    for file in files:
        place = folder if file.size is None else os.path.dirname(file.path)
        while place not in wanted:
            wanted.add(place)
            if not place.startswith(folder + os.sep):
                break
            place = os.path.dirname(place)
    for path in sorted(wanted, key=len, reverse=True):
        sync_folder(path)


def first_missing(sealed: Sealed) -> str:
    """Return a file that was there at the seal and is missing now; '' when none is."""
    return next((file.path for file in sealed.files
                 if file.size is not None and not os.path.lexists(file.path)), "")


def upload_problem(sealed: Sealed, data_dir: str) -> str:
    """Return why the files cannot be uploaded as sealed, in a sentence; '' when they can."""
    root = os.path.realpath(data_dir) + os.sep
    if os.path.realpath(sealed.folder) != sealed.folder or not sealed.folder.startswith(root):
        return f"Its folder {sealed.folder} is not in {data_dir}."
    for file in sealed.files:
        if not os.path.realpath(file.path).startswith(root):
            return f"Its file {file.path} is not in {data_dir}."
        if file.size is None:
            if sealed.plain:
                return f"Its file {file.path} did not exist when the item was sealed."
            continue
        try:
            now = take_file(file.path)
        except OSError as error:
            return f"Its file {file.path} cannot be read: {error.strerror}."
        if now.size is None:
            return f"Its file {file.path} is missing."
        if (now.size, now.digest) != (file.size, file.digest):
            return f"Its file {file.path} has changed since the item was sealed."
    return ""


def take_file(path: str, *, sync: bool = False) -> SealedFile:
    """Return the file's current state; ``sync`` also syncs it to disk. Raises OSError."""
    nothing = SealedFile(path, None, 0, "")
    try:
        # O_NONBLOCK: opening a named pipe must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return nothing
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return nothing
        digest = hashlib.blake2b(digest_size=32)
        while data := os.read(descriptor, _CHUNK):
            digest.update(data)
        if sync:
            os.fsync(descriptor)
        return SealedFile(path, status.st_size, status.st_mtime_ns, digest.hexdigest())
    finally:
        os.close(descriptor)

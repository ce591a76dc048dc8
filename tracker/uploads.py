"""The upload folder: whole files only, under names that cannot lead out of it.

A file arrives in ``.incoming`` and is renamed into ``<folder>/<project>/`` when all of it is
on the disk, so what stands there is complete, whatever was killed meanwhile. Nothing that
stands there is ever overwritten: the same file sent twice is recognised, another file of the
same name is kept beside the first.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
import threading
from pathlib import Path
from typing import IO

from tracker.errors import (
    BadValue,
    DiskFull,
    FileTooLarge,
    FolderUnusable,
    StoreTrouble,
    TrackerError,
)
from tracker.names import check_project

MAX_FILE_NAME_BYTES = 200
"""Longest file name kept, in bytes of UTF-8 (file systems stop at 255)."""

SPARE_BYTES = 64 * 1024 * 1024
"""Room on the disk that uploads leave for the database."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\ud800-\udfff\ufffd\u2028\u2029]")
_FULL = (errno.ENOSPC, errno.EDQUOT)


def safe_file_name(name: str) -> str:
    """Return *name* as a plain, visible file name of one path component.

    What could leave the folder, hide the file or confuse a shell or terminal becomes ``_``; an
    overlong name loses its middle, so that the suffix stays. Raises BadValue when it is empty.
    """
    if not name:
        raise BadValue("The upload has no file name: end the target with '/' or name the file.")
    clean = _UNSAFE.sub("_", name)
    if clean.startswith((".", "-")):
        clean = "_" + clean[1:]
    encoded = clean.encode("utf-8")
    if len(encoded) <= MAX_FILE_NAME_BYTES:
        return clean
    mark = "~" + hashlib.sha256(encoded).hexdigest()[:16] + "~"
    half = (MAX_FILE_NAME_BYTES - len(mark)) // 2
    head = encoded[:half].decode("utf-8", errors="ignore")
    return head + mark + encoded[-half:].decode("utf-8", errors="ignore")


class UploadFolder:
    """Receives uploads into *root*; its methods block, so they run in threads."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self._incoming = root / ".incoming"
        self.mode = 0o600
        self._placing = threading.Lock()

    def prepare(self) -> None:
        """Make the folders and drop what an interrupted upload left; raises FolderUnusable."""
        mask = os.umask(0o077)  # the only way to read the umask is to set it
        os.umask(mask)
        self.mode = 0o666 & ~mask
        try:
            if self._incoming.is_dir():
                shutil.rmtree(self._incoming)
            self._incoming.mkdir(parents=True)
        except OSError as error:
            raise FolderUnusable(
                f"Cannot use the upload folder {self.root}: {error.strerror}."
            ) from error

    def begin(self, project: str, name: str, length: int | None) -> Upload:
        """Start an upload of *length* bytes (None: not known); raises BadValue, FileTooLarge,
        DiskFull, StoreTrouble."""
        check_project(project)
        safe = safe_file_name(name)
        if length is not None and length > self.max_bytes:
            raise self.too_large()
        try:
            if (length or 0) + SPARE_BYTES > shutil.disk_usage(self._incoming).free:
                raise DiskFull("The upload folder has no room for this file.")
            handle, path = tempfile.mkstemp(dir=self._incoming)
        except OSError as error:
            raise _disk_error(error) from error
        return Upload(self, project, safe, os.fdopen(handle, "wb"), Path(path))

    def too_large(self) -> FileTooLarge:
        """Return the error for a file over the limit."""
        return FileTooLarge(f"The file is over this tracker's limit of {self.max_bytes} bytes.")

    def place(self, upload: Upload) -> bool:
        """Give the complete *upload* its name; False when the same file stood there already."""
        folder = self.root / upload.project
        with self._placing:  # between the look and the rename no other upload may come
            folder.mkdir(exist_ok=True)
            wanted = folder / upload.name
            if wanted.exists() and not _same(wanted, upload):
                wanted = folder / _marked(upload.name, upload.digest.hexdigest()[:16])
            if wanted.exists():
                upload.path.unlink()
                return False
            upload.path.replace(wanted)
        _sync_folder(folder)
        _sync_folder(self.root)
        return True


class Upload:
    """One file on its way in."""

    def __init__(
        self, folder: UploadFolder, project: str, name: str, file: IO[bytes], path: Path
    ) -> None:
        self.project = project
        self.name = name
        self.path = path
        self.size = 0
        self.digest = hashlib.sha256()
        self._folder = folder
        self._file = file

    def write(self, data: bytes) -> None:
        """Append *data*; raises FileTooLarge, DiskFull, StoreTrouble."""
        self.size += len(data)
        if self.size > self._folder.max_bytes:
            raise self._folder.too_large()
        self.digest.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise _disk_error(error) from error

    def finish(self) -> bool:
        """Make the file durable under its name; False when the same file was there already."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.chmod(self.path, self._folder.mode)
            return self._folder.place(self)
        except OSError as error:
            raise _disk_error(error) from error

    def drop(self) -> None:
        """Forget an upload that will not be finished; harmless after ``finish``."""
        with contextlib.suppress(OSError):  # closing flushes, which fails again on a full disk
            self._file.close()
        self.path.unlink(missing_ok=True)


def _disk_error(error: OSError) -> TrackerError:
    if error.errno in _FULL:
        return DiskFull("The upload folder has no room for this file.")
    return StoreTrouble(f"The upload folder cannot be written: {error.strerror}.")


def _same(path: Path, upload: Upload) -> bool:
    """Say whether the file at *path* holds exactly what *upload* does."""
    if path.stat().st_size != upload.size:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.digest() == upload.digest.digest()


def _marked(name: str, mark: str) -> str:
    """Return *name* with *mark* before its suffixes: ``a.warc.gz`` → ``a.MARK.warc.gz``."""
    match = re.search(r"(\.[A-Za-z0-9]{1,10}){1,2}$", name[1:])
    cut = match.start() + 1 if match else len(name)
    return f"{name[:cut]}.{mark}{name[cut:]}"


def _sync_folder(folder: Path) -> None:
    """Flush the folder's entries, so that a renamed file is found after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Receives files by HTTP PUT, as ``curl --upload-file`` sends them.

The upload folder holds complete files only, and no name leads out of it. A file arrives in
``.incoming`` and is renamed into ``<folder>/<project>/`` when all of it is on the disk, so the
files there are complete even after a crash. No file is ever overwritten: the same file sent
twice is recognised, and a different file of the same name is kept beside the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from tracker.errors import BadValue, FolderUnusable, Refusal, StoreUnavailable
from tracker.names import check_project
from tracker.store.backup import sync
from tracker.web.handlers import StreamingHandler

T = TypeVar("T")

LONGEST_NAME_BYTES = 200
"""Longest file name that is kept, in bytes of UTF-8; file systems allow 255."""

SPARE_BYTES = 64 * 1024 * 1024
"""Room on the disk that uploads leave for the database."""

BLOCK_BYTES = 1024 * 1024
"""Collected before each write, so that not every network packet costs a change of threads."""

STALL_SECONDS = 300.0
"""An upload is ended when nothing has arrived for this time."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\ud800-\udfff\ufffd\u2028\u2029]")


def safe_file_name(name: str) -> str:
    """Return *name* as the name of one plain, visible file.

    Characters that could leave the folder, hide the file or confuse a shell or terminal become
    ``_``. A name that is too long loses its middle, and keeps its suffix. Raises BadValue if it
    is empty.
    """
    if not name:
        raise BadValue("The upload has no file name: end the target with '/' or name the file.")
    clean = _UNSAFE.sub("_", name)
    if clean.startswith((".", "-")):
        clean = "_" + clean[1:]
    encoded = clean.encode("utf-8")
    if len(encoded) <= LONGEST_NAME_BYTES:
        return clean
    mark = "~" + hashlib.sha256(encoded).hexdigest()[:16] + "~"
    half = (LONGEST_NAME_BYTES - len(mark)) // 2
    head = encoded[:half].decode("utf-8", errors="ignore")
    return head + mark + encoded[-half:].decode("utf-8", errors="ignore")


class UploadFolder:
    """Receives uploads into *root*. Its methods block, so call them in threads."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self._incoming = root / ".incoming"
        self._placing = threading.Lock()

    def prepare(self) -> None:
        """Make the folders, and delete what interrupted uploads left; raises FolderUnusable."""
        try:
            if self._incoming.is_dir():
                shutil.rmtree(self._incoming)
            self._incoming.mkdir(parents=True)
        except OSError as error:
            raise FolderUnusable(
                f"Cannot use the upload folder {self.root}: {error.strerror}."
            ) from error

    def begin(self, project: str, name: str, length: int | None) -> Upload:
        """Start an upload of *length* bytes (None if unknown).

        Raises BadValue, StoreUnavailable, and Refusal: 413 if it is too large, 507 if the disk
        has no room.
        """
        check_project(project)
        safe = safe_file_name(name)
        self.check_size(length or 0)
        with _disk_errors():
            if (length or 0) + SPARE_BYTES > shutil.disk_usage(self._incoming).free:
                raise OSError(errno.ENOSPC, "not enough space")
            path = self._incoming / secrets.token_hex(16)
            return Upload(self, project, safe, path.open("xb"), path)

    def check_size(self, size: int) -> None:
        """Raise Refusal (413) if a file of *size* bytes is over the limit."""
        if size > self.max_bytes:
            raise Refusal(
                413, f"The file exceeds this tracker's limit of {self.max_bytes} bytes."
            )

    def place(self, upload: Upload) -> bool:
        """Give the complete *upload* its name; return False if the same file was there."""
        folder = self.root / upload.project
        with self._placing:  # no other upload may take the name between the check and the rename
            folder.mkdir(exist_ok=True)
            wanted = folder / upload.name
            if wanted.exists() and not _same(wanted, upload):
                wanted = folder / _marked(upload.name, upload.digest.hexdigest()[:16])
            if wanted.exists():
                upload.path.unlink()
                return False
            upload.path.replace(wanted)
        sync(folder)  # so that the name survives a power cut
        sync(self.root)
        return True


class Upload:
    """One file that is arriving."""

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
        """Append *data*; raises Refusal (413, 507), StoreUnavailable."""
        self.size += len(data)
        self._folder.check_size(self.size)
        self.digest.update(data)
        with _disk_errors():
            self._file.write(data)

    def finish(self) -> bool:
        """Make the file durable under its name; return False if the same file was there.

        Raises Refusal (507), StoreUnavailable.
        """
        with _disk_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            return self._folder.place(self)

    def drop(self) -> None:
        """Delete an upload that will not be finished; does nothing after ``finish``."""
        with contextlib.suppress(OSError):  # closing flushes, which fails again on a full disk
            self._file.close()
        self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn an OSError into the tracker's own error."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Refusal(507, "The upload folder has no room for this file.") from error
        raise StoreUnavailable(
            f"The tracker cannot write to its upload folder: {error.strerror}."
        ) from error


def _same(path: Path, upload: Upload) -> bool:
    """Return whether the file at *path* has exactly the content of *upload*."""
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


class UploadHandler(StreamingHandler):
    """``PUT /PROJECT/upload/FILE``: 201 if the file was stored, 200 if it was there already."""

    METHOD = "PUT"

    def initialize(self, folder: UploadFolder, threads: ThreadPoolExecutor) -> None:
        self._folder = folder
        self._threads = threads
        self._upload: Upload | None = None
        self._block = bytearray()
        self._stall: asyncio.TimerHandle | None = None
        self._busy: asyncio.Future[Any] | None = None

    async def begin(self, length: int | None) -> None:
        self.refuse_pages()
        project, name = check_project(self.path_args[0]), self.path_args[1]
        if await self.targets_of(project, None):
            raise Refusal(403, f"{project} uploads to another target: ask for the target first.")
        if "Content-Range" in self.request.headers:
            raise Refusal(400, "Send the whole file: this tracker does not resume uploads.")
        begin = partial(self._folder.begin, project, name, length)
        self._upload = await self._in_thread(begin)
        if self.gone:
            self._end()
            return
        self.http.set_max_body_size(self._folder.max_bytes + 16 * BLOCK_BYTES)
        self._restart_timer()

    async def receive(self, chunk: bytes) -> None:
        self._restart_timer()
        self._block += chunk
        if len(self._block) >= BLOCK_BYTES:
            await self._write_block()

    async def put(self, project: str, name: str) -> None:
        if not self.arrived():
            return
        await self._write_block()
        self._stop_timer()
        if self._upload is None:  # the client is gone
            return
        if await self._in_thread(self._upload.finish):
            self.line("Stored.", 201)
        else:
            self.line("This file was here already.")

    def on_finish(self) -> None:
        super().on_finish()
        self._end()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._end()

    async def _write_block(self) -> None:
        if self._upload is not None:
            block, self._block = bytes(self._block), bytearray()
            await self._in_thread(partial(self._upload.write, block))

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """Run blocking work on the file; there is one call at a time for each upload."""
        self._busy = asyncio.get_running_loop().run_in_executor(self._threads, function)
        result: T = await self._busy
        return result

    def _restart_timer(self) -> None:
        """Wait STALL_SECONDS from now for the next data."""
        self._stop_timer()
        close = self.http.stream.close
        self._stall = asyncio.get_running_loop().call_later(STALL_SECONDS, close)

    def _stop_timer(self) -> None:
        if self._stall is not None:
            self._stall.cancel()

    def _end(self) -> None:
        """Delete the temporary file, once nothing works on it."""
        self._stop_timer()
        if self._upload is None:
            return
        upload, self._upload = self._upload, None
        if self._busy is not None and not self._busy.done():
            self._busy.add_done_callback(lambda _: self._threads.submit(upload.drop))
        else:
            self._threads.submit(upload.drop)

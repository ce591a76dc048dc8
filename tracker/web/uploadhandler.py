"""Receives files by HTTP PUT, as ``curl --upload-file`` sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tracker.errors import Refusal
from tracker.names import check_project
from tracker.web.handlers import StreamingHandler
from tracker.web.uploads import Upload

T = TypeVar("T")

BLOCK_BYTES = 1024 * 1024
"""Collected before each write, so that not every network packet costs a change of threads."""

STALL_SECONDS = 300.0
"""An upload that sends nothing for so long is ended."""


class UploadHandler(StreamingHandler):
    """``PUT /PROJECT/upload/FILE``: 201 if the file was stored, 200 if it was there already."""

    METHOD = "PUT"

    def initialize(self, threads: ThreadPoolExecutor) -> None:
        """Take the threads that all uploads share."""
        self._threads = threads
        self._upload: Upload | None = None
        self._block = bytearray()
        self._stall: asyncio.TimerHandle | None = None
        self._busy: asyncio.Future[Any] | None = None

    async def begin(self, length: int | None) -> None:
        """Start the upload."""
        self.refuse_pages()
        project, name = check_project(self.path_args[0]), self.path_args[1]
        if await self.targets_of(project, None):
            raise Refusal(403, f"{project} uploads to another target: ask for the target first.")
        if "Content-Range" in self.request.headers:
            raise Refusal(400, "Send the whole file: this tracker does not resume uploads.")
        folder = self.parts.folder
        self._upload = await self._in_thread(lambda: folder.begin(project, name, length))
        if self.gone:
            self._end()
            return
        self.http.set_max_body_size(folder.max_bytes + 16 * BLOCK_BYTES)
        self._restart_timer()

    async def receive(self, chunk: bytes) -> None:
        """Write the data when there is a block of it."""
        self._restart_timer()
        self._block += chunk
        if len(self._block) >= BLOCK_BYTES:
            await self._write_block()

    async def put(self, project: str, name: str) -> None:
        """Store the file, which has arrived."""
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
        """Delete what was not stored."""
        super().on_finish()
        self._end()

    def on_connection_close(self) -> None:
        """Delete what arrived of an interrupted upload."""
        super().on_connection_close()
        self._end()

    async def _write_block(self) -> None:
        if self._upload is not None:
            block, self._block, write = bytes(self._block), bytearray(), self._upload.write
            await self._in_thread(lambda: write(block))

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

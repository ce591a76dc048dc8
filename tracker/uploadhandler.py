"""Receives files by HTTP PUT, as ``curl --upload-file`` sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, stream_request_body

from tracker.admission import admit
from tracker.errors import TrackerError
from tracker.handlers import Handler, Refusal
from tracker.names import check_project
from tracker.store import Store
from tracker.targets import Target
from tracker.targettable import kept_targets
from tracker.uploads import Upload

T = TypeVar("T")

BLOCK_BYTES = 1024 * 1024
"""Collected before a write, so that not every network packet costs a change of threads."""

DISCARDED_BYTES = 100 * BLOCK_BYTES
"""Most that is read of a body that no method takes."""

STALL_SECONDS = 300.0
"""An upload that brings nothing for so long is given up."""


@stream_request_body
class UploadHandler(Handler):
    """``PUT /PROJECT/upload/FILE``: 201 when the file was stored, 200 when it was there already."""

    STREAMS = True

    def __init__(
        self,
        application: Application,
        request: HTTPServerRequest,
        threads: ThreadPoolExecutor,
        **more: Any,
    ) -> None:
        super().__init__(application, request, **more)
        self.upload: Upload | None = None
        self._refusal: TrackerError | Refusal | None = None
        self._threads = threads
        self._block = bytearray()
        self._stall: asyncio.TimerHandle | None = None
        self._busy: asyncio.Future[Any] | None = None

    async def prepare(self) -> None:  # type: ignore[override]  # tornado takes both kinds
        """Accept or refuse before the body is sent: curl waits for that with large files.

        A small body is let come first: its sender does not listen before all of it is sent.
        """
        super().prepare()
        if self.request.method != "PUT":  # let come, and thrown away, so that 405 is heard
            connection: Any = self.request.connection
            connection.set_max_body_size(DISCARDED_BYTES)
            return
        text = self.request.headers.get("Content-Length", "")
        length = int(text) if text.isdigit() else None
        try:
            await self._begin(length)
        except (TrackerError, Refusal) as error:
            if length is None or length > BLOCK_BYTES:
                raise
            self._refusal = error
            self._watch()

    async def _begin(self, length: int | None) -> None:
        """Start the upload, or say why not."""
        self.refuse_pages()
        project = check_project(self.path_args[0])
        address = self.address

        def find(store: Store) -> tuple[list[Target], list[Target]]:
            admit(store.connection, project, None, address)
            return kept_targets(store, project)

        if self.parts.targets.of(project, *await self.parts.writer.run(find)):
            raise Refusal(403, f"Uploads of {project} go to another target: ask for it first.")
        if "Content-Range" in self.request.headers:
            raise Refusal(400, "Send the whole file: parts of one are not taken.")
        folder, name = self.parts.folder, self.path_args[1]
        self.upload = await self._in_thread(lambda: folder.begin(project, name, length))
        if self.gone:
            self._end()
            return
        connection: Any = self.request.connection
        connection.set_max_body_size(folder.max_bytes + 16 * BLOCK_BYTES)
        self._watch()

    async def data_received(self, chunk: bytes) -> None:
        """Write what came; the next comes only when this is written."""
        if self._finished or self.upload is None:
            return
        self._watch()
        self._block += chunk
        if len(self._block) >= BLOCK_BYTES:
            await self._write_block()

    async def put(self, project: str, name: str) -> None:
        """Store the file, which has now come whole."""
        self.unread = False
        if self._refusal is not None:
            raise self._refusal
        if not self._finished:
            await self._write_block()
        if self._finished or self.upload is None:
            return
        self._rest()
        if await self._in_thread(self.upload.finish):
            self.line("Stored.", 201)
        else:
            self.line("This file was here already.")

    def on_finish(self) -> None:
        """Drop what was not stored."""
        super().on_finish()
        self._end()

    def on_connection_close(self) -> None:
        """Drop what came of an upload that broke off."""
        super().on_connection_close()
        self._end()

    async def _write_block(self) -> None:
        """Write the block; a refusal (too large, disk full) is answered at once."""
        if self.upload is None:
            return
        block, self._block, write = bytes(self._block), bytearray(), self.upload.write
        try:
            await self._in_thread(lambda: write(block))
        except TrackerError as error:
            # Raised from here it would only close the connection, and say nothing.
            self._handle_request_exception(error)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """Run blocking work on the files; one at a time for this upload."""
        loop = asyncio.get_running_loop()
        self._busy = loop.run_in_executor(self._threads, function)
        result: T = await self._busy
        return result

    def _watch(self) -> None:
        """Start the waiting for the next data anew."""
        self._rest()
        connection: Any = self.request.connection
        loop = asyncio.get_running_loop()
        self._stall = loop.call_later(STALL_SECONDS, lambda: connection.stream.close())

    def _rest(self) -> None:
        """Stop the waiting for the next data."""
        if self._stall is not None:
            self._stall.cancel()

    def _end(self) -> None:
        """Stop the clock and drop the temporary file, once nothing works on it."""
        self._rest()
        if self.upload is None:
            return
        upload, self.upload = self.upload, None
        if self._busy is not None and not self._busy.done():
            self._busy.add_done_callback(lambda _: self._threads.submit(upload.drop))
        else:
            self._threads.submit(upload.drop)

"""Items by HTTP: a body of lines, queued as it comes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tornado.web import stream_request_body

from tracker.adding import Lines, in_index_order
from tracker.admin.gate import AdminHandler
from tracker.errors import TrackerError
from tracker.handlers import Refusal
from tracker.names import MAX_NAME_BYTES, check_project
from tracker.queues import Queue, queue_of
from tracker.store import Added

MAX_BODY_BYTES = 1 << 32
"""Longest body of lines; it is never in memory as a whole."""

CHUNK = 5000
"""Items in one transaction."""

BUNCH = 50_000
"""Names that are sorted together, if they have BUNCH_CHARACTERS in all or fewer: few enough that
the loop does not stand still for it."""

BUNCH_CHARACTERS = 1 << 24

SMALL_BYTES = 1 << 20


@stream_request_body
class ItemsHandler(AdminHandler):
    """``POST /_admin/projects/PROJECT/items``: one item a line of the body.

    The query's ``queue`` or ``for`` names the queue. Bad lines are left out and told.
    """

    STREAMS = True

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._lines = Lines()
        self._rest = bytearray()
        self._names: list[str] = []
        self._characters = 0
        self._queue = Queue()
        self._new = self._known = 0
        self._created = False
        self._refusal: TrackerError | Refusal | None = None

    async def prepare(self) -> None:  # type: ignore[override]  # tornado takes both kinds
        """Check the key, the project's name and the queue before the body is sent."""
        length = self.request.headers.get("Content-Length", "")
        try:
            await super().prepare()
            if self.request.method == "POST":
                self._begin()
        except (TrackerError, Refusal) as error:
            # A small body is let come first: its sender listens when all of it is sent.
            small = length.isdigit() and int(length) <= SMALL_BYTES
            if self.request.method != "POST" or not small:
                raise
            self._refusal = error

    def _begin(self) -> None:
        """Read what stands in the address, and give the body its limit."""
        asked = self.asked("queue", "for")
        self._queue = queue_of(asked.get("queue"), asked.get("for"))
        check_project(self.path_args[0])
        connection: Any = self.request.connection
        connection.set_max_body_size(MAX_BODY_BYTES)

    async def data_received(self, chunk: bytes) -> None:
        """Take the whole lines that came; when they are many, the next come only when these are
        durable."""
        if self._finished or self._refusal is not None:
            return
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            self._take(bytes(self._rest) + line)
            self._rest.clear()
        if len(self._rest) <= MAX_NAME_BYTES + 16:  # a longer line is bad, whatever else it has
            self._rest += rest
        try:
            if len(self._names) >= BUNCH or self._characters > BUNCH_CHARACTERS:
                await self._add()
        except TrackerError as error:
            # Raised from here it would only close the connection, and say nothing.
            self._handle_request_exception(error)

    async def post(self, project: str) -> None:
        """Queue the last ones; answer how many were new, known and bad, and whether the project
        was made for them."""
        self.unread = False
        if self._refusal is not None:
            raise self._refusal
        if self._finished:  # trouble while the body came, which was answered then
            return
        if self._rest:
            self._take(bytes(self._rest))
        await self._add()
        self.json(
            {
                "project": project,
                "created": self._created,
                "new": self._new,
                "known": self._known,
                "bad_count": self._lines.bad_count,
                "bad": [asdict(bad) for bad in self._lines.bad],
            }
        )

    def _take(self, line: bytes) -> None:
        name = self._lines.name(line)
        if name is not None:
            self._names.append(name)
            self._characters += len(name)

    async def _add(self) -> None:
        """Queue the names read, and make the project where there is none."""
        names, self._names, self._characters = self._names, [], 0
        project, queue = self.path_args[0], self._queue
        made, first = await self.work(
            lambda store: (store.make_project(project), store.reserve(project, len(names)))
        )
        self._created |= made
        placed = in_index_order(names, first)
        for start in range(0, len(placed), CHUNK):
            added = await self._add_some(placed[start : start + CHUNK], project, queue)
            self._new += added.new
            self._known += added.known

    async def _add_some(self, placed: list[tuple[int, str]], project: str, queue: Queue) -> Added:
        return await self.work(lambda store: store.add_at(project, placed, queue))

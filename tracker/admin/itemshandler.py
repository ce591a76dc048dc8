"""Adds items over HTTP: the body is lines, which are queued as they arrive."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from tracker.admin.gate import AdminHandler
from tracker.names import check_project
from tracker.store.adding import LONGEST_LINE, Lines, in_index_order
from tracker.store.queues import Queue, queue_of
from tracker.store.store import Store
from tracker.web.handlers import StreamingHandler

MAX_BODY_BYTES = 1 << 32
"""Longest body; it is never in memory as a whole."""

CHUNK = 5000
"""Items in one transaction."""

BATCH = 50_000
"""Most names that are sorted together; sorting them does not delay the event loop for long."""

BATCH_CHARACTERS = 1 << 24
"""A batch ends when its names have more characters than this."""


class ItemsHandler(StreamingHandler, AdminHandler):
    """``POST /_admin/projects/PROJECT/items``: one item in each line of the body.

    The query's ``queue`` or ``for`` names the queue. Bad lines are left out and reported.
    """

    def initialize(self) -> None:
        """Start with no items."""
        self._lines = Lines()
        self._rest = bytearray()
        self._names: list[str] = []
        self._characters = 0
        self._new = self._known = 0
        self._created = False

    async def begin(self, length: int | None) -> None:
        """Read the address, and set the limit of the body."""
        asked = self.query("queue", "for")
        self._queue = queue_of(asked.get("queue"), asked.get("for")) or Queue()
        check_project(self.path_args[0])
        self.http.set_max_body_size(MAX_BODY_BYTES)

    async def receive(self, chunk: bytes) -> None:
        """Take the complete lines; a full batch is durable before more of the body is read."""
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            self._take(bytes(self._rest) + line)
            self._rest.clear()
        if len(self._rest) <= LONGEST_LINE:  # a longer line is bad, whatever follows
            self._rest += rest
        if len(self._names) >= BATCH or self._characters > BATCH_CHARACTERS:
            await self._add()

    async def post(self, project: str) -> None:
        """Queue the last items; answer how many were new, known and bad, and whether the project
        is new."""
        if not self.arrived():
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
        """Queue the names read so far, and make the project if it does not exist."""
        names, self._names, self._characters = self._names, [], 0
        project = self.path_args[0]
        created, first = await self.change(
            lambda store: (store.make_project(project), store.reserve(project, len(names)))
        )
        self._created |= created
        placed = in_index_order(names, first)
        for start in range(0, len(placed), CHUNK):
            chunk = placed[start : start + CHUNK]
            added = await self.change(
                partial(Store.add_at, project=project, placed=chunk, queue=self._queue)
            )
            self._new += added.new
            self._known += added.known

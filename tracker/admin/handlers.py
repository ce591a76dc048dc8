"""The commands over HTTP, and their addresses."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tornado.iostream import StreamClosedError

from tracker.admin.gate import AdminHandler
from tracker.errors import Refusal
from tracker.names import check_project
from tracker.store.adding import Lines, placed_chunks
from tracker.store.claims import Selection
from tracker.store.items import NORMAL_QUEUE, REDO, Queue, queue_of
from tracker.store.projects import SETTINGS
from tracker.store.store import Store
from tracker.text import read_age, read_number, read_time
from tracker.web.handlers import StreamingHandler

ROOT = "/_admin"
"""The name of a project cannot begin with an underscore, so no project has this address."""

MOST_LISTED = 10_000
"""Most claims in one answer."""

MAX_ITEMS_BYTES = 1 << 32
"""Longest body of items; it is never in memory as a whole."""

SELECTION: dict[str, type] = {"older_than": str, "downloader": str, "pattern": str, "all": bool}
"""What a body that selects items may contain."""

HOW_TO_SELECT = 'Select items with older_than, downloader or pattern, or with "all": true.'

SETTING_KINDS = dict.fromkeys(SETTINGS, object)
"""What a body with settings may contain; the store checks the values."""


class ProjectsHandler(AdminHandler):
    """``/_admin/projects``: GET lists the projects; POST makes the one that the body describes."""

    async def get(self) -> None:
        await self.show(Store.projects)

    async def post(self) -> None:
        data = self.body({"name": str, **SETTING_KINDS}, "name")
        name = data.pop("name")
        self.value(await self.change(Store.create_project, name, data), 201)


class ProjectHandler(AdminHandler):
    """``/_admin/projects/PROJECT``: GET shows the project; PATCH changes its settings."""

    async def get(self, project: str) -> None:
        await self.show(Store.project, project)

    async def patch(self, project: str) -> None:
        data = self.body(SETTING_KINDS)
        self.value(await self.change(Store.change_project, project, data))


class ItemsHandler(StreamingHandler, AdminHandler):
    """``POST /_admin/projects/PROJECT/items``: queues one item for each line of the body.

    The query's ``queue`` or ``for`` names the queue. Items are queued as they arrive. Bad lines
    are left out and reported.
    """

    def initialize(self) -> None:
        self._lines = Lines()
        self._new = self._known = 0
        self._created = False

    async def begin(self, length: int | None) -> None:
        """Read the address, and set the limit of the body."""
        asked = self.query("queue", "for")
        self._queue = queue_of(asked.get("queue"), asked.get("for")) or NORMAL_QUEUE
        check_project(self.path_args[0])
        self.http.set_max_body_size(MAX_ITEMS_BYTES)

    async def receive(self, chunk: bytes) -> None:
        """Take the complete lines; a full batch is durable before more of the body is read."""
        if self._lines.feed(chunk):
            await self._add()

    async def post(self, project: str) -> None:
        """Queue the last items; answer how many were new, known and bad, and whether the project
        is new."""
        if not self.arrived():
            return
        self._lines.end()
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

    async def _add(self) -> None:
        """Queue the names read so far, and make the project if it does not exist."""
        names, project = self._lines.take(), self.path_args[0]
        self._created |= await self.change(Store.make_project, project)
        first = await self.change(Store.reserve, project, len(names))
        for chunk in placed_chunks(names, first):
            added = await self.change(Store.add_at, project, chunk, self._queue)
            self._new += added.new
            self._known += added.known


class RequeueHandler(AdminHandler):
    """Puts items back into a queue, in transactions that keep no other client waiting."""

    async def requeue(
        self, project: str, data: dict[str, Any], queue: Queue | None, done: bool = False
    ) -> int:
        """Requeue the claims, or finished items if *done*, that *data* selects; return how many."""
        chosen = _selection(data).confirmed(bool(data.get("all")), HOW_TO_SELECT)
        total, more, last = 0, 1, 0
        while more:
            more, last = await self.change(Store.requeue, project, chosen, queue, done, last)
            total += more
        return total


class ClaimsHandler(RequeueHandler):
    """``/_admin/projects/PROJECT/claims``: GET lists claims, oldest first; POST releases some."""

    async def get(self, project: str) -> None:
        asked = self.query("older_than", "downloader", "pattern", "limit")
        limit = read_number(asked.pop("limit", "1000"), 1, MOST_LISTED, "limit")
        await self.show(Store.claims, project, _selection(asked), limit)

    async def post(self, project: str) -> None:
        data = self.body({**SELECTION, "queue": str, "for": str})
        queue = queue_of(data.get("queue"), data.get("for"))
        self.json({"project": project, "released": await self.requeue(project, data, queue)})


class RedoHandler(RequeueHandler):
    """``/_admin/projects/PROJECT/redo``: POST puts finished items into the redo queue."""

    async def post(self, project: str) -> None:
        total = await self.requeue(project, self.body(SELECTION), Queue(REDO), done=True)
        self.json({"project": project, "to_be_done_again": total})


def _selection(data: dict[str, Any]) -> Selection:
    """Return the selection in *data*; ages are written as on the command line (``6h``)."""
    older = data.get("older_than")
    age = None if older is None else read_age(older)
    return Selection(age, data.get("downloader"), data.get("pattern"))


class BlocksHandler(AdminHandler):
    """``/_admin/blocks``: GET lists the blocks; POST adds one; DELETE removes one.

    Without a ``project``, a block is for every project.
    """

    async def get(self) -> None:
        await self.show(Store.blocks)

    async def post(self) -> None:
        data = self.body({"value": str, "project": str, "reason": str}, "value")
        reason = data.get("reason") or ""
        block = await self.change(Store.block, data.get("project"), data["value"], reason)
        self.value(block, 201)

    async def delete(self) -> None:
        data = self.query("value", "project", needed="value")
        await self.change(Store.unblock, data.get("project"), data["value"])
        self.json({"removed": data["value"]})


class TargetsHandler(AdminHandler):
    """``/_admin/targets``: GET lists the upload targets in the database; POST adds one; PATCH
    changes its weight, or whether it is active; DELETE removes one."""

    async def get(self) -> None:
        await self.show(Store.targets)

    async def post(self) -> None:
        self.value(await self.change(Store.add_target, *self._target()), 201)

    async def patch(self) -> None:
        self.value(await self.change(Store.change_target, *self._target()))

    async def delete(self) -> None:
        data = self.query("url", "project", needed="url")
        await self.change(Store.remove_target, data.get("project"), data["url"])
        self.json({"removed": data["url"]})

    def _target(self) -> tuple[str | None, str, int | None, bool | None]:
        """Return the project, URL, weight and activity in the body."""
        data = self.body({"url": str, "project": str, "weight": int, "active": bool}, "url")
        return data.get("project"), data["url"], data.get("weight"), data.get("active")


class ExportHandler(AdminHandler):
    """``/_admin/projects/PROJECT/export``: GET sends the reports, as lines of JSON."""

    async def get(self, project: str) -> None:
        """Send the reports since the query's ``since``, in pieces."""
        since = read_time(self.query("since").get("since", "1970-01-01"))
        lines, last = await self.parts.reader.run(Store.export, project, since)
        self.set_header("Content-Type", "application/x-ndjson; charset=utf-8")
        try:
            while lines:
                self.write("\n".join(lines) + "\n")
                await self.flush()
                lines, last = await self.parts.reader.run(Store.export, project, since, last)
        except StreamClosedError:  # the client has closed the connection
            return
        self.finish()


class NoSuchCommand(AdminHandler):
    """Answers every other address below the root."""

    async def prepare(self) -> None:
        """Refuse the request after the key was checked."""
        await super().prepare()
        raise Refusal(404, "There is nothing at this address.")


def admin_routes() -> list[Any]:
    """Return the addresses, for the application's list."""
    one = rf"{ROOT}/projects/([^/]+)"
    return [
        (rf"{ROOT}/projects", ProjectsHandler),
        (one, ProjectHandler),
        (rf"{one}/items", ItemsHandler),
        (rf"{one}/claims", ClaimsHandler),
        (rf"{one}/redo", RedoHandler),
        (rf"{one}/export", ExportHandler),
        (rf"{ROOT}/blocks", BlocksHandler),
        (rf"{ROOT}/targets", TargetsHandler),
        (rf"{ROOT}(?:/.*)?", NoSuchCommand),
    ]

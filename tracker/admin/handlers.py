"""Projects, claims, blocks, upload targets and exports over HTTP, and their addresses."""

from __future__ import annotations

from functools import partial
from typing import Any

from tornado.iostream import StreamClosedError

from tracker.admin.gate import AdminHandler
from tracker.admin.itemshandler import ItemsHandler
from tracker.errors import Refusal
from tracker.store.blocks import Blocks
from tracker.store.claims import Claims, Selection
from tracker.store.projects import SETTINGS, Projects
from tracker.store.queues import queue_of
from tracker.store.reading import export_chunk
from tracker.store.store import Store
from tracker.store.targets import Targets
from tracker.text import read_age, read_number, read_time

ROOT = "/_admin"
"""The name of a project cannot begin with an underscore, so no project has this address."""

MOST_LISTED = 10_000
"""Most claims in one answer."""

SELECTION: dict[str, type] = {"older_than": str, "downloader": str, "pattern": str, "all": bool}
"""What a body that selects items may contain."""

HOW_TO_SELECT = 'Select items with older_than, downloader or pattern, or with "all": true.'

SETTING_KINDS = dict.fromkeys(SETTINGS, object)
"""What a body with settings may contain; ``projects`` checks the values."""


class ProjectsHandler(AdminHandler):
    """``/_admin/projects``: list the projects; make one."""

    async def get(self) -> None:
        """Answer every project with its settings and counts."""
        self.value(await self.look_up(lambda store: Projects(store).list()))

    async def post(self) -> None:
        """Make the project that the body names, with the settings in it: 201."""
        data = self.body({"name": str, **SETTING_KINDS}, "name")
        name = data.pop("name")
        self.value(await self.change(lambda store: Projects(store).create(name, data)), 201)


class ProjectHandler(AdminHandler):
    """``/_admin/projects/PROJECT``: show the project; change its settings."""

    async def get(self, project: str) -> None:
        """Answer the project's settings and counts."""
        self.value(await self.look_up(lambda store: Projects(store).get(project)))

    async def patch(self, project: str) -> None:
        """Change the settings in the body."""
        data = self.body(SETTING_KINDS)
        self.value(await self.change(lambda store: Projects(store).change(project, data)))


class ClaimsHandler(AdminHandler):
    """``/_admin/projects/PROJECT/claims``: list claims; release some."""

    async def get(self, project: str) -> None:
        """Answer the claims that the query selects, oldest first, at most MOST_LISTED."""
        asked = self.query("older_than", "downloader", "pattern", "limit")
        limit = read_number(asked.pop("limit", "1000"), 1, MOST_LISTED, "limit")
        chosen = _selection(asked)
        self.value(await self.look_up(lambda store: Claims(store).list(project, chosen, limit)))

    async def post(self, project: str) -> None:
        """Release the claims that the body selects; ``all`` true selects every claim."""
        data = self.body({**SELECTION, "queue": str, "for": str})
        chosen = _selection(data).confirmed(bool(data.get("all")), HOW_TO_SELECT)
        queue = queue_of(data.get("queue"), data.get("for"))
        released = 0
        while more := await self.change(
            lambda store: Claims(store).release(project, chosen, queue)
        ):
            released += more
        self.json({"project": project, "released": released})


class RedoHandler(AdminHandler):
    """``/_admin/projects/PROJECT/redo``: hand out finished items again."""

    async def post(self, project: str) -> None:
        """Put the items that the body selects into the redo queue; ``all`` true selects all."""
        data = self.body(SELECTION)
        chosen = _selection(data).confirmed(bool(data.get("all")), HOW_TO_SELECT)
        total, more, last = 0, 1, 0

        def redo(store: Store) -> tuple[int, int]:
            return Claims(store).redo(project, chosen, last)

        while more:
            more, last = await self.change(redo)
            total += more
        self.json({"project": project, "to_be_done_again": total})


def _selection(data: dict[str, Any]) -> Selection:
    """Return the selection in *data*; ages are written as on the command line (``6h``)."""
    older = data.get("older_than")
    age = None if older is None else read_age(older)
    return Selection(age, data.get("downloader"), data.get("pattern"))


class BlocksHandler(AdminHandler):
    """``/_admin/blocks``: list, add and remove blocks."""

    async def get(self) -> None:
        """Answer every block."""
        self.value(await self.look_up(lambda store: Blocks(store).list()))

    async def post(self) -> None:
        """Block the ``value`` in the body, in its ``project`` or else in every project."""
        data = self.body({"value": str, "project": str, "reason": str}, "value")
        reason = data.get("reason") or ""
        block = await self.change(
            lambda store: Blocks(store).add(data.get("project"), data["value"], reason)
        )
        self.value(block, 201)

    async def delete(self) -> None:
        """Remove the block of the query's ``value``."""
        data = self.query("value", "project", needed="value")
        await self.change(lambda store: Blocks(store).remove(data.get("project"), data["value"]))
        self.json({"removed": data["value"]})


class TargetsHandler(AdminHandler):
    """``/_admin/targets``: list, add, change and remove upload targets."""

    async def get(self) -> None:
        """Answer every target in the database."""
        self.value(await self.look_up(lambda store: Targets(store).list()))

    async def post(self) -> None:
        """Add a target."""
        target = self._target()
        self.value(await self.change(lambda store: Targets(store).add(*target)), 201)

    async def patch(self) -> None:
        """Change the weight of a target, or whether it is active."""
        target = self._target()
        self.value(await self.change(lambda store: Targets(store).change(*target)))

    async def delete(self) -> None:
        """Remove the target of the query's ``url``."""
        data = self.query("url", "project", needed="url")
        await self.change(lambda store: Targets(store).remove(data.get("project"), data["url"]))
        self.json({"removed": data["url"]})

    def _target(self) -> tuple[str | None, str, int | None, bool | None]:
        """Return the project, URL, weight and activity in the body."""
        data = self.body({"url": str, "project": str, "weight": int, "active": bool}, "url")
        return data.get("project"), data["url"], data.get("weight"), data.get("active")


class ExportHandler(AdminHandler):
    """``/_admin/projects/PROJECT/export``: the reports, as lines of JSON."""

    async def get(self, project: str) -> None:
        """Send the reports since the query's ``since``, in pieces."""
        since = read_time(self.query("since").get("since", "1970-01-01"))
        more = partial(export_chunk, project=project, since=since)
        lines, last = await self.look_up(partial(more, after=0))
        self.set_header("Content-Type", "application/x-ndjson; charset=utf-8")
        try:
            while lines:
                self.write("\n".join(lines) + "\n")
                await self.flush()
                lines, last = await self.look_up(partial(more, after=last))
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

"""Projects, claims, blocks, upload targets and exports by HTTP.

Each does what the command of that name does, see ``run-tracker --help``.
"""

from __future__ import annotations

from typing import Any

from tornado.iostream import StreamClosedError

from tracker.admin.gate import AdminHandler
from tracker.blocks import Blocks
from tracker.claims import Claims, Selection
from tracker.errors import BadValue
from tracker.exporting import Chunk, export_chunk
from tracker.projects import Projects
from tracker.queues import queue_of
from tracker.stamps import age, moment
from tracker.targettable import TargetTable

MOST_LISTED = 10_000
"""Most claims in one answer."""

CHOICE: dict[str, type] = {"older_than": str, "downloader": str, "pattern": str, "all": bool}
"""What a body that chooses items may name."""

SETTINGS = ("title", "min_version", "requests_per_minute", "max_items", "paused")


class ProjectsHandler(AdminHandler):
    """``/_admin/projects``: list them; make one."""

    async def get(self) -> None:
        """Answer every project with its settings and counts."""
        self.value(await self.look(lambda store: Projects(store.connection).list()))

    async def post(self) -> None:
        """Make the project that the body names, with the settings in it: 201."""
        data = self.body(name=str, **_setting_kinds())
        name = data.pop("name", None)
        if name is None:
            raise BadValue("The body must have the project's name.")
        made = await self.work(lambda store: Projects(store.connection).create(name, data))
        self.value(made, 201)


class ProjectHandler(AdminHandler):
    """``/_admin/projects/PROJECT``: look at it; change its settings."""

    async def get(self, project: str) -> None:
        """Answer the project's settings and counts."""
        self.value(await self.look(lambda store: Projects(store.connection).get(project)))

    async def patch(self, project: str) -> None:
        """Change the settings that the body names."""
        data = self.body(**_setting_kinds())
        self.value(await self.work(lambda store: Projects(store.connection).change(project, data)))


def _setting_kinds() -> dict[str, type]:
    """Return which names are settings; what may be their values, ``projects`` decides."""
    return {name: object for name in SETTINGS}


class ClaimsHandler(AdminHandler):
    """``/_admin/projects/PROJECT/claims``: list claims; take some back."""

    async def get(self, project: str) -> None:
        """Answer the claims that the query chooses, oldest first, MOST_LISTED at most."""
        asked = self.asked("older_than", "downloader", "pattern", "limit")
        limit = asked.pop("limit", "1000")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= MOST_LISTED):
            raise BadValue(f"limit is a number from 1 to {MOST_LISTED}.")
        chosen = _selection(asked)
        self.value(await self.look(lambda store: Claims(store).list(project, chosen, int(limit))))

    async def post(self, project: str) -> None:
        """Take back the claims that the body chooses; ``all`` true for every one."""
        data = self.body(**CHOICE, queue=str, **{"for": str})
        chosen = _narrowed(data)
        names = data.get("queue"), data.get("for")
        queue = None if names == (None, None) else queue_of(*names)
        released = 0
        while more := await self.work(lambda store: Claims(store).release(project, chosen, queue)):
            released += more
        self.json({"project": project, "released": released})


class RedoHandler(AdminHandler):
    """``/_admin/projects/PROJECT/redo``: have done again what is done."""

    async def post(self, project: str) -> None:
        """Put what the body chooses into the redo queue; ``all`` true for everything."""
        chosen = _narrowed(self.body(**CHOICE))
        again, last = 0, 0
        while True:
            more, last = await self._some(project, chosen, last)
            again += more
            if not more:
                break
        self.json({"project": project, "to_be_done_again": again})

    async def _some(self, project: str, chosen: Selection, last: int) -> tuple[int, int]:
        return await self.work(lambda store: Claims(store).redo(project, chosen, last))


def _narrowed(told: dict[str, Any]) -> Selection:
    """Return what *told* chooses; raises BadValue when it is not clear that all is meant."""
    chosen = _selection(told)
    if chosen.everything != bool(told.get("all")):
        raise BadValue('Say which: older_than, downloader, pattern; or "all": true.')
    return chosen


def _selection(told: dict[str, Any]) -> Selection:
    """Return the claims that *told* chooses; ages as on the command line (``6h``)."""
    older = told.get("older_than")
    return Selection(
        None if older is None else age(older), told.get("downloader"), told.get("pattern")
    )


class BlocksHandler(AdminHandler):
    """``/_admin/blocks``: list, add and remove."""

    async def get(self) -> None:
        """Answer every block."""
        self.value(await self.look(lambda store: Blocks(store.connection).list()))

    async def post(self) -> None:
        """Block the ``value`` that the body names, in its ``project`` or (none) everywhere."""
        data = self.body(value=str, project=str, reason=str)
        value, project = _needed(data, "value"), data.get("project")
        block = await self.work(
            lambda store: Blocks(store.connection).add(
                self.place(store, project), value, data.get("reason") or ""
            )
        )
        self.value(block, 201)

    async def delete(self) -> None:
        """Let the ``value`` that the query names in again."""
        data = self.asked("value", "project")
        value, project = _needed(data, "value"), data.get("project")
        await self.work(
            lambda store: Blocks(store.connection).remove(self.place(store, project), value)
        )
        self.json({"removed": value})


class TargetsHandler(AdminHandler):
    """``/_admin/targets``: list, add, change and remove."""

    async def get(self) -> None:
        """Answer every target that the database keeps."""
        self.value(await self.look(lambda store: TargetTable(store.connection).list()))

    async def post(self) -> None:
        """Add a target."""
        data, url = self._told()
        weight, active = data.get("weight"), data.get("active")
        target = await self.work(
            lambda store: TargetTable(store.connection).add(
                self.place(store, data.get("project")),
                url,
                1 if weight is None else weight,
                active is not False,
            )
        )
        self.value(target, 201)

    async def patch(self) -> None:
        """Change the weight of a target, or whether it is used."""
        data, url = self._told()
        target = await self.work(
            lambda store: TargetTable(store.connection).change(
                self.place(store, data.get("project")), url, data.get("weight"), data.get("active")
            )
        )
        self.value(target)

    async def delete(self) -> None:
        """Forget the target whose ``url`` the query names."""
        data = self.asked("url", "project")
        url, project = _needed(data, "url"), data.get("project")
        await self.work(
            lambda store: TargetTable(store.connection).remove(self.place(store, project), url)
        )
        self.json({"removed": url})

    def _told(self) -> tuple[dict[str, Any], str]:
        data = self.body(url=str, project=str, weight=int, active=bool)
        return data, _needed(data, "url")


class ExportHandler(AdminHandler):
    """``/_admin/projects/PROJECT/export``: what was done, as lines of JSON."""

    async def get(self, project: str) -> None:
        """Send the reports since the query's ``since``, some at a time."""
        since = moment(self.asked("since").get("since", "1970-01-01"))
        chunk = await self._chunk(project, 0, since)
        self.set_header("Content-Type", "application/x-ndjson; charset=utf-8")
        try:
            while chunk.lines:
                self.write("\n".join(chunk.lines) + "\n")
                await self.flush()
                chunk = await self._chunk(project, chunk.last, since)
        except StreamClosedError:  # who asked has hung up
            return
        self.finish()

    async def _chunk(self, project: str, after: int, since: float) -> Chunk:
        return await self.look(lambda store: export_chunk(store, project, after, since))


def _needed(data: dict[str, Any], name: str) -> str:
    """Return the text called *name*; raises BadValue when it was not sent."""
    value = data.get(name)
    if not value:
        raise BadValue(f"Say which: {name} is missing.")
    return str(value)

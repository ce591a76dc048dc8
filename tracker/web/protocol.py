"""The tracker protocol: ``request``, ``release``, ``upload``, ``done``, and the status of items.

Every command is a JSON object that is POSTed to ``/PROJECT/<command>``. Pipelines may put
``multi=N/`` before the command: for ``request`` it is how many items to hand out, and the other
commands ignore it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from tracker.errors import BadValue, Refusal
from tracker.names import JOINER, check_downloader, check_item, check_project, split_names
from tracker.store.items import Claimed
from tracker.store.store import Store
from tracker.text import read_number
from tracker.web.admission import admit, admit_request
from tracker.web.handlers import BODY_SECONDS, Handler, StreamingHandler

MAX_BODY_BYTES = 1024 * 1024
"""Longest JSON body that is accepted."""

READ_BYTES = 16 * MAX_BODY_BYTES
"""A longer body is discarded up to this length, so that its sender reads the refusal."""

MAX_MULTI = 10_000
"""Most items for which one request may ask."""


class CommandHandler(StreamingHandler):
    """One command of the protocol, which the last part of the path names.

    A bad request is refused when its whole body has arrived, because a client that is still
    sending might not read the answer.
    """

    body: bytearray

    async def begin(self, length: int | None) -> None:
        self.body = bytearray()
        if length is not None and length > READ_BYTES:
            raise _too_large()
        self.http.set_body_timeout(BODY_SECONDS)
        self.http.set_max_body_size(READ_BYTES)

    async def receive(self, chunk: bytes) -> None:
        """Keep the body, up to the accepted length."""
        if len(self.body) <= MAX_BODY_BYTES:
            self.body += chunk

    async def post(self, project: str, multi: str | None, command: str) -> None:
        self.unread = False
        self.refuse_pages()
        if len(self.body) > MAX_BODY_BYTES:
            raise _too_large()
        data = self.json_object(bytes(self.body))
        check_project(project)
        number = read_number(multi, 1, MAX_MULTI, "multi=N") if multi is not None else 1
        commands: dict[str, Callable[[], Awaitable[None]]] = {
            "request": lambda: self.hand_out(project, data, number),
            "release": lambda: self.take_back(project, data),
            "upload": lambda: self.name_target(project, data),
            "done": lambda: self.count_done(project, data),
        }
        await commands[command]()

    async def hand_out(self, project: str, data: dict[str, Any], number: int) -> None:
        """``request``: claim up to *number* items for the downloader; 404 if none waits.

        The answer has the same keys with and without ``multi=``: ``item_name`` (the names
        joined by NUL), ``items`` and ``queues``, so that a pipeline's item filter always sees
        names and queues. If the downloader closes the connection before the answer, its items
        are released. ``admission`` decides about 403, 429 and 455.
        """
        downloader = check_downloader(data.get("downloader"))
        writer, rates, address = self.parts.writer, self.parts.rates, str(self.request.remote_ip)
        if self.gone:
            return

        def take(store: Store) -> list[Claimed]:
            found = admit_request(store, rates, project, downloader, address, data.get("version"))
            if found.paused:
                return []
            claimed = store.claim(project, downloader, min(number, found.max_items or number))
            if claimed:
                rates.count(project, found.requests_per_minute)
            return claimed

        claimed = await writer.run(take)
        names = [one.name for one in claimed]
        if self.gone:
            await writer.run(Store.release, project, downloader, names)
        elif not names:
            raise Refusal(404, "No items now.")
        else:
            queues = [one.queue for one in claimed]
            self.json({"item_name": JOINER.join(names), "items": names, "queues": queues})

    async def take_back(self, project: str, data: dict[str, Any]) -> None:
        """``release``: put items back, and answer exactly their names; blocked clients may too.

        The client compares the two lists and asks again until they are equal, so the answer
        means "you hold none of these now". It includes items that were released before (when
        the answer was lost), that another downloader has claimed since, or that are done; they
        stay as they are. Only a name that the project never had is refused: the client has
        altered the name by mistake, and the item that it meant would stay claimed unnoticed.
        """
        downloader = check_downloader(data.get("downloader"))
        names = data.get("items")
        if not isinstance(names, list):
            raise BadValue('"items" must be a list of names.')
        checked = [check_item(name) for name in names]
        await self.parts.writer.run(Store.release, project, downloader, checked)
        self.json({"items": checked})

    async def name_target(self, project: str, data: dict[str, Any]) -> None:
        """``upload``: answer an upload target. The client may have lost its claim on the item."""
        downloader = check_downloader(data.get("downloader"))
        split_names(data.get("item_name"))
        targets = await self.targets_of(project, downloader)
        own_folder = f"{self.request.protocol}://{self.request.host}/{project}/upload/"
        self.json({"upload_target": self.parts.rotation.next(project, targets) or own_folder})

    async def count_done(self, project: str, data: dict[str, Any]) -> None:
        """``done``: count each item as done, once; the answer to a repeated report is OK too."""
        downloader, address = data.get("downloader"), str(self.request.remote_ip)
        if downloader is not None:
            check_downloader(downloader)
        names = split_names(data.get("item"))

        def count(store: Store) -> None:
            admit(store, project, downloader, address)
            store.done(project, downloader, names, data)

        await self.parts.writer.run(count)
        self.line("OK")


class StatusHandler(Handler):
    """``GET /PROJECT/status``: the counts, or with ``?item=NAME`` the status of that item."""

    async def get(self, project: str) -> None:
        check_project(project)
        asked = self.request.query_arguments.get("item")
        if asked is None:
            found = await self.parts.writer.run(Store.project, project)
            self.json({"project": project, **found.counts})
            return
        try:
            name = check_item(asked[-1].decode("utf-8"))
        except UnicodeDecodeError:
            raise BadValue("The item name is not UTF-8.") from None
        self.json(asdict(await self.parts.writer.run(Store.item, project, name)))


def _too_large() -> Refusal:
    return Refusal(413, f"The body is over {MAX_BODY_BYTES} bytes.")

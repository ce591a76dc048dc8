"""The tracker protocol: ``request``, ``release``, ``upload``, ``done``, and item status.

Every command is a JSON object POSTed to ``/PROJECT/<command>``. Pipelines may put
``multi=N/`` before the command; for ``request`` it is how many items to hand out, for the
others it means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from tornado.web import stream_request_body

from tracker.admission import admit, admit_request
from tracker.errors import BadValue
from tracker.handlers import Handler, Refusal
from tracker.jsonbody import read_object
from tracker.names import JOINER, check_downloader, check_item, check_project, split_names
from tracker.store import Claimed, Store
from tracker.targets import Target
from tracker.targettable import kept_targets

MAX_BODY_BYTES = 1024 * 1024
"""Longest JSON body that is read."""

DISCARDED_BYTES = 16 * MAX_BODY_BYTES
"""A longer body is read this far, and thrown away, so that its sender hears the refusal."""

BODY_SECONDS = 30.0
"""A JSON body must have come by then."""

MAX_MULTI = 10_000
"""Most items that one request may ask for."""


@stream_request_body
class CommandHandler(Handler):
    """One command of the protocol, told by the last part of the path."""

    STREAMS = True
    body: bytearray

    def prepare(self) -> None:
        """Give the body its limits. What is wrong with the request is told when all of it has
        come: a client that still sends might not hear it."""
        super().prepare()
        self.body = bytearray()
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > DISCARDED_BYTES:
            raise _too_large()
        connection: Any = self.request.connection  # the HTTP/1 connection, which alone has these
        connection.set_body_timeout(BODY_SECONDS)
        connection.set_max_body_size(DISCARDED_BYTES)

    def data_received(self, chunk: bytes) -> None:
        """Keep the body, but for what is over the limit."""
        if len(self.body) <= MAX_BODY_BYTES:
            self.body += chunk

    async def post(self, project: str, multi: str | None, command: str) -> None:
        """Carry out the command named in the path."""
        self.unread = False
        self.refuse_pages()
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, "Send JSON, with the header 'Content-Type: application/json'.")
        if len(self.body) > MAX_BODY_BYTES:
            raise _too_large()
        check_project(project)
        number = _multi_number(multi)
        data = read_object(bytes(self.body))
        commands: dict[str, Callable[[], Awaitable[None]]] = {
            "request": lambda: self.hand_out(project, data, number),
            "release": lambda: self.take_back(project, data),
            "upload": lambda: self.name_target(project, data),
            "done": lambda: self.count_done(project, data),
        }
        await commands[command]()

    async def hand_out(self, project: str, data: dict[str, Any], number: int) -> None:
        """``request``: claim up to *number* items for the downloader; 404 when none waits.

        The answer has the same keys with and without ``multi=``: ``item_name`` (the names
        joined by NUL), ``items`` and ``queues``, so that a pipeline's item filter sees names
        and queues either way. Items whose downloader hung up before the answer go back.
        403, 429 and 455 as ``admission`` decides.
        """
        downloader = check_downloader(data.get("downloader"))
        writer, rates, address = self.parts.writer, self.parts.rates, self.address
        if self.gone:
            return

        def take(store: Store) -> list[Claimed]:
            its = admit_request(
                store.connection, rates, project, downloader, address, data.get("version")
            )
            if its.paused:
                return []
            claimed = store.claim(project, downloader, min(number, its.max_items or number))
            if claimed:
                rates.count(project, its.requests_per_minute)
            return claimed

        claimed = await writer.run(take)
        names = [one.name for one in claimed]
        if self.gone:
            await writer.run(lambda store: store.release(project, downloader, names))
        elif not names:
            raise Refusal(404, "No items now.")
        else:
            queues = [one.queue for one in claimed]
            self.json({"item_name": JOINER.join(names), "items": names, "queues": queues})

    async def take_back(self, project: str, data: dict[str, Any]) -> None:
        """``release``: put items back, also from who is blocked; answers exactly those names.

        The client compares the lists, and asks again until they are equal. So the answer means
        "none of these is yours now": items released before (the answer was lost), claimed by
        another since, or done, are named too and stay as they are. Only a name that the
        project never had is refused: the client has mangled it, and the item it meant would
        stay claimed with nobody knowing.
        """
        downloader = check_downloader(data.get("downloader"))
        names = data.get("items")
        if not isinstance(names, list):
            raise BadValue('"items" must be a list of names.')
        checked = [check_item(name) for name in names]
        await self.parts.writer.run(lambda store: store.release(project, downloader, checked))
        self.json({"items": checked})

    async def name_target(self, project: str, data: dict[str, Any]) -> None:
        """``upload``: say where to upload to. Whoever holds the item: the files are there."""
        downloader, address = check_downloader(data.get("downloader")), self.address
        split_names(data.get("item_name"))

        def find(store: Store) -> tuple[list[Target], list[Target]]:
            admit(store.connection, project, downloader, address)
            return kept_targets(store, project)

        targets = self.parts.targets.of(project, *await self.parts.writer.run(find))
        target = self.parts.targets.next(project, targets)
        if target is None:
            target = f"{self.request.protocol}://{self.request.host}/{project}/upload/"
        self.json({"upload_target": target})

    async def count_done(self, project: str, data: dict[str, Any]) -> None:
        """``done``: count the items as done, each once; answers OK however often it is told."""
        downloader, address = data.get("downloader"), self.address
        if downloader is not None:
            check_downloader(downloader)
        names = split_names(data.get("item"))

        def count(store: Store) -> None:
            admit(store.connection, project, downloader, address)
            store.done(project, downloader, names, data)

        await self.parts.writer.run(count)
        self.line("OK")


class StatusHandler(Handler):
    """``GET /PROJECT/status``: the counts; with ``?item=NAME``, where that item stands."""

    async def get(self, project: str) -> None:
        """Answer the counts of the project, or one item's state, as JSON."""
        check_project(project)
        asked = self.request.query_arguments.get("item")
        if asked is None:
            counts = await self.parts.writer.run(lambda store: store.counts(project))
            self.json({"project": project, **asdict(counts)})
            return
        try:
            name = check_item(asked[-1].decode("utf-8"))
        except UnicodeDecodeError:
            raise BadValue("The item's name is not UTF-8.") from None
        self.json(asdict(await self.parts.writer.run(lambda store: store.item(project, name))))


class IndexHandler(Handler):
    """``GET /``: the projects and their counts, as lines of text."""

    async def get(self) -> None:
        """Answer a line a project."""
        projects = await self.parts.writer.run(lambda store: store.projects())
        lines = [
            f"{name}: {counts.todo} to do, {counts.out} out, {counts.done} done"
            for name, counts in projects.items()
        ]
        self.line("\n".join(lines) or "No projects yet: run-tracker add PROJECT FILE")


def _too_large() -> Refusal:
    return Refusal(413, f"The body is over {MAX_BODY_BYTES} bytes.")


def _multi_number(part: str | None) -> int:
    """Return N of a path's ``multi=N``, 1 where there is none; raises BadValue."""
    if part is None:
        return 1
    match = re.fullmatch(r"multi=([0-9]{1,5})", part)
    number = int(match[1]) if match else 0
    if not 1 <= number <= MAX_MULTI:
        raise BadValue(f"multi=N takes a number from 1 to {MAX_MULTI}.")
    return number

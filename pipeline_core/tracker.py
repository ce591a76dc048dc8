"""Tasks that talk to the tracker: get an item, ask for an upload target, report it done."""

from __future__ import annotations

import datetime
import functools
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado import httpclient, ioloop

from pipeline_core.config import realize
from pipeline_core.engine.base_task import leave, run_task
from pipeline_core.engine.calls import call, hook, on_loop
from pipeline_core.engine.waiting import Fault
from pipeline_core.externalprocess import CurlUpload, RsyncUpload
from pipeline_core.item import ItemValue
from pipeline_core.net.tracker_answers import (
    UnexpectedAnswer,
    multi_base,
    parse_items,
    parse_object,
    parse_target,
    split_answer,
    verdicts_error,
)
from pipeline_core.net.tracker_request import TrackerRequest
from pipeline_core.task import SimpleTask, Task

if TYPE_CHECKING:
    from pipeline_core.item import Item

__all__ = [
    "CurlUpload", "GetItemFromTracker", "ItemValue", "PrepareStatsForTracker",
    "ReleaseItemsToTracker", "RsyncUpload", "SendDoneToTracker", "SimpleTask", "Task",
    "TrackerRequest", "UploadWithTracker", "httpclient", "ioloop", "realize",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]

#: Seconds after which a finished item that the tracker does not accept is kept and shown.
NOT_ACCEPTED_AFTER = 86400.0
#: The most dropped keys of an answer that are named in the log.
MOST_DROPPED_TOLD = 10


class GetItemFromTracker(TrackerRequest):
    """Asks the tracker for an item until it gives one (``/multi=N`` in the URL: up to N items).

    ``item_filter`` gets ``[{"item": name, "queue": queue}, …]`` and returns as many truth
    values. The items that it refuses are released to the tracker.
    """

    def __init__(
        self,
        tracker_url: Any,
        downloader: Any,
        version: Any = None,
        item_filter: Callable[[list[dict[str, Any]]], Any] | None = None,
    ) -> None:
        super().__init__("GetItemFromTracker", tracker_url, "request", may_be_canceled=True)
        self.downloader = downloader
        self.version = version
        self.item_filter = item_filter

    def data(self, item: Item) -> dict[str, Any]:
        data = {"downloader": realize(self.downloader, item), "api_version": "2"}
        if self.version is not None:
            data["version"] = realize(self.version, item)
        return data

    async def _process_body(self, body: str, item: Item) -> None:
        try:
            values, dropped = split_answer(parse_object(body))
        except UnexpectedAnswer as error:
            self._unexpected(item, body, str(error))
            return
        if not values.get("item_name"):
            self._ask_again(item, "The tracker gave no item.", Fault.TRACKER, "no-items")
            return
        for key in dropped[:MOST_DROPPED_TOLD]:
            item.log_output(f"The tracker's answer sets {key[:100]!r}, which is reserved: ignored.")
        if len(dropped) > MOST_DROPPED_TOLD:
            item.log_output(f"And {len(dropped) - MOST_DROPPED_TOLD} more such keys.")
        # Reported before the filter runs, however long that takes: the tracker has items.
        self._asking(item).answer_used()
        names, queues = parse_items(values)
        if self.item_filter is not None:
            wanted = await self._filter(item, names, queues)
            if wanted is None:
                return
            names, queues = wanted
        await self._accept(item, values, names, queues)

    async def _filter(
        self, item: Item, names: list[str], queues: list[Any] | None
    ) -> tuple[list[str], list[Any] | None] | None:
        """Return the names that the filter accepts, and their queues; release the others. None
        when it accepts none, or has failed the item."""
        offered = [{"item": name, "queue": queue} for name, queue in
                   zip(names, queues or [None] * len(names))]
        verdicts, wrong, error = await call(item, self, self._ask_filter, offered, in_worker=True)
        if error is not None or wrong:
            if error is not None:
                item.log_failure(error)
            else:
                item.log_output(f"item_filter returned invalid data{wrong}")
            await self._release(item, names)
            await leave(item, self, False)
            return None
        keep = [number for number, verdict in enumerate(verdicts) if verdict]
        refused = [name for name, verdict in zip(names, verdicts) if not verdict]
        if refused:
            await self._release(item, refused)
        if not keep:
            self._ask_again(item, "The project accepted none of the items it was offered.",
                            Fault.PROJECT, "no-items")
            return None
        return ([names[number] for number in keep],
                None if queues is None else [queues[number] for number in keep])

    def _ask_filter(
        self, offered: list[dict[str, Any]]
    ) -> tuple[Any, str, BaseException | None]:
        """In the worker: return the filter's result, what is wrong with it, and its error."""
        assert self.item_filter is not None
        wanted = len(offered)
        try:
            verdicts = self.item_filter(offered)
            return verdicts, verdicts_error(verdicts, wanted), None
        except BaseException as error:
            # sys.exit() too: the claimed items are released before this item fails.
            return None, "", error

    async def _release(self, item: Item, names: list[str]) -> None:
        release = ReleaseItemsToTracker(self.tracker_url, self.downloader, self.version, names)
        release.cwd = self.cwd
        await run_task(release, item)

    async def _accept(self, item: Item, values: dict[str, Any], names: list[str],
                      queues: list[Any] | None) -> None:
        for key, value in values.items():
            item[key] = value
        item["item_name"] = "\0".join(names)
        item["items"] = names
        item["queues"] = queues
        item.log_output(f"Received {item.description()} from the tracker")
        await leave(item, self)


class ReleaseItemsToTracker(TrackerRequest):
    """Releases items to the tracker; asks again until the answer has a list ``items``.

    The content of the list does not matter: trackers differ in which items they list, and in
    which order.
    """

    def __init__(self, tracker_url: Any, downloader: Any, version: Any, items: Any) -> None:
        super().__init__("ReleaseItemsToTracker", _Base(tracker_url), "release")
        self.downloader = downloader
        self.version = version
        self.items = items

    def data(self, item: Item) -> dict[str, Any]:
        data = {"downloader": realize(self.downloader, item)}
        if self.version is not None:
            data["version"] = realize(self.version, item)
        data["items"] = realize(self.items, item)
        return data

    async def _process_body(self, body: str, item: Item) -> None:
        try:
            answer = parse_object(body)
        except UnexpectedAnswer as error:
            self._unexpected(item, body, str(error))
            return
        if isinstance(answer.get("items"), list):
            await leave(item, self)
        else:
            self._unexpected(item, body, "it has no list of released items")


class _Base:
    """The tracker's URL without its ``/multi=N``."""

    def __init__(self, url: Any) -> None:
        self.url = url

    def realize(self, item: Item) -> str:
        return multi_base(str(realize(self.url, item)))


class PrepareStatsForTracker(SimpleTask):
    """Sets ``item['stats']`` to the defaults, the item's name, the size in bytes of each group
    of files, and ``id_function(item)``."""

    _blocks = True

    def __init__(
        self,
        defaults: Any = None,
        file_groups: Any = None,
        id_function: Callable[[Item], Any] | None = None,
    ) -> None:
        super().__init__("PrepareStatsForTracker")
        self.defaults = {} if defaults is None else defaults
        self.file_groups = {} if file_groups is None else file_groups
        self.id_function = id_function

    def process(self, item: Item) -> None:
        sizes = {
            group: sum(os.path.getsize(os.path.join(self.cwd, path))
                       for path in realize(files, item))
            for group, files in self.file_groups.items()}
        stats = dict(realize(self.defaults, item))
        stats["item"] = item["item_name"]
        stats["bytes"] = sizes
        if self.id_function is not None:
            stats["id"] = self.id_function(item)
        item["stats"] = realize(stats, item)


class UploadWithTracker(TrackerRequest):
    """Asks the tracker for an upload target and tries it once; after a failure, asks again."""

    def __init__(
        self,
        tracker_url: Any,
        downloader: Any,
        files: Any,
        version: Any = None,
        rsync_target_source_path: Any = "./",
        rsync_bwlimit: Any = "0",
        rsync_extra_args: Any = None,
        curl_connect_timeout: Any = "60",
        curl_speed_limit: Any = "1",
        curl_speed_time: Any = "900",
    ) -> None:
        super().__init__("UploadWithTracker", tracker_url, "upload")
        self.downloader = downloader
        self.version = version
        self.files = files
        self.rsync_target_source_path = rsync_target_source_path
        self.rsync_bwlimit = rsync_bwlimit
        self.rsync_extra_args = [] if rsync_extra_args is None else rsync_extra_args
        self.curl_connect_timeout = curl_connect_timeout
        self.curl_speed_limit = curl_speed_limit
        self.curl_speed_time = curl_speed_time

    def data(self, item: Item) -> dict[str, Any]:
        data = {"downloader": realize(self.downloader, item), "item_name": item["item_name"]}
        if self.version is not None:
            data["version"] = realize(self.version, item)
        return data

    async def _process_body(self, body: str, item: Item) -> None:
        try:
            target = parse_target(parse_object(body))
            upload = self._upload_to(target)
        except UnexpectedAnswer as error:
            self._unexpected(item, body, str(error))
            return
        endpoint, asking = item.governor.target(target), self._asking(item)
        turn = asking.take_target_turn(endpoint)
        if turn is None:
            held = endpoint.held
            if held is not None:
                item.log_output(f"The tracker chose the upload target {target}, which cannot be "
                                f"used now: {held.reason}")
            self._wait_for_target(item, endpoint)
            return
        asking.answer_used()
        item.log_output(f"Uploading to {target}")
        upload.cwd = self.cwd
        upload.use_turn(item, turn)
        try:
            completed = await run_task(upload, item)
        finally:
            # It may have ended before it came to use it.
            turn.abandoned()
        if completed:
            await hook(item, self, "_inner_task_complete_item", self._uploaded, upload, item)
        else:
            await hook(item, self, "_inner_task_fail_item", self._not_uploaded, upload, item)

    @on_loop
    def _inner_task_complete_item(self, task: Task, item: Item) -> None:
        """Handle a finished upload. Project code that runs its own upload task calls this too."""
        item.scope.spawn(self._uploaded(task, item))

    @on_loop
    def _inner_task_fail_item(self, task: Task, item: Item) -> None:
        """Handle a failed upload: ask for a target again, unless a file is missing."""
        item.scope.spawn(self._not_uploaded(task, item))

    async def _uploaded(self, task: Task, item: Item) -> None:
        await leave(item, self)

    async def _not_uploaded(self, task: Task, item: Item) -> None:
        if item.seal is not None:
            missing = await item.pipeline.sealer.missing_file(item)
            if missing:
                item.log_output(f"{missing} is missing: the upload is given up.")
        else:
            # In the worker, because it reads the disk.
            missing = await call(item, self, self._missing_file, item, in_worker=True)
            if missing:
                item.keep_data = True
                item.log_output(f"The file {missing} is missing, so it cannot be uploaded. The "
                                f"item's other files are kept in {item['data_dir']}")
        if missing:
            await leave(item, self, False)
            return
        target = getattr(task, "target", None)
        where = f" to {target}" if isinstance(target, str) else ""
        self._ask_again(
            item, f"The upload{where} failed. The tracker will be asked for a target again.",
            Fault.TARGET, "upload", alone=True,
            at=item.governor.target(str(target)) if where else None)

    def _missing_file(self, item: Item) -> str:
        """Return the first missing file, '' if there is none. Also '' if the item's whole folder
        is missing: then the disk may be unmounted for a while."""
        if not os.path.isdir(item["data_dir"]):
            return ""
        files = realize(self.files, item)
        for file in files if isinstance(files, (list, tuple)) else [files]:
            path = os.path.join(self.cwd, str(file))
            if not os.path.lexists(path):
                return path
        return ""

    def _upload_to(self, target: str) -> RsyncUpload | CurlUpload:
        if target.startswith("rsync:"):
            return RsyncUpload(
                target, self.files, target_source_path=self.rsync_target_source_path,
                bwlimit=self.rsync_bwlimit, extra_args=self.rsync_extra_args, max_tries=1)
        if isinstance(self.files, (list, tuple)) and len(self.files) != 1:
            raise UnexpectedAnswer(
                f"an HTTP target takes one file, but this item has {len(self.files)}")
        file = self.files[0] if isinstance(self.files, (list, tuple)) else self.files
        return CurlUpload(
            target, file, self.curl_connect_timeout, self.curl_speed_limit,
            self.curl_speed_time, max_tries=1)


class SendDoneToTracker(TrackerRequest):
    """Reports the item as done. Only the answer ``OK`` counts."""

    def __init__(self, tracker_url: Any, stats: Any) -> None:
        super().__init__("SendDoneToTracker", tracker_url, "done")
        self.stats = stats

    def data(self, item: Item) -> dict[str, Any]:
        stats: dict[str, Any] = realize(self.stats, item)
        return stats

    async def _process_body(self, body: str, item: Item) -> None:
        if body.strip() == "OK":
            item.log_output("The tracker has confirmed the item")
            await leave(item, self)
        elif time.monotonic() - self._asking(item).backoff.started > NOT_ACCEPTED_AFTER:
            item.keep_data = True
            item.log_output("The tracker has not accepted the item for a day; its files are "
                            f"kept in {item['data_dir']}")
            await leave(item, self, False)
        else:
            self._unexpected(item, body, "it should be OK", alone=True)

"""Tasks that talk with the tracker: get an item, ask where to upload, report it done."""

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
    wrong_verdicts,
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

#: A finished item that the tracker has not accepted in a day is kept, and shown.
NOT_ACCEPTED_AFTER = 86400.0
#: Keys of an answer that were dropped and are named in the log.
MOST_DROPPED_TOLD = 10


class GetItemFromTracker(TrackerRequest):
    """Asks for an item (``/multi=N`` in the URL: for up to N), until there is one.

    ``item_filter`` gets ``[{"item": name, "queue": queue}, …]`` and returns as many
    truth values; what it refuses is given back.
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

    def process_body(self, body: str, item: Item) -> None:
        if item.carried_over(GetItemFromTracker.process_body, self, body, item):
            return
        try:
            values, dropped = split_answer(parse_object(body))
        except UnexpectedAnswer as error:
            self._unexpected(item, body, str(error))
            return
        if not values.get("item_name"):
            self._wait_and_retry(item, "The tracker gave no item.", Fault.TRACKER, "no-items")
            return
        for key in dropped[:MOST_DROPPED_TOLD]:
            item.log_output(f"The tracker's answer sets {key[:100]!r}, which is ours: left out.")
        if len(dropped) > MOST_DROPPED_TOLD:
            item.log_output(f"And {len(dropped) - MOST_DROPPED_TOLD} more such keys.")
        item.may_be_canceled = False
        # The tracker has items; how long the project takes to look at them is its own affair.
        self._answer_used(item)
        names, queues = parse_items(values)
        if self.item_filter is None:
            self._accept(item, values, names, queues)
            return
        offered = [{"item": name, "queue": queue} for name, queue in
                   zip(names, queues or [None] * len(names))]
        self._filter(item, offered, functools.partial(self._filtered, item, values, names, queues))

    def _filter(self, item: Item, offered: list[dict[str, Any]], then: Any) -> None:
        def ask() -> tuple[Any, str, BaseException | None]:
            try:
                assert self.item_filter is not None
                wanted = len(offered)
                verdicts = self.item_filter(offered)
                return verdicts, wrong_verdicts(verdicts, wanted), None
            except BaseException as error:
                # sys.exit() too: what was claimed is given back before the item fails.
                return None, "", error

        self._hook(item, ask, then=then, runs_project_code=True)

    def _filtered(self, item: Item, values: dict[str, Any], names: list[str],
                  queues: list[Any] | None, answer: tuple[Any, str, BaseException | None]) -> None:
        verdicts, wrong, error = answer
        if error is not None:
            item.log_failure(error)
        elif wrong:
            item.log_output(f"item_filter returned invalid data{wrong}")
            error = ValueError()
        if error is not None:
            self._release(item, names, functools.partial(self._hook, item, self.fail_item, item))
            return
        keep = [number for number, verdict in enumerate(verdicts) if verdict]
        refused = [name for name, verdict in zip(names, verdicts) if not verdict]
        accepted = [names[number] for number in keep]
        kept_queues = None if queues is None else [queues[number] for number in keep]
        if keep:
            go_on = functools.partial(self._accept, item, values, accepted, kept_queues)
        else:
            go_on = functools.partial(
                self._wait_and_retry, item, "The project took none of the items it was given.",
                Fault.PROJECT, "no-items")
        if refused:
            self._release(item, refused, go_on)
        else:
            go_on()

    def _release(self, item: Item, names: list[str], then: Callable[[], Any]) -> None:
        release = ReleaseItemsToTracker(self.tracker_url, self.downloader, self.version, names)
        release.cwd = self.cwd
        release.owner = _Then(then)
        item.scope.enter(release)
        release.enqueue(item)

    def _accept(self, item: Item, values: dict[str, Any], names: list[str],
                queues: list[Any] | None) -> None:
        for key, value in values.items():
            item[key] = value
        item["item_name"] = "\0".join(names)
        item["items"] = names
        item["queues"] = queues
        item.log_output(f"Received {item.description()} from the tracker")
        self._hook(item, self.complete_item, item)


class _Then:
    """Goes on when the task made for one step has been left."""

    def __init__(self, then: Callable[[], Any]) -> None:
        self._then = then

    def task_left(self, task: Task, item: Item, status: str) -> None:
        self._then()


class ReleaseItemsToTracker(TrackerRequest):
    """Gives items back; asked again until the tracker answers with a list ``items``.

    What is in the list does not matter: some trackers name what they took back, some only
    what had been claimed by us, in an order of their own.
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

    def process_body(self, body: str, item: Item) -> None:
        if item.carried_over(ReleaseItemsToTracker.process_body, self, body, item):
            return
        try:
            answer = parse_object(body)
        except UnexpectedAnswer as error:
            self._unexpected(item, body, str(error))
            return
        if isinstance(answer.get("items"), list):
            self._hook(item, self.complete_item, item)
        else:
            self._unexpected(item, body, "there is no list of released items in it")


class _Base:
    """The tracker's URL without its ``/multi=N``."""

    def __init__(self, url: Any) -> None:
        self.url = url

    def realize(self, item: Item) -> str:
        return multi_base(str(realize(self.url, item)))


class PrepareStatsForTracker(SimpleTask):
    """Sets ``item['stats']``: the defaults, the item's name, the size in bytes of each
    group of files, and ``id_function(item)``."""

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
    """Asks the tracker where to upload, and tries that once; then asks again."""

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

    def process_body(self, body: str, item: Item) -> None:
        if item.carried_over(UploadWithTracker.process_body, self, body, item):
            return
        if item.scope.ending:
            return
        try:
            target = parse_target(parse_object(body))
            upload = self._upload_to(target)
        except UnexpectedAnswer as error:
            self._unexpected(item, body, str(error))
            return
        endpoint = item.governor.target(target)
        turn = self._turn_at(item, endpoint)
        if turn is None:
            held = endpoint.held
            if held is not None:
                item.log_output(f"The tracker chose the upload target {target}, which cannot be "
                                f"used now: {held.reason}")
            self._line_up_at(item, endpoint)
            return
        item.scope.turns[upload] = turn
        upload.cwd = self.cwd
        item.log_output(f"Uploading to {target}")
        upload.owner = _Outcome(self)
        item.scope.enter(upload)
        upload.enqueue(item)

    def _inner_task_complete_item(self, task: Task, item: Item) -> None:
        """The upload is done. Files that make an upload of their own call this, too."""
        if not item.carried_over(UploadWithTracker._inner_task_complete_item, self, task, item):
            self._hook(item, self.complete_item, item)

    def _inner_task_fail_item(self, task: Task, item: Item) -> None:
        """The upload has failed: ask for a target again, unless there is nothing to send."""
        if item.carried_over(UploadWithTracker._inner_task_fail_item, self, task, item):
            return
        target = getattr(task, "target", None)
        where = f" to {target}" if isinstance(target, str) else ""
        again = functools.partial(
            self._wait_and_retry, item,
            f"The upload{where} failed. The tracker will be asked for a target again.",
            Fault.TARGET, "upload", alone=True,
            at=item.governor.target(str(target)) if where else None)
        if item.seal is None:
            # In the worker: it looks at the disk.
            self._hook(item, self._missing_file, item, runs_project_code=True,
                       then=functools.partial(self._fail_if_missing, item, again))
        else:
            item.pipeline.sealer.look_for_files(
                item, again, functools.partial(self._hook, item, self.fail_item, item))

    def _fail_if_missing(self, item: Item, again: Callable[[], Any], missing: str) -> None:
        if missing:
            item.keep_data = True
            item.log_output(f"The file {missing} is missing, so it cannot be uploaded. The item's "
                            f"other files are kept in {item['data_dir']}")
            self._hook(item, self.fail_item, item)
        else:
            again()

    def _missing_file(self, item: Item) -> str:
        """The first file that is not there, '' if all are, or if nothing is: a disk can be
        away for a while."""
        if not os.path.isdir(item["data_dir"]):
            return ""
        files = realize(self.files, item)
        for file in files if isinstance(files, (list, tuple)) else [files]:
            path = os.path.join(self.cwd, str(file))
            if not os.path.lexists(path):
                return path
        return ""

    def _upload_to(self, target: str) -> Task:
        if target.startswith("rsync:"):
            return RsyncUpload(
                target, self.files, target_source_path=self.rsync_target_source_path,
                bwlimit=self.rsync_bwlimit, extra_args=self.rsync_extra_args, max_tries=1)
        if isinstance(self.files, (list, tuple)) and len(self.files) != 1:
            raise UnexpectedAnswer(
                f"an HTTP target takes one file, and there are {len(self.files)}")
        file = self.files[0] if isinstance(self.files, (list, tuple)) else self.files
        return CurlUpload(
            target, file, self.curl_connect_timeout, self.curl_speed_limit,
            self.curl_speed_time, max_tries=1)


class _Outcome:
    """What an upload means for the task that had it made."""

    def __init__(self, task: UploadWithTracker) -> None:
        self._task = task

    def task_left(self, task: Task, item: Item, status: str) -> None:
        done = status == item.TaskStatus.completed
        self._task._hook(
            item, self._task._inner_task_complete_item if done
            else self._task._inner_task_fail_item, task, item)


class SendDoneToTracker(TrackerRequest):
    """Reports the item as done; only the answer ``OK`` counts."""

    def __init__(self, tracker_url: Any, stats: Any) -> None:
        super().__init__("SendDoneToTracker", tracker_url, "done")
        self.stats = stats

    def data(self, item: Item) -> dict[str, Any]:
        stats: dict[str, Any] = realize(self.stats, item)
        return stats

    def process_body(self, body: str, item: Item) -> None:
        if item.carried_over(SendDoneToTracker.process_body, self, body, item):
            return
        if body.strip() == "OK":
            item.log_output("The tracker has confirmed the item")
            self._hook(item, self.complete_item, item)
        elif time.monotonic() - self._backoff(item).started > NOT_ACCEPTED_AFTER:
            item.keep_data = True
            item.log_output("The tracker has not accepted the item for a day; its files are "
                            f"kept in {item['data_dir']}")
            self._hook(item, self.fail_item, item)
        else:
            self._unexpected(item, body, "it should be OK", alone=True)

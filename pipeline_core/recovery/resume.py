"""Make an item from a record in the journal, to be resumed where it was sealed."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.concurrency_limiter import ConcurrencyLimiter
from pipeline_core.engine.seal import Seal
from pipeline_core.externalprocess import UPLOAD_ENV, ExternalProcess, run_curl
from pipeline_core.item import Item
from pipeline_core.net.curl_run import Command, ProgramResult
from pipeline_core.pipeline import Pipeline
from pipeline_core.recovery.sealed_files import resolve, upload_problem
from pipeline_core.recovery.sealed_item import Sealed, State
from pipeline_core.recovery.sealer import Sealer
from pipeline_core.task import LimitConcurrent, Task
from pipeline_core.tracker import SendDoneToTracker, UploadWithTracker

if TYPE_CHECKING:
    from pipeline_core.engine.project_worker import ProjectWorker
    from pipeline_core.recovery.keeper import Keeper


class LostProperty(RuntimeError):
    """Project code reads a value that was not kept over the restart.

    This is an error, because project code that got None instead might send a wrong report.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} of this item was not kept over the restart, but the project needs it. "
            "So the item cannot be resumed; its files are kept.")


class RecoveredItem(Item):
    """An item that an earlier process has sealed."""

    def __init__(
        self, pipeline: Pipeline, sealed: Sealed, position: int, keep_data: bool
    ) -> None:
        super().__init__(pipeline, sealed.item_id, sealed.number, keep_data=keep_data,
                         prepare_data_directory=False)
        self.properties.update(sealed.properties)
        self.lost = frozenset(sealed.lost)
        self.lost_attributes = frozenset(sealed.lost_attributes)
        self.seal = Seal(sealed, position)

    def __getitem__(self, key: str) -> Any:
        if key in self.lost and key not in self.properties:
            raise LostProperty(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        if key in self.lost and key not in self.properties:
            raise LostProperty(str(key))
        return super().__contains__(key)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("lost_attributes", ()):
            raise LostProperty(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class _Replay(ExternalProcess):
    """An upload that repeats its journaled command line."""

    _uploads = True

    def __init__(self, upload: dict[str, Any]) -> None:
        super().__init__(upload["name"], list(upload["args"]), max_tries=upload["max_tries"],
                         env=UPLOAD_ENV.get(upload["args"][0]))
        self._stdin = str(upload["stdin"]).encode("utf-8", "surrogateescape")

    def stdin_data(self, item: Item) -> bytes:
        return self._stdin

    async def _run_upload(self, item: Item, command: Command) -> ProgramResult | None:
        if command[0][0] == "curl":
            return await run_curl(self, item, command)
        return await self._run_program(item, command)


def plain_pipeline(
    sealed: Sealed, worker: ProjectWorker, limiters: MutableMapping[str, ConcurrencyLimiter]
) -> Pipeline:
    """Return a pipeline with the upload and the report of one item, without project code."""
    pipeline = Pipeline(*_plain_tasks(sealed, limiters))
    pipeline.cwd = pipeline.data_dir = os.path.dirname(sealed.folder)
    pipeline.worker = worker
    return pipeline


def _plain_tasks(
    sealed: Sealed, limiters: MutableMapping[str, ConcurrencyLimiter]
) -> list[Task]:
    values = dict(sealed.upload)
    upload: Task = _Replay(values) if values["kind"] == "program" else UploadWithTracker(
        values["tracker_url"], values["downloader"],
        [os.path.join(values["source"], name) for name in values["names"]],
        values["version"], os.path.join(values["source"], ""),
        values["rsync_bwlimit"], values["rsync_extra_args"], values["curl_connect_timeout"],
        values["curl_speed_limit"], values["curl_speed_time"])
    tasks = [upload]
    if values.get("limit"):
        name, number = values["limit"]
        limit = LimitConcurrent(number, upload)
        limit._own_limiter = limiters.setdefault(name or sealed.project, ConcurrencyLimiter())
        tasks = [limit]
    if sealed.done is not None:
        tasks.append(SendDoneToTracker(sealed.done["tracker_url"], sealed.done["stats"]))
    for task in (*tasks, upload):
        task.cwd = sealed.folder
    return tasks


def obstacle(sealed: Sealed, data_dir: str) -> str:
    """Return why the item cannot be resumed, in a sentence; '' when it can. Blocks: it reads the
    files."""
    only_report = sealed.plain and sealed.state is not State.SEALED
    paths: list[str] = []
    if sealed.plain:
        try:
            _plain_tasks(sealed, {})
            if not only_report:
                paths = _uploaded(sealed)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            return f"Its record in the journal is invalid: {error!r}."
    root = os.path.join(os.path.realpath(data_dir), "")
    if only_report:
        return "" if os.path.realpath(sealed.folder).startswith(root) else \
            f"Its folder {sealed.folder} is not in {data_dir}."
    if not os.path.isdir(sealed.folder):
        return f"Its folder {sealed.folder} does not exist."
    for path in paths:
        if not os.path.realpath(path).startswith(root):
            return f"Its file {path} is not in {data_dir}."
    return upload_problem(sealed, data_dir)


def _uploaded(sealed: Sealed) -> list[str]:
    """Return the paths of the files in the journaled upload."""
    upload = sealed.upload
    if upload["kind"] == "tracker":
        return [resolve(os.path.join(upload["source"], name)) for name in upload["names"]]
    args = upload["args"]
    if args[0] not in UPLOAD_ENV:
        raise ValueError(f"it would run {args[0]!r}")
    if args[0] == "curl":
        return [args[args.index("--upload-file") + 1]]
    return [resolve(os.path.join(args[-2], name)) for name in upload["stdin"].splitlines()]


def pipeline_mismatch(sealed: Sealed, pipeline: Pipeline) -> str:
    """Return why the item cannot enter this pipeline, in a sentence; '' when it can. Blocks."""
    if tuple(str(task) for task in pipeline.tasks) != sealed.steps:
        return "The steps of its project's code have changed."
    if os.path.realpath(os.path.join(pipeline.data_dir, sealed.item_id)) != sealed.folder:
        return f"Its project's code expects it in {pipeline.data_dir}, but it is not there."
    return ""


def make_item(
    pipeline: Pipeline, sealed: Sealed, keeper: Keeper, keep_data: bool
) -> tuple[RecoveredItem, int]:
    """Return the item, and the position at which it enters its pipeline."""
    if pipeline.sealer is None:
        pipeline.sealer = Sealer(
            keeper, sealed.project, sealed.version, lambda: sealed.downloader)
    # The pipeline of a plain item begins with the upload.
    first = sealed.position if sealed.plain else 0
    return (RecoveredItem(pipeline, sealed, sealed.position - first, keep_data),
            sealed.next - first)

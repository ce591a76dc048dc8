"""What the upload and the report need, recorded as realized, and whether that is all they need.

Nothing here changes the item. Project code is called as the upload itself will call it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline_core.config import ConfigValue, realize
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.project_code import is_project_value
from pipeline_core.event import Event
from pipeline_core.externalprocess import UPLOAD_ENV, CurlUpload, ExternalProcess, RsyncUpload
from pipeline_core.item import Item
from pipeline_core.recovery.sealed_files import resolve
from pipeline_core.task import LimitConcurrent, Task
from pipeline_core.tracker import SendDoneToTracker, UploadWithTracker

if TYPE_CHECKING:
    from pipeline_core.pipeline import Pipeline

UPLOADS = (UploadWithTracker, RsyncUpload, CurlUpload)

#: Properties that are always kept: the item's names, and the computed statistics.
_KEPT = ("item_name", "items", "queues", "stats")
#: Properties that are set anew for a resumed item.
_MADE = frozenset({"data_dir", "tries"})

_TASK_EVENTS = ("on_start_item", "on_complete_item", "on_fail_item", "on_finish_item")
_PIPELINE_EVENTS = ("on_complete_item", "on_fail_item", "on_finish_item")


class Reader:
    """Wraps an item, and records which of its values are read."""

    def __init__(self, item: Item) -> None:
        self.__dict__["_item"] = item
        self.__dict__["read"] = {}

    def __getitem__(self, key: str) -> Any:
        value = self.read[key] = self._item[key]
        return value

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self._item else default

    def __contains__(self, key: object) -> bool:
        return key in self._item

    def __iter__(self) -> Iterator[str]:
        return iter(self._item)

    def __setitem__(self, key: str, value: Any) -> None:
        self._item[key] = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._item, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._item, name, value)


# -- what the pipeline looks like ------------------------------------------------------
def chain(task: Task) -> list[Task]:
    """Return the task and the tasks inside it."""
    tasks = []
    inner: Task | None = task
    while inner is not None:
        tasks.append(inner)
        inner = getattr(inner, "inner_task", None)
    return tasks


def upload_in(task: Task) -> Task | None:
    """Return the upload task that the task is or contains; None if there is none."""
    found: Task | None = task
    while found is not None and not isinstance(found, UPLOADS):
        found = getattr(found, "inner_task", None)
    return found


def is_unmodified(task: Task) -> bool:
    """Return whether the project contributes only values to the task: no subclass, no override,
    no handler."""
    own = vars(task)
    kind = type(task)
    if kind.__module__.partition(".")[0] != "pipeline_core":
        return False
    for name in own:
        if callable(getattr(kind, name, None)):
            return False
    for name in _TASK_EVENTS:
        if type(own[name]) is not Event or not own[name].is_quiet:
            return False
    return not (isinstance(task, ExternalProcess) and (
        task.env not in (None, {}, *UPLOAD_ENV.values())
        or task.retry_on_exit_code is not None or task.accept_on_exit_code != [0]))


def plain_tail(pipeline: Pipeline, position: int, upload: Task) -> tuple[bool, Any]:
    """Return whether the upload at ``position`` and what follows it (at most one report) are
    unmodified, and the report."""
    rest = pipeline.tasks[position + 1:]
    done = rest[0] if len(rest) == 1 and type(rest[0]) is SendDoneToTracker else None
    if type(upload) not in UPLOADS or len(rest) != (0 if done is None else 1):
        return False, done
    tasks = chain(pipeline.tasks[position])
    for task in tasks:
        if not (task is upload or type(task) is LimitConcurrent):
            return False, done
    for task in (*tasks, *rest):
        if not is_unmodified(task):
            return False, done
    for name in _PIPELINE_EVENTS:
        event = getattr(pipeline, name)
        if type(event) is not Event or not event.is_quiet:
            return False, done
    return done is None or not is_project_value(*vars(done).values()), done


# -- recording. Where this calls project code, it runs in the worker ------------------------
def runs_project_code(*tasks: Task | None) -> bool:
    """Return whether :func:`describe` calls project code for one of these tasks."""
    values: list[Any] = []
    for task in tasks:
        if task is not None:
            values += vars(task).values()
        if isinstance(task, RsyncUpload) and is_project_code(task.stdin_data):
            return True
    return is_project_value(*values)


def describe(
    item: Item, top: Task, upload: Task, done: Any, plain: bool
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """Return the fields of the item's record that come from the pipeline, and the absolute paths
    of all uploads; None when the upload cannot be realized (yet)."""
    reader = Reader(item)
    try:
        if isinstance(upload, UploadWithTracker):
            values, paths = _describe_with_tracker(upload, reader)
        else:
            values, paths, usual = _describe_program(upload, reader)
            plain = plain and usual
        json.dumps(values)
    except Exception:
        # The upload may be skipped later, and its values never needed: not an error.
        return None
    report = None
    if plain:
        if isinstance(top, LimitConcurrent):
            # The name of the setting, and the number.
            name = top.limit.name if isinstance(top.limit, ConfigValue) else ""
            try:
                values["limit"] = [name, max(1, int(realize(top.limit, reader)))]
            except Exception:
                values["limit"] = [name, 1]
        try:
            report = None if done is None else {
                "tracker_url": str(realize(done.tracker_url, reader)),
                "stats": realize(realize(done.stats, reader), reader)}
            json.dumps(report)
        except Exception:
            plain, report = False, None
    properties, lost, lost_attributes = _properties(item, reader)
    return {"upload": values, "done": report, "plain": plain, "properties": properties,
            "lost": lost, "lost_attributes": lost_attributes}, paths


def _describe_program(
    upload: Any, reader: Any
) -> tuple[dict[str, Any], tuple[str, ...], bool]:
    """Return the values, the paths, and whether the command line has the usual form."""
    values: dict[str, Any] = {
        "kind": "program", "name": upload.name, "max_tries": realize(upload.max_tries, reader),
        "args": [str(arg) for arg in realize(upload.args, reader)], "stdin": ""}
    args = values["args"]
    if isinstance(upload, RsyncUpload):
        source = str(realize(upload.target_source_path, reader))
        usual = args[0] == "rsync" and args[-3:-1] == ["--files-from=-", source]
        args[-2] = os.path.join(resolve(os.path.join(upload.cwd, source)), "")
        values["stdin"] = upload.stdin_data(reader).decode("utf-8", "surrogateescape")
        return values, tuple([os.path.join(upload.cwd, str(file))
                              for file in realize(upload.files, reader)]), usual
    if args[0] != "curl" or "--upload-file" not in args[:-1]:
        return values, (), False
    place = args.index("--upload-file") + 1
    args[place] = resolve(os.path.join(upload.cwd, args[place]))
    return values, (args[place],), True


def _describe_with_tracker(
    upload: UploadWithTracker, reader: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    values = realize({name: getattr(upload, name) for name in (
        "files", "rsync_target_source_path", "tracker_url", "downloader", "version",
        "rsync_bwlimit", "rsync_extra_args", "curl_connect_timeout", "curl_speed_limit",
        "curl_speed_time")}, reader)
    files = values.pop("files")
    source = os.path.join(upload.cwd, str(values.pop("rsync_target_source_path")))
    paths = [os.path.join(upload.cwd, str(file))
             for file in (files if isinstance(files, (list, tuple)) else [files])]
    return {
        "kind": "tracker", "name": upload.name, **values, "source": resolve(source),
        "names": [os.path.relpath(path, source) for path in paths]}, tuple(paths)


def _properties(
    item: Item, reader: Any
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Return the properties that are kept, and the names of the properties and attributes that
    are not."""
    have = dict(item.property_items())
    kept: dict[str, Any] = {}
    for key in (*_KEPT, *reader.read):
        if key in have and key not in _MADE:
            with contextlib.suppress(TypeError, ValueError, RecursionError):
                json.dumps({key: have[key]})
                kept[key] = have[key]
    lost = (have.keys() | item.lost).difference(kept, _MADE)
    own = vars(item).keys() - _own_attributes()
    return kept, tuple(sorted(lost)), tuple(sorted(own | item.lost_attributes))


@functools.lru_cache(maxsize=1)
def _own_attributes() -> frozenset[str]:
    """Return the attributes that every item has; any other was set by a project."""
    nowhere = types.SimpleNamespace(data_dir="", worker=None)
    return frozenset(vars(Item(nowhere, "", 0, prepare_data_directory=False))) | {
        "lost", "lost_attributes"}

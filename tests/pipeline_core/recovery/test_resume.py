"""From a record to an item that goes on."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.concurrency_limiter import ConcurrencyLimiter
from pipeline_core.engine.project_worker import ProjectWorker
from pipeline_core.pipeline import Pipeline
from pipeline_core.recovery.journal import Journal
from pipeline_core.recovery.keeper import Keeper
from pipeline_core.recovery.resume import (
    LostProperty,
    RecoveredItem,
    make_item,
    obstacle,
    pipeline_mismatch,
    plain_pipeline,
)
from pipeline_core.recovery.sealed_item import Sealed, State
from pipeline_core.task import LimitConcurrent, Task
from pipeline_core.tracker import SendDoneToTracker, UploadWithTracker
from tests.support.engine import run
from tests.support.sealed import program_upload, sealed_item, tracker_upload

URL = "http://127.0.0.1:9/project"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def pipeline_of(sealed: Sealed, limiters: dict[str, ConcurrencyLimiter] | None = None) -> Pipeline:
    async def main() -> Pipeline:
        worker = ProjectWorker("worker of a test", os.path.dirname(sealed.folder))
        return plain_pipeline(sealed, worker, {} if limiters is None else limiters)

    return run(main())


# -- what an item has kept ---------------------------------------------------------------------
def test_what_was_not_kept_is_no_guess(data: Path) -> None:
    """Whoever asks for it is told, by whatever way he asks; setting it anew is allowed."""
    sealed = sealed_item(data, URL)
    item = RecoveredItem(pipeline_of(sealed), sealed, 0, keep_data=False)
    assert item["item_name"] == "item 1" and item["data_dir"] == sealed.folder
    ways: list[Callable[[], Any]] = [
        lambda: item["cookie"], lambda: item.get("cookie", 1), lambda: "cookie" in item,
        lambda: "%(cookie)s" % item, lambda: item.session, lambda: getattr(item, "session", 1)]
    for ask in ways:
        with pytest.raises(LostProperty, match="cookie|session"):
            ask()
    assert item.get("nothing") is None and "nothing" not in item
    assert not hasattr(item, "nothing")
    item["cookie"] = item.session = "anew"
    assert item["cookie"] == item.session == "anew" and "cookie" in item


def test_the_folder_is_not_emptied(data: Path) -> None:
    """As that of a new item is."""
    sealed = sealed_item(data, URL)
    RecoveredItem(pipeline_of(sealed), sealed, 0, keep_data=False)
    assert os.listdir(sealed.folder) == ["a"]


# -- where it goes on ----------------------------------------------------------------------
@pytest.mark.parametrize(("plain", "following", "expected"), [
    (True, 2, (0, 0)), (True, 3, (0, 1)), (False, 2, (2, 2)), (False, 3, (2, 3))])
def test_where_it_enters(data: Path, plain: bool, following: int, expected: tuple[int, int]) -> None:
    """Its own pipeline begins with the upload; that of the code has what was before it."""
    sealed = sealed_item(data, URL, plain=plain, next=following)

    async def main() -> None:
        keeper = Keeper(Journal(str(data / "journal.db"), lambda: []))
        pipeline = Pipeline(*(Task(name) for name in sealed.steps))
        pipeline.data_dir = str(data)
        item, position = make_item(pipeline, sealed, keeper, False)
        assert position == expected[1]
        assert item.seal is not None and item.seal.position == expected[0]
        assert item.seal.next_after(position) == following + 1
        sealer = pipeline.sealer
        make_item(pipeline, dataclasses.replace(sealed, item_id="other"), keeper, False)
        assert pipeline.sealer is sealer is not None

    run(main())


def test_the_pipeline_of_a_plain_item(data: Path) -> None:
    """The upload as it was noted, and the report; each works in the item's folder."""
    sealed = sealed_item(data, URL)
    pipeline = pipeline_of(sealed)
    upload, report = pipeline.tasks
    assert isinstance(upload, UploadWithTracker) and isinstance(report, SendDoneToTracker)
    assert upload.files == [os.path.join(sealed.folder, "a")] and upload.version == "v1"
    assert report.stats == {"item": "item 1"}
    assert {task.cwd for task in pipeline.tasks} == {sealed.folder}
    assert pipeline.data_dir == str(data.resolve())
    assert len(pipeline_of(sealed_item(data, URL, 2, done=False)).tasks) == 1


def test_a_limit_is_shared_by_all_that_have_it(data: Path) -> None:
    """By its name, else by the project, over all records."""
    limiters: dict[str, ConcurrencyLimiter] = {}
    found = []
    for number, (name, project) in enumerate(
            [("shared:x", "one"), ("shared:x", "two"), ("", "one"), ("", "one")], 1):
        sealed = sealed_item(data, URL, number, project=project)
        sealed = dataclasses.replace(sealed, upload={**sealed.upload, "limit": [name, 2]})
        limit = pipeline_of(sealed, limiters).tasks[0]
        assert isinstance(limit, LimitConcurrent) and limit.limit == 2
        assert limit.inner_task.cwd == sealed.folder
        found.append(limit.limiter)
    assert found[0] is found[1] and found[2] is found[3] and found[0] is not found[2]
    assert set(limiters) == {"shared:x", "one"}


def test_a_program_with_its_command_line(data: Path) -> None:
    """Exactly the one that was noted, input included, with the environment of uploads."""
    sealed = sealed_item(data, URL, upload=program_upload(
        "rsync", "-rltv", "--files-from=-", "/source/", "rsync://127.0.0.1:9/x/",
        stdin="name\udcff\n"))
    upload: Any = pipeline_of(sealed).tasks[0]
    assert upload.args == sealed.upload["args"] and upload.max_tries == 1
    assert upload.stdin_data(None) == b"name\xff\n"
    assert upload.env == {"RSYNC_PASSWORD": "none"}


# -- what stands in its way --------------------------------------------------------------------
def of(**more: Any) -> Callable[[Path], Sealed]:
    return lambda data: sealed_item(data, URL, **more)


def with_upload(make: Callable[[str], dict[str, Any]]) -> Callable[[Path], Sealed]:
    def made(data: Path) -> Sealed:
        sealed = sealed_item(data, URL)
        return dataclasses.replace(sealed, upload=make(sealed.folder))

    return made


def without(*keys: str) -> Callable[[Path], Sealed]:
    def made(data: Path) -> Sealed:
        sealed = sealed_item(data, URL)
        return dataclasses.replace(sealed, upload={
            key: value for key, value in sealed.upload.items() if key not in keys})

    return made


@pytest.mark.parametrize(("record", "why"), [
    (of(), "^$"),
    (of(plain=False), "^$"),
    (with_upload(lambda folder: program_upload(
        "rsync", "--files-from=-", folder + "/", "rsync://x/", stdin="a\n")), "^$"),
    (with_upload(lambda folder: program_upload("curl", "--upload-file", folder + "/a", "x")), "^$"),
    (with_upload(lambda folder: tracker_upload(URL, folder, "../../outside")),
     "outside is not in"),
    (with_upload(lambda folder: program_upload(
        "rsync", "--files-from=-", "/etc/", "rsync://x/", stdin="passwd\n")),
     "/etc/passwd is not in"),
    (with_upload(lambda folder: program_upload("curl", "--upload-file", "/etc/passwd", "x")),
     "is not in"),
    (with_upload(lambda folder: program_upload("sh", "-c", "true")),
     "is invalid.*would run 'sh'"),
    (with_upload(lambda folder: program_upload("curl", "x")), "is invalid"),
    (without("kind"), "is invalid"),
    (without("tracker_url"), "is invalid"),
    (of(done=True, state=State.UPLOADED, next=3), "^$"),
])
def test_what_a_record_may_do(data: Path, record: Callable[[Path], Sealed], why: str) -> None:
    """Nothing outside the data folder, and no program but those of uploads."""
    assert re.search(why, obstacle(record(data), str(data)))


def test_a_folder_elsewhere(data: Path, tmp_path: Path) -> None:
    """Also where only the report is left; and one that is gone."""
    for state in State:
        number = len(os.listdir(data)) + 1 if data.exists() else 1
        sealed = sealed_item(data, URL, number, state=state, next=3)
        assert "is not in" in obstacle(sealed, str(tmp_path / "other"))
    sealed = sealed_item(data, URL, 9)
    os.rename(sealed.folder, sealed.folder + ".away")
    assert "does not exist" in obstacle(sealed, str(data))


def test_code_that_has_changed(data: Path) -> None:
    """Other steps, or another place for its items: it would not go on where it was."""
    sealed = sealed_item(data, URL, plain=False)
    pipeline = Pipeline(*(Task(name) for name in sealed.steps))
    pipeline.data_dir = str(data)
    assert pipeline_mismatch(sealed, pipeline) == ""
    pipeline.data_dir = str(data / "other")
    assert "expects it in" in pipeline_mismatch(sealed, pipeline)
    pipeline.tasks.pop()
    assert "have changed" in pipeline_mismatch(sealed, pipeline)

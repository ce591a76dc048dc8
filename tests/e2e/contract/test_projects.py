"""Whole project files in the style of real ones, run unmodified by the real command and,
side by side, in one process.

Covered: wget-at with a class for its arguments, CheckIP, PrepareDirectories, MoveFiles,
Maybe... overrides, hashes of the file, user agents, multi-items; an old file with star
imports, AsyncPopen, waiting on the IOLoop, a child fed through stdin, an upload by hand; a
new one with item_filter, queues, coroutines, requests and the synchronous client.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.loader import load_pipeline
from pipeline_core.runner import Runner
from tests.support.kit import PIPELINES, run_pipeline
from tests.support.rsyncd import RsyncDaemon
from tests.support.scripted_tracker import Answer, ScriptedTracker, item_answer, json_answer

# Files of this kind leave their files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def rsyncd(tmp_path: Path) -> Iterator[RsyncDaemon]:
    """A real rsync daemon of this test."""
    with RsyncDaemon(tmp_path / "rsyncd") as daemon:
        yield daemon


@pytest.fixture
def host(tracker: ScriptedTracker) -> str:
    """HOST:PORT of the scripted tracker."""
    return f"127.0.0.1:{tracker.port}"


def copied(tmp_path: Path, name: str) -> Path:
    """A checkout of the project of this name; its pipeline file."""
    return Path(shutil.copytree(PIPELINES / name, tmp_path / name)) / "pipeline.py"


def done_names(tracker: ScriptedTracker) -> list[str]:
    """The names that were reported as done, sorted."""
    return sorted(r.json["item"] for r in tracker.requests("done"))


def test_grab(tmp_path: Path, tracker: ScriptedTracker, host: str, rsyncd: RsyncDaemon) -> None:
    """The classic: multi-items through wget-at into files, uploaded by rsync, reported."""
    tracker.queue("request", Answer(404), item_answer("num:35", "url:http://a/?b=c d", "num:bad1"),
                  item_answer("num:36"), item_answer("num:bad2"))
    tracker.always("upload", json_answer({"upload_target": rsyncd.url}))
    path = copied(tmp_path, "grab")
    env = {"TEST_TRACKER_HOST": host, "http_proxy": "http://127.0.0.1:9/", "no_proxy": "127.0.0.1"}
    ended = run_pipeline(path, "--max-items", "3", "--concurrent", "2", "--context-value",
                         "bind_address=127.0.0.1", nick="some-one", env=env)
    assert ended.status == 0, ended.output
    assert done_names(tracker) == ["num:35\0url:http://a/?b=c d", "num:36"]
    stats = tracker.requests("done")[0].json
    assert stats["downloader"] == "some-one" and stats["version"] == "20240102.03"
    assert stats["id"]["pipeline_hash"] == hashlib.sha1(path.read_bytes()).hexdigest()
    assert stats["bytes"]["data"] > 0
    sent = sorted(rsyncd.folder.iterdir())
    assert len([p for p in sent if p.name.endswith(".1234567890.warc.zst")]) == 2
    assert "record of url:http://a/?b=c d\n" in "".join(p.read_text() for p in sent)
    assert ended.output.count("Skipping SendDoneToTracker.") == 1
    assert ended.output.count("Checking IP address.") == 1
    assert "downloader=some-one proxy= home=\n" in ended.output
    assert "*** Wget will bind address at 127.0.0.1 ***" in ended.output
    assert {r.path for r in tracker.requests("request")} == {"/grab/multi=3/request"}
    assert list((path.parent / "data").iterdir()) == []


def test_grab_without_its_wget(tmp_path: Path, host: str) -> None:
    """Without wget-at the file raises: status 1, and the reason it gives is shown."""
    path = copied(tmp_path, "grab")
    (path.parent / "wget-at").unlink()
    ended = run_pipeline(path, env={"TEST_TRACKER_HOST": host})
    assert ended.status == 1
    assert "No usable Wget+At found." in ended.output


@pytest.mark.parametrize("kind", ["rsync", "http"])
def test_old(tmp_path: Path, tracker: ScriptedTracker, host: str, rsyncd: RsyncDaemon,
             kind: str) -> None:
    """The old style, with an upload by hand over rsync and over HTTP."""
    target = rsyncd.url if kind == "rsync" else f"{tracker.url}/put/"
    tracker.queue("request", *[item_answer(f"n:{i}") for i in range(3)], item_answer("n/skip"))
    tracker.queue("upload", json_answer({}))
    tracker.always("upload", json_answer({"upload_target": target}))
    ended = run_pipeline(copied(tmp_path, "old"), "--max-items", "4", "--concurrent", "2",
                         env={"TEST_TRACKER_HOST": host})
    assert ended.status == 0, ended.output
    assert done_names(tracker) == ["n/skip", "n:0", "n:1", "n:2"]
    assert all(r.json["id"] == {"result": 42, "code": 3} for r in tracker.requests("done"))
    arrived = list(rsyncd.folder.iterdir()) if kind == "rsync" else list(tracker.uploads)
    assert len(arrived) == 3
    assert ended.output.count("Finished PrintItem") == 4
    assert len(tracker.requests("upload")) == 4


def modern_tracker(tracker: ScriptedTracker) -> None:
    """Answers for the newest kind of file."""
    tracker.always("config", json_answer({"types": ["page", "user"]}))
    tracker.always("page", lambda request: Answer(200, b"page of " + request.body))
    tracker.always("backfeed", Answer(200))


def test_modern(tmp_path: Path, tracker: ScriptedTracker, host: str) -> None:
    """Filters give back what they refuse; queues, coroutines and late imports work."""
    modern_tracker(tracker)
    tracker.queue(
        "request",
        item_answer("page:1", "other:2", "page:3", "user:4",
                    items=["page:1", "other:2", "page:3", "user:4"],
                    queues=["todo", "todo", "stash", "todo:secondary"]),
        item_answer("other:5"), item_answer("user:6", "page:7"))
    ended = run_pipeline(copied(tmp_path, "modern"), "--max-items", "2",
                         env={"TEST_TRACKER_HOST": host})
    assert ended.status == 0, ended.output
    assert done_names(tracker) == ["page:1\0user:4", "user:6\0page:7"]
    queues = {r.json["item"]: r.json["queues"] for r in tracker.requests("done")}
    assert queues == {"page:1\0user:4": ["todo", "todo:secondary"], "user:6\0page:7": None}
    assert [r.json["items"] for r in tracker.requests("release")] == [
        ["other:2", "page:3"], ["other:5"]]
    assert {r.path for r in tracker.requests("release")} == {"/modern/release"}
    assert json.loads(tracker.requests("backfeed")[0].body) == ["modern page:1", "modern user:4"]
    assert "found 2\n" in ended.output and "found 4\n" in ended.output


def test_all_in_one_process(tmp_path: Path, tracker: ScriptedTracker, host: str,
                            rsyncd: RsyncDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three run side by side in one process, one loop, each with its own helpers."""
    monkeypatch.setenv("TEST_TRACKER_HOST", host)
    modern_tracker(tracker)

    def hand_out(request: Any) -> Answer:
        kind = request.path.split("/")[1]
        number = len([r for r in tracker.requests("request") if r.path == request.path])
        prefix = {"grab": "num:", "old": "n:", "modern": "page:"}[kind]
        return item_answer(f"{prefix}{number}")

    tracker.always("request", hand_out)
    tracker.always("upload", json_answer({"upload_target": rsyncd.url}))

    async def main() -> dict[str, dict[str, int]]:
        counts, endings, workers = {}, [], []
        for name in ("grab", "old", "modern"):
            loaded = await load_pipeline(str(copied(tmp_path, name)), "some-one")
            workers.append(loaded.worker)
            runner = Runner(concurrent_items=2, max_items=4)
            runner.set_current_pipeline(loaded.pipeline)
            done = asyncio.Event()
            runner.on_finish += lambda runner, done=done: done.set()
            endings.append(done.wait())
            counts[name] = runner.counts
            runner.start()
        await asyncio.wait_for(asyncio.gather(*endings), 60)
        for worker in workers:
            worker.close()
        return counts

    counts = asyncio.run(main())
    assert counts == {name: {"completed": 4, "failed": 0, "canceled": 0}
                      for name in ("grab", "old", "modern")}
    assert len(tracker.requests("done")) == 12
    assert len(set(done_names(tracker))) == 12
